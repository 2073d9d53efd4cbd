import ACME

/// A CAA record (RFC 8659 §4.1).
public struct CAARecord: Hashable, Sendable {
    public var isCritical: Bool
    /// In lower case.
    public var tag: String
    public var value: String

    public init(isCritical: Bool = false, tag: String, value: String) {
        self.isCritical = isCritical
        self.tag = tag.lowercased()
        self.value = value
    }

    /// The issuer's domain of `issue` and `issuewild`, in lower case; empty where nobody may issue (RFC 8659 §4.2).
    var issuer: String {
        let text = value.utf8.prefix { $0 != UInt8(ascii: ";") }.filter { $0 != 0x20 && $0 != 0x09 }
        return String(decoding: text, as: UTF8.self).lowercased()
    }

    /// The parameters after the issuer, names in lower case: `accounturi`, `validationmethods` (RFC 8657).
    var parameters: [String: String] {
        var found: [String: String] = [:]
        for part in value.split(separator: ";", omittingEmptySubsequences: false).dropFirst() {
            let text = part.filter { $0 != " " && $0 != "\t" }
            guard let equals = text.firstIndex(of: "=") else { continue }
            found[text[..<equals].lowercased()] = String(text[text.index(after: equals)...])
        }
        return found
    }
}

/// What a name's CAA records say about one order. Pure.
public struct CAAQuestion: Sendable {
    /// The CA's names, as its directory or its documentation has them.
    public var issuers: [String]
    public var isWildcard: Bool
    /// The account's URL.
    public var account: String
    /// The challenge types of which one must be allowed.
    public var methods: [String]

    public init(issuers: [String], isWildcard: Bool, account: String, methods: [String]) {
        self.issuers = issuers.map { $0.lowercased() }
        self.isWildcard = isWildcard
        self.account = account
        self.methods = methods
    }

    public enum Verdict: Hashable, Sendable {
        /// Any CA may issue.
        case unrestricted
        case allowed
        /// The CA is not among those named.
        case otherIssuers([String])
        /// `accounturi` names other accounts.
        case otherAccount
        /// `validationmethods` names other challenges.
        case otherMethods(String)
        /// A critical property that is not known here.
        case critical(String)
    }

    /// - Parameter records: of the closest name that has any.
    public func verdict(on records: [CAARecord]) -> Verdict {
        // RFC 8659 §4.5: of iodef and the like nothing follows; contactemail and others are not critical.
        let known: Set<String> = ["issue", "issuewild", "iodef", "issuemail", "contactemail", "contactphone", "issuevmc"]
        if let record = records.first(where: { $0.isCritical && !known.contains($0.tag) }) { return .critical(record.tag) }
        var relevant = records.filter { $0.tag == "issue" }
        // RFC 8659 §4.3: if there is one, `issue` does not count for wildcards.
        if isWildcard, records.contains(where: { $0.tag == "issuewild" }) { relevant = records.filter { $0.tag == "issuewild" } }
        guard !relevant.isEmpty else { return .unrestricted }
        let own = relevant.filter { issuers.contains($0.issuer) }
        guard !own.isEmpty else { return .otherIssuers(relevant.map(\.issuer)) }
        var refusal = Verdict.otherAccount
        for record in own {
            let parameters = record.parameters
            if let wanted = parameters["accounturi"], wanted != account { continue }
            if let wanted = parameters["validationmethods"],
                Set(wanted.split(separator: ",").map(String.init)).isDisjoint(with: methods)
            {
                refusal = .otherMethods(wanted)
                continue
            }
            return .allowed
        }
        return refusal
    }
}

extension DNSLookup {
    /// The CAA records that count for a name: its own, or those of the closest name above it (RFC 8659 §3).
    /// - Returns: `nil` if there are none.
    public func certificationAuthorities(for name: DomainName) async throws -> (name: DomainName, records: [CAARecord])? {
        var candidate: DomainName? = name
        while let current = candidate, !current.isRoot {
            // The resolver follows an alias: its target's records are those of the name.
            let records = try await resolve(.init(current, .caa)).answers.compactMap { record -> CAARecord? in
                if case .certificationAuthority(let found) = record.content { found } else { nil }
            }
            if !records.isEmpty { return (current, records) }
            candidate = current.parent
        }
        return nil
    }

    /// The addresses of a host.
    public func hostAddresses(of name: DomainName) async throws -> [IPAddress] { try await addresses(of: name).map(\.address) }
}
