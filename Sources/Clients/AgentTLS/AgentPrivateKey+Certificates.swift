import JOSE
import SwiftASN1
import X509

#if canImport(FoundationEssentials)
    import FoundationEssentials
#else
    import Foundation
#endif

/// `Certificate.PrivateKey(key)` of swift-certificates, for programs that do TLS with it. A certificate or a request
/// cannot be signed with it: the agent makes requests itself (`AgentClient.certificateRequest`).
extension AgentPrivateKey: CustomPrivateKey {
    /// The public half.
    public var publicKey: Certificate.PublicKey { certificateKey }

    /// The one that fits the key best.
    public var defaultSignatureAlgorithm: Certificate.SignatureAlgorithm {
        switch half {
        case .ec(.p256, _, _): .ecdsaWithSHA256
        case .ec(.p384, _, _): .ecdsaWithSHA384
        case .rsa: .sha256WithRSAEncryption
        case .ed25519: .ed25519
        }
    }

    /// Those that the agent signs handshakes with, and that swift-certificates names.
    public var supportedSignatureAlgorithms: [Certificate.SignatureAlgorithm] {
        switch half {
        case .ec: [.ecdsaWithSHA256, .ecdsaWithSHA384, .ecdsaWithSHA512]
        case .rsa: [.sha256WithRSAEncryption, .sha384WithRSAEncryption, .sha512WithRSAEncryption]
        case .ed25519: [.ed25519]
        }
    }

    /// The SignatureScheme of TLS (RFC 8446 §4.2.3); swift-certificates has no RSASSA-PSS.
    private static func scheme(_ algorithm: Certificate.SignatureAlgorithm) -> String? {
        switch algorithm {
        case .ecdsaWithSHA256: "ecdsa_secp256r1_sha256"
        case .ecdsaWithSHA384: "ecdsa_secp384r1_sha384"
        case .ecdsaWithSHA512: "ecdsa_secp521r1_sha512"
        case .sha256WithRSAEncryption: "rsa_pkcs1_sha256"
        case .sha384WithRSAEncryption: "rsa_pkcs1_sha384"
        case .sha512WithRSAEncryption: "rsa_pkcs1_sha512"
        case .ed25519: "ed25519"
        default: nil
        }
    }

    /// Always throws: waiting for the agent would block the thread.
    public func signSynchronously(
        bytes: some DataProtocol, signatureAlgorithm: Certificate.SignatureAlgorithm
    ) throws -> Certificate.Signature {
        throw AgentTLSError(.unsupported, "key \"\(name)\": the agent signs only asynchronously", hint: "use signAsynchronously")
    }

    /// Has the agent sign a handshake.
    /// - Parameters:
    ///   - bytes: The content of a handshake; anything else is refused by the agent, and recorded.
    ///   - signatureAlgorithm: One of ``supportedSignatureAlgorithms``.
    /// - Throws: `AgentTLSError`.
    public func signAsynchronously(
        bytes: some DataProtocol & Sendable, signatureAlgorithm: Certificate.SignatureAlgorithm
    ) async throws -> Certificate.Signature {
        guard supportedSignatureAlgorithms.contains(signatureAlgorithm), let scheme = AgentPrivateKey.scheme(signatureAlgorithm) else {
            throw AgentTLSError(.unsupported, "key \"\(name)\" does not sign with \(signatureAlgorithm)")
        }
        let signature = try await signer.signature(self, content: Array(bytes), scheme: scheme)
        return try Certificate.Signature(
            signatureAlgorithm: signatureAlgorithm, signatureBytes: ASN1BitString(bytes: signature[...], paddingBits: 0))
    }

    /// As PEM it is its key file: the name and the public half.
    public static var defaultPEMDiscriminator: String { KeyFile.label }

    /// Writes the content of the key file, which has no secret.
    public func serialize(into coder: inout DER.Serializer) throws { coder.serializeRawBytes(keyFile) }
}
