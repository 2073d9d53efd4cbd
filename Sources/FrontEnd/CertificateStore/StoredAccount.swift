import ACME
import StrictJSON

/// An account at a CA (RFC 8555 §7.1.2). The agent has its key; the store has only the key's name.
public struct StoredAccount: Hashable, Sendable {
    public var directory: ACMEURL
    /// The key's name in the agent.
    public var key: KeyName
    /// The `kid` of its requests. `nil` while `newAccount` has been announced but not answered: then the account is
    /// looked up by its key (`onlyReturnExisting`, RFC 8555 §7.3.1).
    public var url: ACMEURL?
    /// `mailto:` URLs.
    public var contact: [String]
    /// The new key of an announced key rollover (RFC 8555 §7.3.5). Asking the CA shows which of the two keys it knows;
    /// the new one is tried first.
    public var nextKey: KeyName?
    /// The key that a rollover has replaced, until it is retired.
    public var formerKey: KeyName?
    /// The terms of service that were agreed to, as named by the CA's directory.
    public var termsOfService: String?
    /// The account was deactivated permanently (RFC 8555 §7.3.6). The entry is kept so that the user can be told.
    public var isDeactivated: Bool

    public init(
        directory: ACMEURL, key: KeyName, url: ACMEURL? = nil, contact: [String] = [], nextKey: KeyName? = nil, formerKey: KeyName? = nil,
        termsOfService: String? = nil, isDeactivated: Bool = false
    ) {
        self.isDeactivated = isDeactivated
        self.directory = directory
        self.key = key
        self.url = url
        self.contact = contact
        self.nextKey = nextKey
        self.formerKey = formerKey
        self.termsOfService = termsOfService
    }
}

extension StoredAccount: StoreDocument {
    static let kind = "account"
    /// Format 2 added deactivated accounts.
    static let version: Int64 = 2

    func write(_ writer: inout JSONWriter) {
        writer.member("directory", directory.text)
        writer.member("key", key.rawValue)
        writer.member("url", ifPresent: url?.text)
        writer.member("contact", contact)
        writer.member("nextKey", ifPresent: nextKey?.rawValue)
        writer.member("formerKey", ifPresent: formerKey?.rawValue)
        writer.member("termsOfService", ifPresent: termsOfService)
        if isDeactivated { writer.member("deactivated", true) }
    }

    init(_ object: JSONObject) throws {
        try object.finish(known: [
            "version", "kind", "directory", "key", "url", "contact", "nextKey", "formerKey", "termsOfService", "deactivated",
        ])
        self.init(
            directory: try ACMEURL(object.string("directory")), key: try KeyName(object.string("key")),
            url: try object.optionalString("url").map { try ACMEURL($0) }, contact: try object.strings("contact"),
            nextKey: try object.optionalString("nextKey").map { try KeyName($0) },
            formerKey: try object.optionalString("formerKey").map { try KeyName($0) },
            termsOfService: try object.optionalString("termsOfService"), isDeactivated: try object.optionalBool("deactivated") ?? false)
    }
}
