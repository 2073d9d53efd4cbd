import ACME
import Crypto
import FoundationEssentials
import NIOSSL
import SwiftASN1
import X509

/// The certificate that answers a tls-alpn-01 challenge (RFC 8737 §3): self-signed, for one name, with the key
/// authorization's digest. Its key exists only in this process and only for this challenge.
struct TLSALPN01Certificate: Sendable {
    /// RFC 8737 §6.2: the name of the protocol.
    static let applicationProtocol = "acme-tls/1"

    /// id-pe-acmeIdentifier (RFC 8737 §6.1)
    private static let acmeIdentifier: ASN1ObjectIdentifier = [1, 3, 6, 1, 5, 5, 7, 1, 31]
    /// Before and after now, for clocks that differ; an authorization is pending for a week at most.
    private static let validity: TimeInterval = 7 * 86_400

    /// The challenge that it answers.
    let keyAuthorization: KeyAuthorization
    /// TLS as this name's server.
    let context: NIOSSLContext

    init(_ identifier: Identifier, _ keyAuthorization: KeyAuthorization) throws {
        let key = P256.Signing.PrivateKey()
        var name = GeneralName.dnsName(identifier.value)
        if case .ip(let address) = identifier { name = .ipAddress(ASN1OctetString(contentBytes: address.bytes[...])) }
        let subject = try DistinguishedName { CommonName("tls-alpn-01 challenge") }
        var digest = DER.Serializer()
        try digest.serialize(ASN1OctetString(contentBytes: keyAuthorization.digest[...]))
        let extensions = try Certificate.Extensions {
            SubjectAlternativeNames([name])
            Certificate.Extension(oid: Self.acmeIdentifier, critical: true, value: digest.serializedBytes[...])
        }
        let now = Date()
        let certificate = try Certificate(
            version: .v3, serialNumber: .init(), publicKey: .init(key.publicKey), notValidBefore: now - Self.validity,
            notValidAfter: now + Self.validity, issuer: subject, subject: subject, signatureAlgorithm: .ecdsaWithSHA256,
            extensions: extensions, issuerPrivateKey: .init(key))
        var serializer = DER.Serializer()
        try serializer.serialize(certificate)
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: [.certificate(try NIOSSLCertificate(bytes: serializer.serializedBytes, format: .der))],
            privateKey: .privateKey(try NIOSSLPrivateKey(bytes: Array(key.derRepresentation), format: .der)))
        configuration.minimumTLSVersion = .tlsv12
        configuration.applicationProtocols = [Self.applicationProtocol]
        context = try NIOSSLContext(configuration: configuration)
        self.keyAuthorization = keyAuthorization
    }

    /// Whether a certificate answers a challenge (RFC 8737 §3).
    /// - Parameter certificate: DER.
    static func isAnswer(_ certificate: [UInt8], _ keyAuthorization: KeyAuthorization) -> Bool {
        guard let parsed = try? Certificate(derEncoded: certificate), let proof = parsed.extensions[oid: acmeIdentifier],
            let digest = try? ASN1OctetString(derEncoded: Array(proof.value))
        else { return false }
        return proof.critical && Array(digest.bytes) == keyAuthorization.digest
    }

    /// The name that the CA sends as server_name: for an IP address its reverse name (RFC 8738 §6).
    static func serverName(of identifier: Identifier) -> String {
        if case .ip(let address) = identifier { return address.reverseName }
        return identifier.value
    }
}
