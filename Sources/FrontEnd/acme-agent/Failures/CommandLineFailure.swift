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
        output.report(failure(error))
        return ExitStatus.usage.rawValue
    }

    static func failure(_ error: any Error) -> Failure {
        if let failure = error as? Failure { return failure }
        let full = AcmeAgent.fullMessage(for: error)
        var hint = full.split(separator: "\n").first { $0.hasPrefix("Usage: ") }.map { "usage: \($0.dropFirst(7))" }
        if let option = full.split(separator: "\n").first(where: { $0.contains("See '") }), hint == nil {
            hint = option.trimmingPrefix(while: { $0 == " " }).lowercased()
        }
        return .usage(sentence(AcmeAgent.message(for: error)), hint: hint)
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
