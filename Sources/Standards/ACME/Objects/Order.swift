import StrictJSON

/// The states of an order (RFC 8555 §7.1.6).
public enum OrderStatus: String, CaseIterable, Hashable, Sendable { case pending, ready, processing, valid, invalid }

/// An order as the CA returns it (RFC 8555 §7.1.3); only the answer to newOrder has its URL.
///
/// §7.1.3 requires identifiers, authorizations and finalize in every answer. Servers in wide use send them only in the
/// answer to newOrder, so each may be missing here; the code that needs one checks for it.
public struct Order: Hashable, Sendable {
    /// Bytes of the PEM at `certificate`. Ten RSA-4096 certificates take less than 64 KiB.
    public static let maximumChainSize = 1 << 20
    /// One for each identifier.
    public static let maximumAuthorizations = NewOrder.maximumIdentifiers

    /// Its state.
    public var status: OrderStatus
    /// RFC 3339.
    public var expires: String?
    /// Canonical, in the CA's order, which need not be the one asked for; `nil` if the CA does not say.
    public var identifiers: [Identifier]?
    /// All that the order needs, including valid ones; empty if the CA does not say.
    public var authorizations: [ACMEURL]
    /// Where the CSR is sent once the order is ready; `nil` if the CA does not say.
    public var finalize: ACMEURL?
    /// Present once the order is valid.
    public var certificate: ACMEURL?
    /// Why the order is invalid.
    public var error: Problem?
    /// RFC 9773 §5.
    public var replaces: String?
    /// As the CA accepted it (draft-ietf-acme-profiles).
    public var profile: String?
    /// RFC 3339.
    public var notBefore: String?
    /// RFC 3339.
    public var notAfter: String?

    /// - Throws: if the status is missing, or a member is invalid or beyond its limit. An invalid timestamp counts as
    ///   absent; unknown members are ignored.
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
