import JOSE
import StrictJSON

/// Finalizes an order (RFC 8555 §7.4). The agent makes the CSR itself, with an empty subject and the identifiers as
/// subjectAltName, in this order.
public struct CertificateRequest: Hashable, Sendable {
    /// The agent's name for the certificate key.
    public var key: KeyName
    /// The order's identifiers.
    public var identifiers: [Identifier]
    /// Asks for the TLS feature extension status_request (RFC 7633).
    public var mustStaple: Bool

    /// Checks nothing; see `validate()`.
    public init(key: KeyName, identifiers: [Identifier], mustStaple: Bool = false) {
        self.key = key
        self.identifiers = identifiers
        self.mustStaple = mustStaple
    }

    /// The payload's JSON: `{"csr":…}`.
    /// - Parameter csr: the PKCS#10 request in DER.
    public func payload(csr: [UInt8]) -> [UInt8] {
        var writer = JSONWriter(reservingCapacity: Base64URL.encodedCount(csr.count) + 16)
        writer.beginObject()
        writer.name("csr")
        writer.plainString(Base64URL.encodeBytes(csr))
        writer.endObject()
        return writer.bytes
    }

    /// At least one identifier, none twice.
    public func validate() throws(ACMERequestError) {
        try NewOrder.validate(identifiers)
    }
}
