import StrictJSON

/// The states of an order (RFC 8555 §7.1.6).
public enum OrderStatus: String, CaseIterable, Hashable, Sendable { case pending, ready, processing, valid, invalid }

/// An order as the CA shows it (RFC 8555 §7.1.3); its URL comes only with its creation.
///
/// §7.1.3 wants identifiers, authorizations and finalize in every answer. Servers in wide use send them at the creation only, so that each may
/// be missing here; who needs one says so.
public struct Order: Hashable, Sendable {
    /// One for each identifier; see `NewOrder.maximumIdentifiers`.
    public static let maximumAuthorizations = 1000

    /// Where it stands.
    public var status: OrderStatus
    /// RFC 3339.
    public var expires: String?
    /// Canonical, in the CA's order, which need not be the one asked for; `nil` where the CA does not say.
    public var identifiers: [Identifier]?
    /// All that the order needs, valid ones included; empty where the CA does not say.
    public var authorizations: [ACMEURL]
    /// Where the CSR goes once the order is ready; `nil` where the CA does not say.
    public var finalize: ACMEURL?
    /// There once the order is valid.
    public var certificate: ACMEURL?
    /// Why the order is invalid.
    public var error: Problem?
    /// RFC 9773 §5.
    public var replaces: String?
    /// As the CA took it (draft-ietf-acme-profiles).
    public var profile: String?
    /// RFC 3339.
    public var notBefore: String?
    /// RFC 3339.
    public var notAfter: String?

    /// - Throws: where a member is missing, of another type or beyond its limit; unknown members are passed over.
    public init(json: JSONValue) throws(ACMEDocumentError) {
        let reader = try DocumentReader("order", json)
        status = try reader.status(OrderStatus.self)
        expires = try reader.timestamp("expires")
        if reader.object.optional("identifiers") != nil {
            var identifiers: [Identifier] = []
            for value in try reader.array("identifiers", limit: NewOrder.maximumIdentifiers) {
                identifiers.append(try reader.identifier(value))
            }
            self.identifiers = identifiers
        }
        authorizations = []
        for text in try reader.strings("authorizations", limit: Order.maximumAuthorizations) {
            authorizations.append(try reader.url(text, "authorizations"))
        }
        finalize = try reader.optionalURL("finalize")
        certificate = try reader.optionalURL("certificate")
        error = reader.object.optional("error").map { Problem(json: $0) }
        replaces = try reader.text("replaces")
        profile = try reader.text("profile")
        notBefore = try reader.timestamp("notBefore")
        notAfter = try reader.timestamp("notAfter")
    }
}
