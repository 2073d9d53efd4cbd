import ACME

/// The global options on this command line that decide what a command works on. A command in a hint must have them, too.
struct GivenOptions: Sendable {
    var directory: String?
    /// The other ones, with their names.
    var others: [(name: String, value: String)] = []

    /// The commands, with the number of words that name one. Those that are true choose a CA, if no certificate does.
    private static let commands: [(words: String, choosesCA: Bool)] = [
        ("account register", true), ("account show", true), ("account update", true), ("account deactivate", true), ("issue", true),
        ("renew", false), ("revoke", false), ("list", false), ("show", false), ("forget", false), ("keys create", false),
        ("keys adopt", false), ("keys list", false), ("keys show", false), ("keys retire", false), ("keys delete", false),
        ("audit verify", false), ("audit tail", false), ("status", false), ("deploy", false),
    ]

    /// A text with these options added to each command in it.
    func added(to text: String) -> String {
        let program = "acme-agent "
        guard directory != nil || !others.isEmpty, text.contains(program) else { return text }
        var result = "", rest = text[...]
        while let start = rest.firstRange(of: program) {
            result += rest[..<start.upperBound]
            rest = rest[start.upperBound...]
            guard let command = Self.commands.first(where: { Self.begins(rest, with: $0.words) }) else { continue }
            result += command.words
            rest = rest.dropFirst(command.words.count)
            // What the command has already stays as it is.
            let own = rest.prefix { $0 != "`" && $0 != ";" }
            let chosen = command.choosesCA ? directory.map { [(name: "--directory", value: $0)] } ?? [] : []
            for option in chosen + others where !own.contains(option.name + " ") {
                result += " \(option.name) \(Self.quoted(option.value))"
            }
        }
        return result + rest
    }

    private static func begins(_ text: Substring, with words: String) -> Bool {
        guard text.hasPrefix(words) else { return false }
        guard let next = text.dropFirst(words.count).first else { return true }
        return !(next.isLetter || next.isNumber || next == "-")
    }

    /// Quoted so that a shell takes it as one word.
    static func quoted(_ value: String) -> String {
        let isPlain = !value.isEmpty && value.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "/.-_:,=@%+".contains($0)) }
        let value = TerminalText.safe(value)
        return isPlain ? value : "'" + value.replacing("'", with: "'\\''") + "'"
    }
}
