import StrictJSON

/// An account as the CA shows it (RFC 8555 §7.1.2); its URL comes in the Location header.
public struct Account: Hashable, Sendable {
    /// The states of an account (RFC 8555 §7.1.6).
    public enum Status: String, CaseIterable, Sendable { case valid, deactivated, revoked }

    /// Ten times what is ever sent.
    public static let maximumContacts = 100

    /// Only a valid account signs anything but reads.
    public var status: Status
    /// URIs; as the CA shows them, so not safe for a terminal.
    public var contact: [String]
    /// Where the orders are listed; not every CA has it.
    public var orders: ACMEURL?
    /// `nil` where the CA does not say.
    public var termsOfServiceAgreed: Bool?

    /// - Throws: where the status is missing or none. What else is odd counts as absent; unknown members are passed over.
    public init(json: JSONValue) throws(ACMEDocumentError) {
        let reader = try DocumentReader("account", json)
        status = try reader.status(Status.self)
        let contacts = (try? reader.object.optional("contact")?.array()) ?? []
        contact = contacts.prefix(Account.maximumContacts).compactMap { try? $0.string() }
        // Pebble sends the empty string for a list that it does not have.
        orders = reader.object.optional("orders").flatMap { try? $0.string() }.flatMap { try? ACMEURL($0) }
        termsOfServiceAgreed = try? reader.bool("termsOfServiceAgreed")
    }

    /// An account of which the CA says no more than that it is there.
    public init(status: Status) {
        self.status = status
        contact = []
    }
}
