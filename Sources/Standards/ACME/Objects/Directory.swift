import StrictJSON

/// A CA's directory (RFC 8555 §7.1.1; `renewalInfo` RFC 9773 §3; `profiles` draft-ietf-acme-profiles).
///
/// Only the members that every issuance needs are required. Any other is required when it is used: a CA that offers no
/// revocation over ACME can still issue.
public struct Directory: Hashable, Sendable {
    /// A CA has a handful. More are ignored.
    public static let maximumProfiles = 1000
    /// A CA has one or two. More are ignored.
    public static let maximumCAAIdentities = 100

    /// Answers HEAD with a nonce (RFC 8555 §7.2).
    public var newNonce: ACMEURL
    /// RFC 8555 §7.3
    public var newAccount: ACMEURL
    /// RFC 8555 §7.4
    public var newOrder: ACMEURL
    /// RFC 8555 §7.6
    public var revokeCert: ACMEURL?
    /// RFC 8555 §7.3.5
    public var keyChange: ACMEURL?
    /// The part before the certID (RFC 9773 §4.1).
    public var renewalInfo: ACMEURL?
    /// For a person. The client does not fetch it, so any URL is accepted. Not safe for a terminal.
    public var termsOfService: String?
    /// For a person. Not safe for a terminal.
    public var website: String?
    /// Domains by which CAA records name this CA (RFC 8659).
    public var caaIdentities: [String]
    /// The CA's names for itself in the records of dns-persist-01 (draft-ietf-acme-dns-persist-02); empty if the list is
    /// missing or malformed.
    public var issuerDomainNames: [String]
    /// What comes before the hash of an account in these records (draft-02); checked to be usable there.
    public var accountHashPrefix: String?
    /// Whether newAccount requires an external account binding (RFC 8555 §7.3.4).
    public var externalAccountRequired: Bool
    /// Name to description, which may be empty.
    public var profiles: [String: String]

    /// - Throws: if newNonce, newAccount or newOrder is missing or not a URL. Any other invalid member counts as
    ///   absent; unknown members are ignored.
    public init(json: JSONValue) throws(ACMEDocumentError) {
        let reader = try DocumentReader("directory", json)
        newNonce = try reader.url("newNonce")
        newAccount = try reader.url("newAccount")
        newOrder = try reader.url("newOrder")
        revokeCert = try? reader.optionalURL("revokeCert")
        keyChange = try? reader.optionalURL("keyChange")
        renewalInfo = try? reader.optionalURL("renewalInfo")
        let meta = reader.object.optional("meta").flatMap { try? DocumentReader("directory's meta", $0) }
        termsOfService = meta?.remark("termsOfService")
        website = meta?.remark("website")
        let identities = (try? meta?.object.optional("caaIdentities")?.array()) ?? []
        caaIdentities = identities.prefix(Directory.maximumCAAIdentities).compactMap { try? $0.string() }
        issuerDomainNames = (meta?.object.optional(DNSPersistRecord.Offer.member)).flatMap { DNSPersistRecord.issuers($0) } ?? []
        accountHashPrefix = meta?.remark("accountHashPrefix").flatMap { DNSPersistRecord.isUsable(prefix: $0) ? $0 : nil }
        externalAccountRequired = (try? meta?.bool("externalAccountRequired")) ?? false
        profiles = [:]
        let list = (try? meta?.object.optional("profiles")?.object("profiles").members) ?? []
        for (name, value) in list.prefix(Directory.maximumProfiles) { profiles[name] = (try? value.string()) ?? "" }
    }
}
