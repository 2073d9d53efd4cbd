import ArgumentParser
import BuildInformation
import Glibc

/// The program: reads the command line, runs one command and reports its result.
@main
enum Main {
    static func main() async {
        // A closed pipe (`| head`) makes write(2) fail; the signal must not end an issuance in the middle.
        Interruption.catchBrokenPipes()
        Output.occupyStandardDescriptors()
        // The parser would end at --version, which prints text.
        if BuildInformation.isWanted(by: words) {
            let number = Output.write(BuildInformation.current.json(program: "acme-agent") + "\n", to: STDOUT_FILENO)
            guard number != 0, number != EPIPE else { exit(ExitStatus.success.rawValue) }
            let failure = Failure.output(number)
            Output(json: true, verbosity: .normal).report(failure, json: false)
            exit(failure.exitStatus.rawValue)
        }
        let command: any ParsableCommand
        do {
            command = try await AcmeAgent.asyncParseAsRoot(Arguments.given())
        } catch {
            exit(CommandLineFailure.report(error, arguments: words))
        }
        exit(await run(command))
    }

    /// The given words.
    private static var words: [String] { Array(CommandLine.arguments.dropFirst()) }

    /// - Returns: The exit status.
    private static func run(_ command: any ParsableCommand) async -> Int32 {
        guard let command = command as? any AgentCommand else {
            // A group without a subcommand, or `help`.
            var command = command
            do { try command.run() } catch { return CommandLineFailure.report(error, arguments: words) }
            return ExitStatus.success.rawValue
        }
        var output = Output(command.options)
        var session: Session?
        do {
            let settings = try Settings(command.options, environment: Environment.current())
            let use = type(of: command).stateUse
            try settings.checkStateDirectory(use)
            output = output.naming(settings.cas)
            if use.changesIt { try StoreOwner(of: settings.stateDirectory)?.takeOver(output) }
            let begun = Session(settings: settings, output: output)
            session = begun
            Interruption.begin { begun.output.end(with: $0) }
            return try await command.run(begun).rawValue
        } catch is OutputClosed {
            return ExitStatus.success.rawValue
        } catch {
            var failure = Failure(error)
            if let session { failure = await session.explained(failure) }
            output.report(failure)
            return failure.exitStatus.rawValue
        }
    }
}
