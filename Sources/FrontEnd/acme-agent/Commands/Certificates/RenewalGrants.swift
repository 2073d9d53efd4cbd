import ACME
import AgentInterface
import CertificateStore
import JOSE

/// Whether this user's grants let it renew certificates, by what the agent says of them: an administrator may have changed
/// the policy since the last order. Nothing is signed and nothing refused for that. It is an estimate: the agent decides
/// about each request.
struct RenewalGrants: Sendable {
    /// What no grant allows, and what would mend it.
    struct Lack: Sendable, Equatable {
        var message: String
        var hint: String
    }

    fileprivate struct Grant: Sendable {
        var status: GrantStatus
        /// `nil` if a pattern is of a kind that is not known here: it may cover everything.
        var identifiers: [IdentifierPattern]?
    }

    private let grants: [Grant]
    private let store: FolderStore
    private let isOwn: Bool
    private var accounts: [ACMEURL: KeyName?] = [:]

    /// - Parameter isOwn: whether this user renews the store's certificates; otherwise its grants say nothing about them.
    init(_ grants: [GrantStatus], store: FolderStore, isOwn: Bool) {
        self.grants = grants.map { grant in
            let patterns = grant.identifiers.map { try? IdentifierPattern($0) }
            return Grant(status: grant, identifiers: patterns.contains { $0 == nil } ? nil : patterns.compactMap(\.self))
        }
        self.store = store
        self.isOwn = isOwn
    }

    /// What keeps a certificate from being renewed with its key, at its CA.
    mutating func lack(of certificate: StoredCertificate) async -> Lack? {
        let metadata = certificate.metadata
        guard isOwn, !certificate.isRevoked, let directory = metadata.directory else { return nil }
        if accounts[directory] == nil {
            let account = try? await store.account(at: directory)
            accounts.updateValue(account?.key, forKey: directory)
        }
        let account = accounts[directory].flatMap { $0 }
        return lack(for: metadata.identifiers, key: metadata.key.name, account: account, at: directory.origin)
    }

    /// What each request of a renewal needs of one grant: grants never add up (policy.md).
    func lack(for identifiers: [Identifier], key: KeyName, account: KeyName?, at origin: Origin) -> Lack? {
        guard !grants.isEmpty else {
            return Lack(
                message: "no grant of the agent's policy names you",
                hint: "the agent's administrator adds one with issue; `acme-agent status` says if grants are off")
        }
        let accountKeys = [account].compactMap(\.self)
        let requests: [(operation: Operation, keys: [KeyName], identifiers: [Identifier])] = [
            (.finalize, [key] + accountKeys, identifiers), (.newOrder, accountKeys, identifiers),
            (.respondToChallenge, accountKeys, []), (.postAsGet, accountKeys, []),
        ]
        for request in requests {
            let gaps = grants.map { $0.gaps(request.operation, request.keys, origin, request.identifiers) }
            guard !gaps.contains(where: \.isEmpty) else { continue }
            guard let nearest = gaps.indices.min(by: { gaps[$0].count < gaps[$1].count }) else { continue }
            let name = TerminalText.safe(grants[nearest].status.name, limit: 64)
            return Lack(
                message: "grant \"\(name)\" does not cover \(Wording.list(gaps[nearest].map(\.phrase)))",
                hint: "the agent's administrator adds \(Wording.list(gaps[nearest].map(\.mend))) of grant \"\(name)\", or another grant "
                    + "that covers all of it")
        }
        return nil
    }

    fileprivate struct Gap {
        var phrase: String
        var mend: String
    }
}

extension RenewalGrants.Grant {
    /// What the grant lacks for a request.
    fileprivate func gaps(
        _ operation: Operation, _ keys: [KeyName], _ origin: Origin, _ names: [Identifier]
    ) -> [RenewalGrants.Gap] {
        var gaps: [RenewalGrants.Gap] = []
        for key in keys where !status.covers(key) { gaps.append(.init(phrase: "the key \"\(key)\"", mend: "\"\(key)\" to the keys")) }
        if !status.operations.contains(operation.rawValue) {
            gaps.append(.init(phrase: "the operation \(operation.rawValue)", mend: "\"\(operation.rawValue)\" to the operations"))
        }
        if !status.covers(origin) { gaps.append(.init(phrase: "the CA \(origin)", mend: "\"\(origin)\" to the cas")) }
        let others = identifiers.map { patterns in names.filter { name in !patterns.contains { $0.covers(name) } } } ?? []
        if !others.isEmpty {
            let list = Wording.list(others, limit: 4)
            gaps.append(.init(phrase: list, mend: "\(list) to the identifiers"))
        }
        if !status.wildcards, names.contains(where: \.isWildcard) {
            gaps.append(.init(phrase: "wildcards", mend: "`wildcards = true` to the settings"))
        }
        return gaps
    }
}

extension GrantStatus {
    /// A grant's CAs are origins, or a host of this machine with any port.
    fileprivate func covers(_ origin: Origin) -> Bool {
        cas.contains { pattern in
            if pattern == origin.text { return true }
            guard pattern.hasSuffix(":*") else { return false }
            let host = pattern.dropLast(2)
            return origin.text == host || origin.text.hasPrefix(host + ":")
        }
    }
}
