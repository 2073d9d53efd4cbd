import ACME
import StrictJSON

/// An account at a CA (RFC 8555 §7.1.2). Its key is in the agent; here is only the key's name.
public struct StoredAccount: Hashable, Sendable {
    public var directory: ACMEURL
    /// The key's name in the agent.
    public var key: KeyName
    /// The `kid` of its requests. `nil` while `newAccount` has been announced and not answered: then the account is asked for by its key
    /// (`onlyReturnExisting`, RFC 8555 §7.3.1).
    public var url: ACMEURL?
    /// `mailto:` URLs.
    public var contact: [String]
    /// A key rollover that was announced (RFC 8555 §7.3.5): which of the two keys the CA knows is found out by asking, the new one first.
    public var nextKey: KeyName?
    /// The CA's terms that were agreed to, as its directory named them.
    public var termsOfService: String?
    /// Its owner has deactivated it, for good (RFC 8555 §7.3.6); kept so that its user is told so.
    public var isDeactivated: Bool

    public init(
        directory: ACMEURL, key: KeyName, url: ACMEURL? = nil, contact: [String] = [], nextKey: KeyName? = nil,
        termsOfService: String? = nil, isDeactivated: Bool = false
    ) {
        self.isDeactivated = isDeactivated
        self.directory = directory
        self.key = key
        self.url = url
        self.contact = contact
        self.nextKey = nextKey
        self.termsOfService = termsOfService
    }
}

extension StoredAccount: StoreDocument {
    static let kind = "account"
    /// Format 2 knows of accounts that were deactivated.
    static let version: Int64 = 2

    func write(_ writer: inout JSONWriter) {
        writer.member("directory", directory.text)
        writer.member("key", key.rawValue)
        writer.member("url", ifPresent: url?.text)
        writer.member("contact", contact)
        writer.member("nextKey", ifPresent: nextKey?.rawValue)
        writer.member("termsOfService", ifPresent: termsOfService)
        if isDeactivated { writer.member("deactivated", true) }
    }

    init(_ object: JSONObject) throws {
        try object.finish(known: ["version", "kind", "directory", "key", "url", "contact", "nextKey", "termsOfService", "deactivated"])
        self.init(
            directory: try ACMEURL(object.string("directory")), key: try KeyName(object.string("key")),
            url: try object.optionalString("url").map { try ACMEURL($0) }, contact: try object.strings("contact"),
            nextKey: try object.optionalString("nextKey").map { try KeyName($0) },
            termsOfService: try object.optionalString("termsOfService"), isDeactivated: try object.optionalBool("deactivated") ?? false)
    }
}
