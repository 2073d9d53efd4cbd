import StrictJSON

/// Changes an account (RFC 8555 §7.3.2), or agrees to new terms of service (§7.3.3). Members that are `nil` stay
/// unchanged.
public struct AccountUpdate: Hashable, Sendable {
    /// `mailto:` URIs that replace the current ones; an empty array removes all.
    public var contact: [String]?
    /// Only `true` means anything (RFC 8555 §7.3.3).
    public var termsOfServiceAgreed: Bool?

    /// Checks nothing; see `validate()`.
    public init(contact: [String]? = nil, termsOfServiceAgreed: Bool? = nil) {
        self.contact = contact
        self.termsOfServiceAgreed = termsOfServiceAgreed
    }

    /// The payload's JSON.
    public func payload() -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("termsOfServiceAgreed", ifPresent: termsOfServiceAgreed)
        if let contact { writer.member("contact", contact) }
        writer.endObject()
        return writer.bytes
    }

    /// Something must change; contacts must follow RFC 8555 §7.3.
    public func validate() throws(ACMERequestError) {
        guard contact != nil || termsOfServiceAgreed != nil else {
            throw ACMERequestError(member: "contact", reason: "the update changes nothing")
        }
        try Contact.validate(contact ?? [])
    }
}

/// Ends an account (RFC 8555 §7.3.6) or an authorization (§7.5.2): the payload is the same.
public enum Deactivation {
    /// `{"status":"deactivated"}`
    public static func payload() -> [UInt8] { Array(#"{"status":"deactivated"}"#.utf8) }
}
