import ACME
import ArgumentParser
import Glibc

/// What the argument parser throws: help and versions are no failures, everything else is wrong usage.
enum CommandLineFailure {
    /// Prints it. - Returns: The exit status.
    static func report(_ error: any Error, arguments: [String]) -> Int32 {
        guard error is Failure || AcmeAgent.exitCode(for: error) != .success else {
            // Help, --version and completion scripts.
            let number = Output.write(AcmeAgent.fullMessage(for: error) + "\n", to: STDOUT_FILENO)
            guard number != 0, number != EPIPE else { return ExitStatus.success.rawValue }
            let failure = Failure.output(number)
            Output(json: false, verbosity: .normal).report(failure)
            return failure.exitStatus.rawValue
        }
        let output = Output(json: arguments.contains("--json"), verbosity: .normal)
        output.report(failure(error, arguments: arguments))
        return ExitStatus.usage.rawValue
    }

    /// - Parameter arguments: the words that were given, for what was meant by them.
    static func failure(_ error: any Error, arguments: [String] = []) -> Failure {
        if let failure = error as? Failure { return failure }
        let full = AcmeAgent.fullMessage(for: error)
        var usage = full.split(separator: "\n").first { $0.hasPrefix("Usage: ") }.map { "usage: \($0.dropFirst(7))" }
        if let option = full.split(separator: "\n").first(where: { $0.contains("See '") }), usage == nil {
            usage = option.trimmingPrefix(while: { $0 == " " }).lowercased()
        }
        let message = sentence(AcmeAgent.message(for: error))
        let option = quoted(after: "unknown option ", in: message)
        // An unknown command's options are unknown too.
        if option != nil || quoted(after: "unexpected argument ", in: message) != nil, let (word, group) = unknownCommand(arguments) {
            let nearest = Suggestion.nearest(to: word, among: group.commands)
            let name = (["acme-agent"] + group.path).joined(separator: " ")
            return .usage(
                "there is no command \"\(name) \(TerminalText.safe(word, limit: 40))\"",
                hint: nearest.map { "did you mean `\(name) \($0)`?" } ?? "commands: \(group.commands.joined(separator: ", "))")
        }
        if let other = arguments.first(where: { Suggestion.valuesOfOthers[$0] != nil }) {
            return .usage("unknown option '\(other)'", hint: Suggestion.valuesOfOthers[other])
        }
        if let option {
            let suggested = quoted(after: "Did you mean ", in: message).flatMap { Suggestion.nearest(to: option, among: [$0]) }
            let hint = Suggestion.elsewhere[option] ?? suggested.map { "did you mean `\($0)`?" } ?? usage
            return .usage("unknown option '\(option)'", hint: hint)
        }
        return .usage(message, hint: usage)
    }

    /// The word in single quotes after a beginning.
    private static func quoted(after beginning: String, in text: String) -> String? {
        guard let range = text.firstRange(of: beginning + "'") else { return nil }
        let rest = text[range.upperBound...]
        return rest.firstIndex(of: "'").map { String(rest[..<$0]) }
    }

    private static let optionsWithValue = ["--config", "--socket", "--directory", "--ca-certificate", "--state-directory"]

    /// The first word that stands where a command's name is wanted and is none, with the group of commands it stands
    /// in.
    private static func unknownCommand(_ arguments: [String]) -> (word: String, group: (path: [String], commands: [String]))? {
        func name(_ command: any ParsableCommand.Type) -> String {
            command.configuration.commandName ?? "\(command)".lowercased()
        }
        var path: [String] = [], commands = AcmeAgent.configuration.subcommands
        var words = arguments[...]
        while let word = words.popFirst(), !commands.isEmpty, word != "help" {
            if optionsWithValue.contains(word) {
                words = words.dropFirst()
            } else if let next = commands.first(where: { name($0) == word }) {
                path.append(word)
                commands = next.configuration.subcommands
            } else if !word.hasPrefix("-") {
                return (word, (path, commands.map(name)))
            }
        }
        return nil
    }

    /// The parser's sentence in this program's manner: lower case, no full stop, one line.
    static func sentence(_ text: String) -> String {
        var lines = text.split(separator: "\n").map { $0.trimmingPrefix(while: { $0 == " " }) }
        if lines.isEmpty { return "the command line cannot be understood" }
        if lines.count > 1 { lines = lines.filter { !$0.isEmpty } }
        var sentence = lines.joined(separator: " ")
        while sentence.hasSuffix(".") { sentence.removeLast() }
        // A word in capitals or an option stays as it is.
        if let first = sentence.first, first.isUppercase, sentence.dropFirst().first?.isLowercase == true {
            sentence = first.lowercased() + sentence.dropFirst()
        }
        return sentence
    }
}
