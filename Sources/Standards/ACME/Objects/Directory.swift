import StrictJSON

/// A CA's directory (RFC 8555 §7.1.1; `renewalInfo` RFC 9773 §3; `profiles` draft-ietf-acme-profiles).
public struct Directory: Hashable, Sendable {
    /// A CA has a handful.
    public static let maximumProfiles = 100
    /// A CA has one or two.
    public static let maximumCAAIdentities = 100

    /// Answers HEAD with a nonce (RFC 8555 §7.2).
    public var newNonce: ACMEURL
    /// RFC 8555 §7.3
    public var newAccount: ACMEURL
    /// RFC 8555 §7.4
    public var newOrder: ACMEURL
    /// RFC 8555 §7.6
    public var revokeCert: ACMEURL
    /// RFC 8555 §7.3.5
    public var keyChange: ACMEURL
    /// The part before the certID (RFC 9773 §4.1).
    public var renewalInfo: ACMEURL?
    /// For a person; not fetched by the client, so any URL. Not safe for a terminal as it is.
    public var termsOfService: String?
    /// For a person. Not safe for a terminal as it is.
    public var website: String?
    /// Domains by which CAA records name this CA (RFC 8659).
    public var caaIdentities: [String]
    /// Whether newAccount must come with an external account binding (RFC 8555 §7.3.4).
    public var externalAccountRequired: Bool
    /// Name to description.
    public var profiles: [String: String]

    /// - Throws: where a member is missing, of another type or beyond its limit; unknown members are passed over.
    public init(json: JSONValue) throws(ACMEDocumentError) {
        let reader = try DocumentReader("directory", json)
        newNonce = try reader.url("newNonce")
        newAccount = try reader.url("newAccount")
        newOrder = try reader.url("newOrder")
        revokeCert = try reader.url("revokeCert")
        keyChange = try reader.url("keyChange")
        renewalInfo = try reader.optionalURL("renewalInfo")
        guard let meta = reader.object.optional("meta") else {
            termsOfService = nil
            website = nil
            caaIdentities = []
            externalAccountRequired = false
            profiles = [:]
            return
        }
        let metaReader = try DocumentReader("directory's meta", meta)
        termsOfService = try metaReader.text("termsOfService")
        website = try metaReader.text("website")
        caaIdentities = try metaReader.strings("caaIdentities", limit: Directory.maximumCAAIdentities)
        externalAccountRequired = try metaReader.bool("externalAccountRequired") ?? false
        profiles = [:]
        guard let list = metaReader.object.optional("profiles") else { return }
        do {
            let object = try list.object("profiles")
            guard object.count <= Directory.maximumProfiles else {
                throw metaReader.failure("profiles", "more than \(Directory.maximumProfiles)")
            }
            for (name, value) in object.members { profiles[name] = try value.string("profiles") }
        } catch let error as JSONError {
            throw ACMEDocumentError("directory's meta", error)
        } catch let error as ACMEDocumentError {
            throw error
        } catch {
            throw metaReader.failure("profiles", "not an object of strings")
        }
    }
}
