import ACME
import ArgumentParser

/// Names of certificates in the wrong place: without `-d` for `issue`, with it for commands whose arguments are names.
extension CommandLineFailure {
    static let domainOptions = ["-d", "--domain"]
    /// More names than these make the suggestion hard to read.
    private static let shownNames = 8

    /// - Parameter message: what the parser says.
    static func misplacedName(_ message: String, _ arguments: [String]) -> Failure? {
        let place = place(arguments)
        guard let command = place.path.first, place.path.count == 1 else { return nil }
        let (plain, domains) = names(in: arguments, of: place)
        let all = (domains + plain).prefix(shownNames).map { TerminalText.safe($0, limit: 100) }
        switch command {
        case "issue":
            guard !plain.isEmpty, message.hasPrefix("a certificate needs a name") || message.contains("unexpected argument") else {
                return nil
            }
            return .usage(
                plain.count == 1 ? "\"\(TerminalText.safe(plain[0], limit: 100))\" needs -d" : "each name needs -d",
                hint: "did you mean `acme-agent issue \(all.map { "-d \($0)" }.joined(separator: " "))`?")
        case "renew", "revoke", "show", "forget":
            guard let option = arguments.first(where: domainOptions.contains), !domains.isEmpty else { return nil }
            return .usage("unknown option '\(option)'", hint: "did you mean `acme-agent \(command) \(all.joined(separator: " "))`?")
        case "list":
            guard let first = all.first, message.contains("unexpected argument") else { return nil }
            return .usage(message, hint: "did you mean `acme-agent show \(first)`?")
        default: return nil
        }
    }

    /// The words after the command that are no option's value, and the values of `-d`.
    private static func names(in arguments: [String], of place: Place) -> (plain: [String], domains: [String]) {
        let valued = optionsWithValue(of: place.command)
        var plain: [String] = [], domains: [String] = [], isAfterCommand = false
        var words = arguments[...]
        while let word = words.popFirst() {
            if domainOptions.contains(word) {
                if let value = words.popFirst() { domains.append(value) }
            } else if valued.contains(word) {
                words = words.dropFirst()
            } else if !word.hasPrefix("-") {
                if isAfterCommand { plain.append(word) }
                isAfterCommand = true
            }
        }
        return (plain, domains)
    }

    /// The options of a command that take a value, from its help: `-d, --domain <name>`.
    static func optionsWithValue(of command: any ParsableCommand.Type) -> Set<String> {
        var options = Set(globalOptionsWithValue)
        for line in AcmeAgent.helpMessage(for: command).split(separator: "\n") {
            let words = line.split(separator: " ")
            guard let value = words.firstIndex(where: { $0.hasPrefix("<") }), words.first?.hasPrefix("-") == true else { continue }
            for word in words[..<value] where word.hasPrefix("-") { options.insert(String(word.prefix { $0 != "," })) }
        }
        return options
    }

    /// Refuses an empty value of an option by the option's name: a variable in a script was empty, and no option means
    /// anything by an empty value.
    static func refuseEmptyValues(_ arguments: [String]) throws(Failure) {
        // How a completion script asks.
        guard arguments.first?.hasPrefix("---") != true else { return }
        let given = arguments.prefix { $0 != "--" }
        for (index, word) in given.enumerated() where word.hasPrefix("-") {
            let name = String(word.prefix { $0 != "=" })
            let isEmpty = word.count == name.count ? index + 1 < given.count && given[index + 1].isEmpty : word.count == name.count + 1
            guard isEmpty, optionsWithValue(of: place(arguments).command).contains(name) else { continue }
            throw .usage("the value of \(TerminalText.safe(name, limit: 40)) is empty", hint: "give it a value, or omit it")
        }
    }
}
