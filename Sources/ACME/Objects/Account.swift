import StrictJSON

/// An account as the CA shows it (RFC 8555 §7.1.2); its URL comes in the Location header.
public struct Account: Hashable, Sendable {
    public enum Status: String, CaseIterable, Sendable { case valid, deactivated, revoked }

    public static let maximumContacts = 100

    public var status: Status
    public var contact: [String]
    /// Where the orders are listed; not every CA has it.
    public var orders: ACMEURL?
    public var termsOfServiceAgreed: Bool?

    public init(json: JSONValue) throws(ACMEDocumentError) {
        let reader = try DocumentReader("account", json)
        status = try reader.status(Status.self)
        contact = try reader.strings("contact", limit: Account.maximumContacts)
        // Pebble sends the empty string for a list that it does not have.
        orders = reader.object.optional("orders").flatMap { try? $0.string() }.flatMap { try? ACMEURL($0) }
        termsOfServiceAgreed = try reader.bool("termsOfServiceAgreed")
    }
}
