import JOSE
import StrictJSON

/// Creates an account, or finds the key's existing one (RFC 8555 §7.3, §7.3.1).
public struct NewAccount: Hashable, Sendable {
    /// `mailto:` URIs; see `Contact`.
    public var contact: [String]
    /// `nil` leaves the member out.
    public var termsOfServiceAgreed: Bool?
    /// Only find an existing account; do not create one (RFC 8555 §7.3.1).
    public var onlyReturnExisting: Bool
    /// The name of an external account credential in the agent's configuration; its HMAC key never leaves the agent
    /// (RFC 8555 §7.3.4).
    public var externalAccount: String?

    /// Checks nothing; see `validate()`.
    public init(
        contact: [String] = [], termsOfServiceAgreed: Bool? = nil, onlyReturnExisting: Bool = false, externalAccount: String? = nil
    ) {
        self.contact = contact
        self.termsOfServiceAgreed = termsOfServiceAgreed
        self.onlyReturnExisting = onlyReturnExisting
        self.externalAccount = externalAccount
    }

    /// The payload's JSON.
    /// - Parameter externalAccountBinding: the inner JWS, if a credential is named.
    public func payload(externalAccountBinding: FlattenedJWS? = nil) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.member("termsOfServiceAgreed", ifPresent: termsOfServiceAgreed)
        if !contact.isEmpty { writer.member("contact", contact) }
        if onlyReturnExisting { writer.member("onlyReturnExisting", true) }
        if let externalAccountBinding {
            writer.name("externalAccountBinding")
            externalAccountBinding.write(to: &writer)
        }
        writer.endObject()
        return writer.bytes
    }

    /// Checks the contacts (RFC 8555 §7.3) and the credential's name.
    public func validate() throws(ACMERequestError) {
        try Contact.validate(contact)
        if let externalAccount {
            do { _ = try KeyName(externalAccount) } catch {
                throw ACMERequestError(member: "externalAccount", reason: error.description)
            }
        }
    }
}
