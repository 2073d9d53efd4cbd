import ACME
import JOSE
import SwiftASN1
import X509

/// A PKCS#10 request (RFC 2986) that waits for its signature. swift-certificates encodes it. The key is in the token,
/// so the request is made in two steps: first with a placeholder, to learn the bytes to sign, and then from those bytes
/// and the signature.
struct PendingCertificateRequest: Sendable {
    /// DER of CertificationRequestInfo: what the key signs.
    let infoBytes: [UInt8]
    /// DER of the signature's AlgorithmIdentifier.
    private let algorithmBytes: [UInt8]
    private let keyAlgorithm: KeyAlgorithm

    /// - Throws: an error of swift-certificates or swift-asn1.
    init(_ request: CertificateRequest, key: SigningKey) throws {
        let publicKey: Certificate.PublicKey
        let algorithm: Certificate.SignatureAlgorithm
        switch key.verifier {
        case .p256(let key): publicKey = Certificate.PublicKey(key)
        case .p384(let key): publicKey = Certificate.PublicKey(key)
        case .rsa(let key): publicKey = Certificate.PublicKey(key)
        case .ed25519(let key): publicKey = Certificate.PublicKey(key)
        }
        let placeholder: ASN1BitString
        switch key.algorithm {
        // An ECDSA signature is a SEQUENCE of two INTEGERs; this one holds 1 and 1.
        case .p256:
            algorithm = .ecdsaWithSHA256
            placeholder = ASN1BitString(bytes: [0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01])
        case .p384:
            algorithm = .ecdsaWithSHA384
            placeholder = ASN1BitString(bytes: [0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01])
        case .rsa2048, .rsa3072, .rsa4096:
            algorithm = .sha256WithRSAEncryption
            placeholder = ASN1BitString(bytes: [0])
        case .ed25519:
            algorithm = .ed25519
            placeholder = ASN1BitString(bytes: [0])
        }
        keyAlgorithm = key.algorithm
        // The subject stays empty: names in the subjectAltName suffice (RFC 8555 §7.4).
        let names = request.identifiers.map { identifier -> GeneralName in
            switch identifier {
            case .dns(let name): .dnsName(name.text)
            case .ip(let address): .ipAddress(ASN1OctetString(contentBytes: address.bytes[...]))
            }
        }
        var extensions = try Certificate.Extensions { SubjectAlternativeNames(names) }
        if request.mustStaple {
            // RFC 7633 §4: SEQUENCE OF INTEGER, 5 is status_request.
            try extensions.append(
                Certificate.Extension(oid: [1, 3, 6, 1, 5, 5, 7, 1, 24], critical: false, value: [0x30, 0x03, 0x02, 0x01, 0x05]))
        }
        let attributes = CertificateSigningRequest.Attributes([try .init(ExtensionRequest(extensions: extensions))])
        let draft = try CertificateSigningRequest(
            version: .v1, subject: DistinguishedName(), publicKey: publicKey, attributes: attributes, signatureAlgorithm: algorithm,
            signature: Certificate.Signature(signatureAlgorithm: algorithm, signatureBytes: placeholder))
        (infoBytes, algorithmBytes) = try PendingCertificateRequest.parts(of: PendingCertificateRequest.serialized(draft))
    }

    private static func serialized(_ request: CertificateSigningRequest) throws -> [UInt8] {
        var serializer = DER.Serializer()
        try serializer.serialize(request)
        return serializer.serializedBytes
    }

    /// The first two elements of the outer SEQUENCE (RFC 2986 §4.2).
    private static func parts(of der: [UInt8]) throws -> (info: [UInt8], algorithm: [UInt8]) {
        let root = try DER.parse(der)
        guard case .constructed(let children) = root.content else {
            throw ASN1Error.invalidASN1Object(reason: "not a certification request")
        }
        var elements = children.makeIterator()
        guard let info = elements.next(), let algorithm = elements.next() else {
            throw ASN1Error.invalidASN1Object(reason: "not a certification request")
        }
        return (Array(info.encodedBytes), Array(algorithm.encodedBytes))
    }

    /// The whole request with the token's signature.
    /// - Throws: An error if the signature does not have the algorithm's form, or if the encoding differs from what was
    ///   signed.
    func complete(_ signature: [UInt8]) throws -> [UInt8] {
        let encoded: [UInt8]
        switch keyAlgorithm {
        case .p256, .p384:
            guard let der = ECDSASignature.der(raw: signature) else {
                throw CompositionError("key", "returned a signature of the wrong length")
            }
            encoded = der
        default: encoded = signature
        }
        var serializer = DER.Serializer()
        try serializer.appendConstructedNode(identifier: .sequence) { request in
            request.serializeRawBytes(infoBytes)
            request.serializeRawBytes(algorithmBytes)
            try request.serialize(ASN1BitString(bytes: encoded[...]))
        }
        let der = serializer.serializedBytes
        guard try PendingCertificateRequest.parts(of: der).info == infoBytes else {
            throw CompositionError("key", "was given bytes that are not those of the request")
        }
        return der
    }
}
