import Crypto
import JOSE
import StrictJSON

/// The TXT record of dns-persist-01 (draft-ietf-acme-dns-persist): it lets an account at a CA have certificates for a
/// name, again and again. All that the drafts say about its name and value is in this file.
///
/// Draft-01, which servers speak, puts the account's URL into the record. Draft-02 puts a hash over the name, the
/// account key's thumbprint and the URL there, so that the record says nothing about the account, and a new key needs
/// new records.
public struct DNSPersistRecord: Hashable, Sendable {
    /// The CA's own name for itself; lower case, A-labels, no dot at the end.
    public var issuer: String
    /// The account, in the form of the CA's draft.
    public var accountURI: String
    /// Whether it is also for wildcards of the name (`policy=wildcard`).
    public var isForWildcards: Bool
    /// Seconds since 1970 after which the CA must not use it any more.
    public var persistUntil: Int64?

    public init(issuer: String, accountURI: String, isForWildcards: Bool = false, persistUntil: Int64? = nil) {
        self.issuer = issuer
        self.accountURI = accountURI
        self.isForWildcards = isForWildcards
        self.persistUntil = persistUntil
    }

    /// The record's name, without a dot at the end; a wildcard's is that of the name after its `*.`.
    public static func name(for name: DNSName) -> String { "_validation-persist." + name.base }

    // MARK: - The account

    /// How a CA wants accounts to be named in records.
    public enum AccountForm: Hashable, Sendable {
        /// By their URL (draft-01).
        case url
        /// By a hash, after this prefix (draft-02; `accountHashPrefix` in the directory's metadata).
        case hash(prefix: String)
    }

    /// The account in a record for a name.
    /// - Parameter thumbprint: the account key's.
    public static func accountURI(_ form: AccountForm, name: DNSName, account: ACMEURL, thumbprint: String) -> String {
        switch form {
        case .url: account.text
        case .hash(let prefix): hash(prefix, domain: name.base, account, thumbprint)
        }
    }

    /// What a CA accepts: also the hash that is the same for every name (draft-02 allows `*` in place of the name).
    static func acceptedURIs(_ form: AccountForm, name: DNSName, account: ACMEURL, thumbprint: String) -> [String] {
        let own = accountURI(form, name: name, account: account, thumbprint: thumbprint)
        guard case .hash(let prefix) = form else { return [own] }
        return [own, hash(prefix, domain: "*", account, thumbprint)]
    }

    private static func hash(_ prefix: String, domain: String, _ account: ACMEURL, _ thumbprint: String) -> String {
        // A name has at most 253 bytes.
        let input = [UInt8(truncatingIfNeeded: domain.utf8.count)] + Array((domain + thumbprint + account.text).utf8)
        return prefix + "sha-256/" + Base64URL.encode(Array(SHA256.hash(data: input)))
    }

    /// Whether a prefix can be part of a value: visible characters without a semicolon (RFC 8659 §4.2).
    public static func isUsable(prefix: String) -> Bool {
        prefix.hasPrefix("https://") && prefix.utf8.count <= 1000 && prefix.utf8.allSatisfy(isValueByte)
    }

    /// Whether a CA's name for itself is one: at most 253 bytes, lower case, no dot at the end.
    public static func isUsable(issuer: String) -> Bool {
        guard let name = try? DNSName(issuer) else { return false }
        return name.text == issuer && !name.isWildcard
    }

    /// How many names a challenge may have.
    public static let issuerCount = 1...10

    /// What a CA's challenge says.
    public struct Offer: Hashable, Sendable {
        /// Draft-02's member, in challenges and in the directory's metadata.
        static let member = "issuerDomainNames"
        /// Draft-01's member, in challenges.
        static let earlierMember = "issuer-domain-names"

        /// The CA's names for itself.
        public var issuers: [String]
        /// Whether the member is that of draft-02, which wants hashes of accounts.
        public var wantsHash: Bool

        public init(issuers: [String], wantsHash: Bool) {
            self.issuers = issuers
            self.wantsHash = wantsHash
        }

