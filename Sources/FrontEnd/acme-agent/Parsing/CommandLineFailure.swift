import ACME
import ArgumentParser
import Glibc

/// Reports what the argument parser throws: help and the version are not failures, everything else is wrong usage.
enum CommandLineFailure {
    /// Prints it. - Returns: The exit status.
    static func report(_ error: any Error, arguments: [String]) -> Int32 {
        var error = error
        // For an unknown command the parser answers with the help of the commands before it.
        if AcmeAgent.exitCode(for: error) == .success, asksForHelp(arguments), let failure = unknownCommandFailure(arguments) {
            error = failure
        }
        guard error is Failure || AcmeAgent.exitCode(for: error) != .success else {
            // Help, --version and completion scripts.
            let number = Output.write(AcmeAgent.fullMessage(for: error) + "\n", to: STDOUT_FILENO)
            guard number != 0, number != EPIPE else { return ExitStatus.success.rawValue }
            let failure = Failure.output(number)
            Output(json: false, verbosity: .normal).report(failure)
            return failure.exitStatus.rawValue
        }
        var output = Output(json: arguments.contains("--json"), verbosity: .normal)
        let failure = failure(error, arguments: arguments)
        // A usage line shows the command as such.
        if failure.hint?.hasPrefix("usage: ") != true { output.given = given(arguments) }
        output.report(failure)
        return ExitStatus.usage.rawValue
    }

    /// - Parameter arguments: the given words, to suggest what was meant.
    static func failure(_ error: any Error, arguments: [String] = []) -> Failure {
        if let failure = error as? Failure { return failure }
        let full = AcmeAgent.fullMessage(for: error)
        var usage = full.split(separator: "\n").first { $0.hasPrefix("Usage: ") }.map { "usage: \($0.dropFirst(7))" }
        if let option = full.split(separator: "\n").first(where: { $0.contains("See '") }), usage == nil {
            usage = option.trimmingPrefix(while: { $0 == " " }).lowercased()
        }
        let message = sentence(AcmeAgent.message(for: error))
        // The parser reports missing arguments first.
        let option = quoted(after: "unknown option ", in: message) ?? unknownOption(arguments)
        // An unknown command's options are unknown too.
        if option != nil || message.hasPrefix("unexpected argument") || message.contains("unexpected arguments"),
            let failure = unknownCommandFailure(arguments)
        {
            return failure
        }
        if let other = arguments.first(where: { Suggestion.valuesOfOthers[$0] != nil }) {
            return .usage("unknown option '\(other)'", hint: Suggestion.valuesOfOthers[other])
        }
        if option.map(domainOptions.contains) ?? true, let failure = misplacedName(message, arguments) { return failure }
        if let option {
            let suggested = Suggestion.option(option, among: options(of: arguments))
            let hint = Suggestion.elsewhere[option] ?? suggested.map { "did you mean `\($0)`?" } ?? usage
            return .usage("unknown option '\(option)'", hint: hint)
        }
        return .usage(message, hint: usage)
    }

    /// The word in single quotes after `beginning`.
    private static func quoted(after beginning: String, in text: String) -> String? {
        guard let range = text.firstRange(of: beginning + "'") else { return nil }
        let rest = text[range.upperBound...]
        return rest.firstIndex(of: "'").map { String(rest[..<$0]) }
    }

    /// The options of every command among words that are no whole command line.
    static func given(_ arguments: [String]) -> GivenOptions {
        var given = GivenOptions()
        let words = Array(arguments.prefix { $0 != "--" })
        for (index, word) in words.enumerated() {
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard globalOptionsWithValue.contains(parts[0]) else { continue }
            let next = words.indices.contains(index + 1) ? words[index + 1] : nil
            guard let value = parts.count > 1 ? parts[1] : next, !value.isEmpty else { continue }
            if parts[0] == "--directory" { given.directory = value } else { given.others.append((name: parts[0], value: value)) }
        }
        return given
    }

    static let globalOptionsWithValue = ["--config", "--socket", "--directory", "--ca-certificate", "--state-directory"]

    /// The command that a command line names.
    struct Place {
        var path: [String] = []
        var command: any ParsableCommand.Type = AcmeAgent.self
        /// A word in the place of a command's name that is not a command.
        var unknown: String?

        var subcommands: [any ParsableCommand.Type] { command.configuration.subcommands }
        var names: [String] { subcommands.map(Place.name) }
        static func name(_ command: any ParsableCommand.Type) -> String {
            command.configuration.commandName ?? "\(command)".lowercased()
        }
    }

    static func place(_ arguments: [String]) -> Place {
        var place = Place(), words = arguments[...]
        // `help` explains the command that its words name.
        if words.first == "help" { words = words.dropFirst() }
        while let word = words.popFirst(), !place.subcommands.isEmpty {
            if globalOptionsWithValue.contains(word) {
                words = words.dropFirst()
            } else if let next = place.subcommands.first(where: { Place.name($0) == word }) {
                place.path.append(word)
                place.command = next
            } else if !word.hasPrefix("-"), word != "help" {
                place.unknown = word
                return place
            }
        }
        return place
    }

    /// The failure for an unknown command, with the command that was probably meant.
    private static func unknownCommandFailure(_ arguments: [String]) -> Failure? {
        let place = place(arguments)
        guard let word = place.unknown else { return nil }
        let nearest = Suggestion.nearest(to: word, among: place.names)
        let name = (["acme-agent"] + place.path).joined(separator: " ")
        return .usage(
            "there is no command \"\(name) \(TerminalText.safe(word, limit: 40))\"",
            hint: nearest.map { "did you mean `\(name) \($0)`?" } ?? "commands: \(place.names.joined(separator: ", "))")
    }

    private static func asksForHelp(_ arguments: [String]) -> Bool {
        arguments.first == "help" || arguments.contains("--help") || arguments.contains("-h")
    }

    /// The long options of the command that a command line names, from its help.
    private static func options(of arguments: [String]) -> [String] {
        let help = AcmeAgent.helpMessage(for: place(arguments).command)
        let words = help.split { !($0 == "-" || $0.isLetter || $0.isNumber) }.filter { $0.hasPrefix("--") && $0.count > 2 }
        return Set(words.map(String.init)).sorted()
    }

    /// The first long option that the command does not have.
    private static func unknownOption(_ arguments: [String]) -> String? {
        guard place(arguments).subcommands.isEmpty else { return nil }
        let known = options(of: arguments)
        let given = arguments.prefix { $0 != "--" }.filter { $0.hasPrefix("--") }.map { String($0.prefix { $0 != "=" }) }
        return given.first { !known.contains($0) }
    }

    /// The parser's sentence in this program's style: lower case, no full stop, one line.
    static func sentence(_ text: String) -> String {
        var lines = text.split(separator: "\n").map { $0.trimmingPrefix(while: { $0 == " " }) }
        if lines.isEmpty { return "the command line cannot be understood" }
        if lines.count > 1 { lines = lines.filter { !$0.isEmpty } }
        var sentence = lines.joined(separator: " ")
        while sentence.hasSuffix(".") { sentence.removeLast() }
        // A word in capitals or an option stays unchanged.
        if let first = sentence.first, first.isUppercase, sentence.dropFirst().first?.isLowercase == true {
            sentence = first.lowercased() + sentence.dropFirst()
        }
        return sentence
    }
}
