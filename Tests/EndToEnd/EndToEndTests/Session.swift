import Foundation

/// A session of the command line as a text file: what a user types, and what follows.
///
/// ```
/// # A comment.
/// $ acme-agent isue -d www.example.org
/// | a line of standard output
/// ! a line of standard error
/// ? 64
/// ```
///
/// A command without `?` ends with 0. Lines of standard error may come in any order. In lines of output `[..]` stands
/// for anything within a line, `...` alone for any lines, and `[SANDBOX]` and the like for what the sandbox knows.
/// Empty lines only separate.
struct Session {
    struct Said: Equatable {
        var output: [String] = []
        var error: [String] = []
        var status: Int32 = 0

        init() {}

        init(_ outcome: Outcome) {
            output = Said.lines(outcome.output)
            // Slow steps are reported, and a slow machine has more of them.
            error = Said.lines(outcome.error).filter { !$0.hasPrefix("waiting for ") }
            status = outcome.status
        }

        private static func lines(_ text: String) -> [String] {
            var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
            if lines.last == "" { lines.removeLast() }
            return lines
        }

        /// As written in the file.
        var lines: [String] {
            func line(_ mark: String, _ text: String) -> String { text.isEmpty ? mark : "\(mark) \(text)" }
            return output.map { line("|", $0) } + error.map { line("!", $0) } + (status == 0 ? [] : ["? \(status)"])
        }
    }

    struct Command {
        var text: String
        var line: Int
        var expected = Said()
    }

    enum Element {
        case prose(String)
        case command(Command)
    }

    struct Mistake: Error, CustomStringConvertible {
        var description: String
    }

    var elements: [Element] = []

    init(_ text: String) throws {
        var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        if lines.last == "" { lines.removeLast() }
        var current: Command?
        for (index, line) in lines.enumerated() {
            let content = String(line.dropFirst(2))
            switch line.first {
            case "$":
                if let current { elements.append(.command(current)) }
                current = Command(text: content, line: index + 1)
            case "|" where current != nil: current?.expected.output.append(content)
            case "!" where current != nil: current?.expected.error.append(content)
            case "?" where current != nil && Int32(content) != nil: current?.expected.status = Int32(content) ?? 0
            case nil, "#":
                if let current { elements.append(.command(current)) }
                current = nil
                elements.append(.prose(String(line)))
            default: throw Mistake(description: "line \(index + 1) is neither a command nor what follows one: \(line)")
            }
        }
        if let current { elements.append(.command(current)) }
    }

    var text: String {
        elements.flatMap { element in
            switch element {
            case .prose(let line): [line]
            case .command(let command): ["$ " + command.text] + command.expected.lines
            }
        }.joined(separator: "\n") + "\n"
    }
}

extension Session.Said {
    /// Whether this, as written in a file, matches the actual output.
    func fits(_ actual: Session.Said, names: [(name: String, value: String)]) -> Bool {
        func named(_ lines: [String]) -> ArraySlice<String> {
            lines.map { line in names.reduce(line) { $0.replacingOccurrences(of: $1.name, with: $1.value) } }[...]
        }
        return status == actual.status && Self.fit(named(output), actual.output[...]) && Self.fitInAnyOrder(named(error), actual.error)
    }

    /// Concurrent steps report in any order.
    private static func fitInAnyOrder(_ expected: ArraySlice<String>, _ actual: [String]) -> Bool {
        var rest = actual
        for pattern in expected where pattern != "..." {
            guard let index = rest.firstIndex(where: { fits(pattern, $0) }) else { return false }
            rest.remove(at: index)
        }
        return rest.isEmpty || expected.contains("...")
    }

    private static func fit(_ expected: ArraySlice<String>, _ actual: ArraySlice<String>) -> Bool {
        guard let first = expected.first else { return actual.isEmpty }
        if first == "..." {
            return (actual.startIndex...actual.endIndex).contains { fit(expected.dropFirst(), actual[$0...]) }
        }
        guard let line = actual.first, fits(first, line) else { return false }
        return fit(expected.dropFirst(), actual.dropFirst())
    }

    private static func fits(_ pattern: String, _ line: String) -> Bool {
        let pieces = pattern.components(separatedBy: "[..]")
        guard pieces.count > 1, let first = pieces.first, let last = pieces.last else { return pattern == line }
        guard line.hasPrefix(first), line.utf8.count >= first.utf8.count + last.utf8.count, line.hasSuffix(last) else { return false }
        var rest = line.dropFirst(first.count).dropLast(last.count)
        for piece in pieces.dropFirst().dropLast() where !piece.isEmpty {
            guard let range = rest.range(of: piece) else { return false }
            rest = rest[range.upperBound...]
        }
        return true
    }

    /// Text that differs between times, sandboxes and machines: a slower one asks more often.
    private static let varying = [
        #"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\.\d+)?Z?( UTC)?"#, #"\d{4}-\d\d-\d\d"#, #"\b\d+(?= days\b)"#, #"\b\d+\.\d+(?= s\b)"#,
        #"(?<=\buser )\d+(, \d+ groups?: [\d ]+)?"#, #"(?<=acme-agentd )\d+\.\d+\.\d+"#,
        #"(?<=signed )\d+ requests?: .*"#, #"(?<=Pebble Intermediate CA )[0-9a-f]+"#, #"(?<=Pebble Root CA )[0-9a-f]+"#,
        #"(?<=/(my-order|my-account|certZ)/)[\w-]+"#, #"(?<=;id=)(%[0-9A-F]{2})+"#, #"\b[0-9a-f]{16,}\b"#,
        #"(?<=BEGIN PUBLIC KEY-----).*?(?=-----END)"#, #"(?<=")[\w-]{40,}(?=")"#, #"(?<=localhost:)\d+[^\s"]*"#,
        #"(?<=correlation )\d+-\d+-\d+"#,
    ]

    /// The output, with names and wildcards for what differs between runs.
    func generalised(names: [(name: String, value: String)]) -> Session.Said {
        func general(_ line: String) -> String {
            let named = names.reduce(line) { $0.replacingOccurrences(of: $1.value, with: $1.name) }
            return Self.varying.reduce(named) { $0.replacingOccurrences(of: $1, with: "[..]", options: .regularExpression) }
        }
        var said = self
        said.output = output.map(general)
        said.error = error.map(general)
        return said
    }
}