        /// `nil` if the list is missing or malformed: then the drafts say to leave the challenge alone.
        init?(challenge: JSONObject) {
            wantsHash = challenge.optional(Self.member) != nil
            guard let list = challenge.optional(wantsHash ? Self.member : Self.earlierMember),
                let issuers = DNSPersistRecord.issuers(list)
            else { return nil }
            self.issuers = issuers
        }

        /// What the CA looks for; `nil` if its directory says something else (draft-02 §3.2): its challenge has to have all
        /// names of the directory, and only such as are in its CAA identities, if it lists any.
        public func expectation(_ directory: Directory, account: ACMEURL, thumbprint: String) -> Expectation? {
            guard wantsHash else { return Expectation(issuers: issuers, form: .url, account: account, thumbprint: thumbprint) }
            let identities = directory.caaIdentities.map { (name: String) in
                name.hasSuffix(".") ? String(name.lowercased().dropLast()) : name.lowercased()
            }
            guard directory.issuerDomainNames.allSatisfy(issuers.contains),
                identities.isEmpty || issuers.allSatisfy(identities.contains)
            else { return nil }
            let form: AccountForm = directory.accountHashPrefix.map { .hash(prefix: $0) } ?? .url
            return Expectation(issuers: issuers, form: form, account: account, thumbprint: thumbprint)
        }
    }

    /// A list of a CA's names for itself; `nil` if it is none.
    static func issuers(_ list: JSONValue) -> [String]? {
        guard let names = try? list.array().map({ try $0.string() }), issuerCount.contains(names.count),
            names.allSatisfy({ isUsable(issuer: $0) })
        else { return nil }
        return names
    }

    // MARK: - The value

    /// In the syntax of a CAA record's value (RFC 8659 §4.2).
    public var value: String {
        "\(issuer); accounturi=\(accountURI)" + (isForWildcards ? "; policy=wildcard" : "")
            + (persistUntil.map { "; persistUntil=\($0)" } ?? "")
    }

