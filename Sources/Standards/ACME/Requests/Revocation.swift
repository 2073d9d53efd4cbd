import JOSE
import StrictJSON

/// Revokes a certificate (RFC 8555 §7.6), by the account's key or by the certificate's own.
public struct Revocation: Hashable, Sendable {
    /// A certificate for 1,000 names of 64 bytes has less than 100 KiB.
    public static let maximumCertificateSize = 128 * 1024

    /// DER.
    public var certificate: [UInt8]
    /// `nil` omits it, which the CA reads as unspecified.
    public var reason: RevocationReason?

    /// Checks nothing; see `validate()`.
    public init(certificate: [UInt8], reason: RevocationReason? = nil) {
        self.certificate = certificate
        self.reason = reason
    }

    /// The payload's JSON: `{"certificate":…,"reason":…}`.
    public func payload() -> [UInt8] {
        var writer = JSONWriter(reservingCapacity: Base64URL.encodedCount(certificate.count) + 40)
        writer.beginObject()
        writer.name("certificate")
        writer.plainString(Base64URL.encodeBytes(certificate))
        if let reason { writer.member("reason", reason.rawValue) }
        writer.endObject()
        return writer.bytes
    }

    /// Checks only the size: signer and CA check the certificate's content.
    public func validate() throws(ACMERequestError) {
        guard !certificate.isEmpty else { throw ACMERequestError(member: "certificate", reason: "it is empty") }
        guard certificate.count <= Revocation.maximumCertificateSize else {
            throw ACMERequestError(member: "certificate", reason: "it is larger than \(Revocation.maximumCertificateSize) bytes")
        }
    }
}
