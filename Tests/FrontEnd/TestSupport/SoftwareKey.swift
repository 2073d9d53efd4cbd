import ACME
import Crypto
import JOSE
import SwiftASN1
import X509

/// A P-256 key in memory that signs like the agent: it composes header, payload and CSR itself. For tests only.
public struct SoftwareKey: Sendable {
    let key: P256.Signing.PrivateKey

    /// The TLS feature status_request (RFC 7633).
    static let mustStaple = Certificate.Extension(oid: [1, 3, 6, 1, 5, 5, 7, 1, 24], critical: false, value: [0x30, 3, 2, 1, 5])

    public init() { key = P256.Signing.PrivateKey() }

    public var publicKey: JOSE.PublicKey {
        let point = Array(key.publicKey.rawRepresentation)
        return .ec(curve: .p256, x: Array(point.prefix(32)), y: Array(point.suffix(32)))
    }

    func sign(_ input: JWSSigningInput) throws -> FlattenedJWS {
        input.flattened(signature: Array(try key.signature(for: input.bytes).rawRepresentation))
    }

    /// A certificate request (RFC 2986) with the identifiers as subjectAltName and an empty subject.
    public func certificateRequest(_ identifiers: [Identifier], mustStaple: Bool = false) throws -> [UInt8] {
        let names = identifiers.map { identifier -> GeneralName in
            switch identifier {
            case .dns(let name): .dnsName(name.text)
            case .ip(let address): .ipAddress(ASN1OctetString(contentBytes: address.bytes[...]))
            }
        }
        var extensions = try Certificate.Extensions { SubjectAlternativeNames(names) }
        if mustStaple { try extensions.append(Self.mustStaple) }
        let request = try CertificateSigningRequest(
            version: .v1, subject: DistinguishedName([RelativeDistinguishedName]()), privateKey: Certificate.PrivateKey(key),
            attributes: CertificateSigningRequest.Attributes([CertificateSigningRequest.Attribute(ExtensionRequest(extensions: extensions))]
            ),
            signatureAlgorithm: .ecdsaWithSHA256)
        var serializer = DER.Serializer()
        try serializer.serialize(request)
        return serializer.serializedBytes
    }
}
