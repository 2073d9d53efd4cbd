import StrictJSON

/// An account as the CA returns it (RFC 8555 §7.1.2); its URL is in the Location header.
public struct Account: Hashable, Sendable {
    /// The states of an account (RFC 8555 §7.1.6).
    public enum Status: String, CaseIterable, Sendable { case valid, deactivated, revoked }

    /// Ten times as many as are ever sent.
    public static let maximumContacts = 100

    /// Only a valid account can be used.
    public var status: Status
    /// URIs as the CA sent them, so not safe for a terminal.
    public var contact: [String]
    /// The URL of the list of orders; not every CA has one.
    public var orders: ACMEURL?
    /// `nil` if the CA does not say.
    public var termsOfServiceAgreed: Bool?

    /// - Throws: if the status is missing or not one of these. Any other invalid member counts as absent; unknown
    ///   members are ignored.
    public init(json: JSONValue) throws(ACMEDocumentError) {
        let reader = try DocumentReader("account", json)
        status = try reader.status(Status.self)
        let contacts = (try? reader.object.optional("contact")?.array()) ?? []
        contact = contacts.prefix(Account.maximumContacts).compactMap { try? $0.string() }
        // Pebble sends an empty string for a list that it does not have.
        orders = reader.object.optional("orders").flatMap { try? $0.string() }.flatMap { try? ACMEURL($0) }
        termsOfServiceAgreed = try? reader.bool("termsOfServiceAgreed")
    }

    /// An account about which the CA says only that it exists.
    public init(status: Status) {
        self.status = status
        contact = []
    }
}
