import ACME

/// What somebody may do. Every list is a condition; an empty list matches nothing.
public struct Grant: Hashable, Sendable {
    public var name: String
    public var peers: [PeerPattern]
    public var keys: [KeyPattern]
    public var operations: Set<Operation>
    public var identifiers: [IdentifierPattern]
    /// Whether wildcard certificates may be requested; a pattern must cover the name as well.
    public var wildcards: Bool
    public var cas: [CAPattern]
    /// Names of the external account credentials (RFC 8555 §7.3.4) that a registration may use.
    public var externalAccounts: [String]
    /// How often it may be used; `nil` for as often as its users like.
    public var rate: GrantRate?

    public init(
        name: String, peers: [PeerPattern], keys: [KeyPattern], operations: Set<Operation>, identifiers: [IdentifierPattern] = [],
        wildcards: Bool = false, cas: [CAPattern] = [], externalAccounts: [String] = [], rate: GrantRate? = nil
    ) {
        self.name = name
        self.peers = peers
        self.keys = keys
        self.operations = operations
        self.identifiers = identifiers
        self.wildcards = wildcards
        self.cas = cas
        self.externalAccounts = externalAccounts
        self.rate = rate
    }

    public func covers(_ peer: Peer) -> Bool { peers.contains { $0.covers(peer) } }
    public func covers(key: KeyName) -> Bool { keys.contains { $0.covers(key) } }
    public func covers(_ origin: Origin) -> Bool { cas.contains { $0.covers(origin) } }
    public func covers(externalAccount name: String) -> Bool { externalAccounts.contains { $0.utf8.elementsEqual(name.utf8) } }
    /// A wildcard name needs `wildcards` and a pattern that covers it; the pattern `*.example.org` covers the name
    /// `*.example.org`.
    public func covers(_ identifier: Identifier) -> Bool {
        (wildcards || !identifier.isWildcard) && identifiers.contains { $0.covers(identifier) }
    }

    /// Whether this grant alone covers the whole request.
    func covers(_ question: PolicyQuestion) -> Bool {
        covers(question.peer) && operations.contains(question.operation) && question.keys.allSatisfy { covers(key: $0) }
            && (question.origin.map { covers($0) } ?? true) && question.identifiers.allSatisfy { covers($0) }
            && (question.externalAccount.map { covers(externalAccount: $0) } ?? true)
    }

    /// What it lacks for the request, in the order in which a refusal explains it.
    func lacks(_ question: PolicyQuestion) -> [GrantGap] {
        var result: [GrantGap] = []
        if !covers(question.peer) { result.append(.peer) }
        if let key = question.keys.first(where: { !covers(key: $0) }) { result.append(.key(key)) }
        if !operations.contains(question.operation) { result.append(.operation(question.operation)) }
        if let origin = question.origin, !covers(origin) { result.append(.ca(origin)) }
        if let name = question.externalAccount, !covers(externalAccount: name) { result.append(.externalAccount(name)) }
        let uncovered = question.identifiers.filter { identifier in !identifiers.contains { $0.covers(identifier) } }
        if !uncovered.isEmpty { result.append(.identifiers(uncovered)) }
        if !wildcards {
            let wild = question.identifiers.filter(\.isWildcard)
            if !wild.isEmpty { result.append(.wildcards(wild)) }
        }
        return result
    }

    /// `*.www.example.org, 192.0.2.0/24 only`, at most 8 of them.
    var identifiersText: String {
        guard !identifiers.isEmpty else { return "no identifiers" }
        let shown = identifiers.prefix(8).map(\.description).joined(separator: ", ")
        return identifiers.count > 8 ? "\(shown) and \(identifiers.count - 8) more" : "\(shown) only"
    }
}

/// What a grant lacks to cover a request.
public enum GrantGap: Hashable, Sendable, CustomStringConvertible {
    case peer
    case key(KeyName)
    case operation(Operation)
    case ca(Origin)
    case externalAccount(String)
    case identifiers([Identifier])
    case wildcards([Identifier])

    /// How far a request came before it failed here.
    var stage: Int {
        switch self {
        case .peer: 0
        case .key: 1
        case .operation: 2
        case .ca: 3
        case .externalAccount: 4
        case .identifiers: 5
        case .wildcards: 6
        }
    }

    /// One phrase for the administrator's log: `the identifiers "db.example.org"`.
    public var description: String {
        switch self {
        case .peer: "the peer"
        case .key(let key): "the key \"\(key)\""
        case .operation(let operation): "the operation \"\(operation.rawValue)\""
        case .ca(let origin): "the CA \(origin)"
        case .externalAccount(let name): "the external account \"\(PatternError.printable(name))\""
        case .identifiers(let identifiers): "the identifiers \(GrantGap.list(identifiers))"
        case .wildcards(let identifiers): "wildcards = true for \(GrantGap.list(identifiers))"
        }
    }

    /// At most 8 names; a request may have a thousand.
    static func list(_ identifiers: [Identifier]) -> String {
        let shown = identifiers.prefix(8).map { "\"\($0.value)\"" }.joined(separator: ", ")
        return identifiers.count > 8 ? "\(shown) and \(identifiers.count - 8) more" : shown
    }
}
