import ACME

/// The global options on this command line that decide what a command works on. A command in a hint must have them, too.
struct GivenOptions: Sendable {
    var directory: String?
    /// `--ca` and `--staging`, as they are written.
    var ca: [String] = []
    /// The CAs that have names, for messages.
    var names: [CAName] = []

    struct CAName: Sendable {
        var name: String
        var directory: String
        /// `nil` if several of the CAs have it.
        var origin: String?
    }

    /// The other ones, with their names.
    var others: [(name: String, value: String)] = []

    /// The commands, with the number of words that name one. Those that are true choose a CA, if no certificate does.
    private static let commands: [(words: String, choosesCA: Bool)] = [
        ("account register", true), ("account show", true), ("account update", true), ("account deactivate", true),
        ("account rollover", true), ("account recover", true), ("issue", true),
        ("renew", false), ("revoke", false), ("list", false), ("show", false), ("forget", false), ("keys create", false),
        ("keys adopt", false), ("keys list", false), ("keys show", false), ("keys retire", false), ("keys delete", false),
        ("audit verify", false), ("audit show", false), ("audit tail", false), ("status", false), ("deploy", false),
        ("ca list", true), ("ca show", true), ("apply", true), ("migrate", false), ("csr", false), ("import", false),
        ("root-deploy", false),
    ]

    /// A text with these options added to each command in it.
    func added(to text: String) -> String {
        let program = "acme-agent "
        let text = withNamedDirectories(text)
        guard directory != nil || !ca.isEmpty || !others.isEmpty, text.contains(program) else { return text }
        var result = "", rest = text[...]
        while let start = rest.firstRange(of: program) {
            result += rest[..<start.upperBound]
            rest = rest[start.upperBound...]
            guard let command = Self.commands.first(where: { Self.begins(rest, with: $0.words) }) else { continue }
            result += command.words
            rest = rest.dropFirst(command.words.count)
            // What the command has already stays as it is.
            let own = rest.prefix { $0 != "`" && $0 != ";" }
            if command.choosesCA, !own.contains("--directory "), !own.contains("--ca ") {
                if let directory { result += " --directory \(Self.quoted(directory))" }
                result += ca.map { " \(Self.quoted($0))" }.joined()
            }
            for option in others where !own.contains(option.name + " ") {
                result += " \(option.name) \(Self.quoted(option.value))"
            }
        }
        return result + rest
    }

    /// `--ca NAME` in place of `--directory URL`.
    private func withNamedDirectories(_ text: String) -> String {
        guard text.contains("--directory ") else { return text }
        return names.reduce(text) { text, ca in Self.replacing("--directory \(ca.directory)", in: text, with: "--ca \(ca.name)") }
    }

    /// A text in which the CAs that have names are called by them.
    func named(_ text: String) -> String {
        guard text.contains("https://") else { return text }
        return names.reduce(text) { text, ca in
            let text = Self.replacing(ca.directory, in: text, with: "\(ca.name) (\(ca.directory))")
            return ca.origin.map { Self.replacing($0, in: text, with: "\(ca.name) (\($0))") } ?? text
        }
    }

    /// Replaces a URL where it ends, and is not the beginning of a longer one.
    private static func replacing(_ url: String, in text: String, with replacement: String) -> String {
        var result = "", rest = text[...]
        while let found = rest.firstRange(of: url) {
            result += rest[..<found.lowerBound]
            rest = rest[found.upperBound...]
            var after = rest.makeIterator()
            let next = after.next(), following = after.next()
            func goesOn(_ character: Character) -> Bool { character.isLetter || character.isNumber || "/-_".contains(character) }
            // A colon before a space, and a dot at the end, belong to the sentence.
            let isLonger = next.map { goesOn($0) || ":.?".contains($0) && (following.map(goesOn) ?? false) } ?? false
            result += isLonger ? url : replacement
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