    /// Reads a value; `nil` if it has another syntax, no issuer or account, a parameter twice, or a time that is no
    /// number. Unknown parameters are ignored.
    public init?(value: String) {
        guard value.utf8.count <= 4096 else { return nil }
        let parts = value.utf8.split(separator: UInt8(ascii: ";"), omittingEmptySubsequences: false).map { Self.trimmed($0) }
        guard let first = parts.first, !first.isEmpty else { return nil }
        issuer = String(decoding: first, as: UTF8.self).lowercased()
        if issuer.hasSuffix(".") { issuer.removeLast() }
        // No domain, and with another dot to drop for whoever reads what is written of it.
        guard !issuer.isEmpty, !issuer.hasSuffix(".") else { return nil }
        var parameters: [String: String] = [:]
        for (index, part) in parts.enumerated().dropFirst() {
            // Nothing after the last semicolon.
            if part.isEmpty, index == parts.count - 1 { continue }
            let pair = part.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false).map { Self.trimmed($0) }
            guard pair.count == 2, !pair[0].isEmpty, pair[0].allSatisfy(Self.isTagByte), pair[1].allSatisfy(Self.isValueByte) else {
                return nil
            }
            let tag = String(decoding: pair[0], as: UTF8.self).lowercased()
            guard parameters.updateValue(String(decoding: pair[1], as: UTF8.self), forKey: tag) == nil else { return nil }
        }
        guard let account = parameters["accounturi"], !account.isEmpty else { return nil }
        accountURI = account
        isForWildcards = parameters["policy"]?.lowercased() == "wildcard"
        if let until = parameters["persistuntil"] {
            guard let number = Int64(until), until.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else {
                return nil
            }
            persistUntil = number
        }
    }

    private static func trimmed(_ text: Substring.UTF8View) -> Substring.UTF8View {
        func isSpace(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") }
        var rest = text.drop(while: isSpace)
        while let last = rest.last, isSpace(last) { rest = rest.dropLast() }
        return rest
    }

    private static func isTagByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "-"):
            true
        default: false
        }
    }

    private static func isValueByte(_ byte: UInt8) -> Bool { (0x21...0x7E).contains(byte) && byte != UInt8(ascii: ";") }

    /// As a line of a zone file, with strings of at most 255 bytes (RFC 1035 §5.1).
    public func zoneFileLine(for name: DNSName) -> String {
        var rest = Array(value.utf8)[...]
        var strings: [String] = []
        while !rest.isEmpty {
            let part = String(decoding: rest.prefix(255), as: UTF8.self)
            strings.append("\"\(part.replacing("\\", with: "\\\\").replacing("\"", with: "\\\""))\"")
            rest = rest.dropFirst(255)
        }
        return "\(Self.name(for: name)). IN TXT \(strings.joined(separator: " "))"
    }

    /// Whether it is for that account, in the form of either draft, whatever the CA's prefix is.
    /// - Parameter thumbprint: the account key's; `nil` takes every hash for the account's.
    public func isFor(_ account: ACMEURL, thumbprint: String?, name: DNSName) -> Bool {
        if accountURI == account.text { return true }
        guard let thumbprint else { return accountURI.contains("sha-256/") }
        return [name.base, "*"].contains { accountURI.hasSuffix(Self.hash("", domain: $0, account, thumbprint)) }
    }

    // MARK: - Whether it fits

    /// What a CA looks for.
    public struct Expectation: Hashable, Sendable {
        /// Names for the CA; a record has one of them.
        public var issuers: [String]
        public var form: AccountForm
        public var account: ACMEURL
        public var thumbprint: String

        public init(issuers: [String], form: AccountForm, account: ACMEURL, thumbprint: String) {
            self.issuers = issuers
            self.form = form
            self.account = account
            self.thumbprint = thumbprint
        }

        /// The record to add.
        public func record(for name: DNSName, persistUntil: Int64? = nil) -> DNSPersistRecord {
            DNSPersistRecord(
                issuer: issuers.first ?? "",
                accountURI: DNSPersistRecord.accountURI(form, name: name, account: account, thumbprint: thumbprint),
                isForWildcards: name.isWildcard, persistUntil: persistUntil)
        }
    }

    /// Why a record does not let an account have a certificate.
    public enum Misfit: Hashable, Sendable, CustomStringConvertible {
        case noRecord
        /// Only for other CAs.
        case otherIssuer
        case otherAccount
        case noWildcards
        case expired(Int64)

        public var description: String {
            switch self {
            case .noRecord: "there is no such record"
            case .otherIssuer: "no record is for this CA"
            case .otherAccount: "the record is for another account, or for another key of it"
            case .noWildcards: "the record has no policy=wildcard"
            case .expired: "the record has expired (persistUntil)"
            }
        }
    }

    /// The record among these values that lasts longest of those that fit, or the misfit that comes closest.
    public static func fitting(
        _ values: [String], _ expectation: Expectation, for name: DNSName, now: Int64
    ) -> Result<DNSPersistRecord, Misfit> {
        let accepted = acceptedURIs(expectation.form, name: name, account: expectation.account, thumbprint: expectation.thumbprint)
        var best: DNSPersistRecord?
        var misfit = Misfit.noRecord
        func note(_ other: Misfit, _ rank: Int, _ ranked: inout Int) { if rank > ranked { (misfit, ranked) = (other, rank) } }
        var rank = 0
        for record in values.compactMap({ DNSPersistRecord(value: $0) }) {
            guard expectation.issuers.contains(record.issuer) else {
                note(.otherIssuer, 1, &rank)
                continue
            }
            guard accepted.contains(record.accountURI) else {
                note(.otherAccount, 2, &rank)
                continue
            }
            guard record.isForWildcards || !name.isWildcard else {
                note(.noWildcards, 3, &rank)
                continue
            }
            if let until = record.persistUntil, until < now {
                note(.expired(until), 4, &rank)
                continue
            }
            if (best?.persistUntil ?? .max) < (record.persistUntil ?? .max) || best == nil { best = record }
        }
        return best.map { .success($0) } ?? .failure(misfit)
    }
}

extension DNSPersistRecord.Misfit: Error {}
