import StrictJSON

/// A problem document (RFC 9457, formerly RFC 7807) as ACME uses it (RFC 8555 §6.7), with one subproblem for each
/// identifier concerned (§6.7.1). Read leniently: it explains a failure, and half an explanation is better than none.
public struct Problem: Error, Hashable, Sendable, CustomStringConvertible {
    /// Subproblems kept; the rest are counted.
    public static let maximumSubproblems = 100
    /// Unicode scalars kept of `detail` and `title`.
    public static let maximumTextLength = 4096
    /// The type of a document without one (RFC 9457 §4.2.1).
    public static let noType = "about:blank"
    static let namespace = "urn:ietf:params:acme:error:"

    /// The full URN; `about:blank` if the document has none (RFC 9457 §4.2.1).
    public var type: String
    /// The kind of problem, for a person. Not safe for a terminal.
    public var title: String?
    /// What happened this time, for a person. Not safe for a terminal; see `summary`.
    public var detail: String?
    /// The HTTP status code, 100 to 599.
    public var status: Int?
    /// A URI for this occurrence; with `userActionRequired`, the page that the user must visit (RFC 8555 §7.3.3).
    public var instance: String?
    /// Only in subproblems.
    public var identifier: Identifier?
    /// One for each identifier concerned; they have no subproblems themselves.
    public var subproblems: [Problem]
    /// Subproblems beyond `maximumSubproblems`, which were not kept.
    public var omittedSubproblems: Int

    /// Checks nothing.
    public init(
        type: String = Problem.noType, title: String? = nil, detail: String? = nil, status: Int? = nil, instance: String? = nil,
        identifier: Identifier? = nil, subproblems: [Problem] = []
    ) {
        self.type = type
        self.title = title
        self.detail = detail
        self.status = status
        self.instance = instance
        self.identifier = identifier
        self.subproblems = subproblems
        self.omittedSubproblems = 0
    }

    /// Keeps the members that are valid and ignores the rest.
    public init(json: JSONValue) { self.init(json, isSubproblem: false) }

    private init(_ json: JSONValue, isSubproblem: Bool) {
        func text(_ name: String, _ limit: Int) -> String? {
            guard let text = try? json[name]?.string() else { return nil }
            return String(String.UnicodeScalarView(text.unicodeScalars.prefix(limit)))
        }
        self.init(
            type: text("type", 256) ?? Problem.noType, title: text("title", Problem.maximumTextLength),
            detail: text("detail", Problem.maximumTextLength), instance: text("instance", ACMEURL.maximumLength))
        if let number = try? json["status"]?.integer(), (100...599).contains(number) { status = Int(number) }
        if let value = json["identifier"], let type = try? value["type"]?.string(), let name = try? value["value"]?.string() {
            identifier = try? Identifier(type: type, value: name)
        }
        // RFC 8555 §6.7.1: a subproblem has no subproblems, so this does not recurse.
        guard !isSubproblem, let values = try? json["subproblems"]?.array() else { return }
        subproblems = values.prefix(Problem.maximumSubproblems).map { Problem($0, isSubproblem: true) }
        omittedSubproblems = values.count - subproblems.count
    }

    /// The error type, if it is one of ACME's.
    public var kind: ProblemKind? {
        guard type.utf8.starts(with: Problem.namespace.utf8) else { return nil }
        return ProblemKind(rawValue: String(type.dropFirst(Problem.namespace.count)))
    }

    /// The short type: the name after ACME's URN prefix, or the whole URI. Safe for a terminal.
    public var typeName: String { TerminalText.safe(kind?.rawValue ?? type, limit: 256) }

    /// Whether it has text besides its type.
    public var hasText: Bool { [detail, title].contains { $0?.isEmpty == false } }

    /// What happened, in one line: detail, or title, or type. Safe for a terminal.
    public var summary: String {
        let text = [detail, title].compactMap(\.self).first { !$0.isEmpty }
        guard let text else { return status.map { "\(typeName), HTTP status \($0)" } ?? typeName }
        return "\(TerminalText.safe(text)) (\(typeName))"
    }

    /// The summary, then each subproblem on its own line with its identifier. Safe for a terminal.
    public var description: String {
        var lines = [identifier.map { "\($0.value): \(summary)" } ?? summary]
        for subproblem in subproblems { lines.append("  " + subproblem.description) }
        if omittedSubproblems > 0 { lines.append("  and \(omittedSubproblems) more") }
        return lines.joined(separator: "\n")
    }
}
