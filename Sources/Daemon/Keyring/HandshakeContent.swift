import ACME
import JOSE
import TokenProtocol

/// What a TLS peer signs in one handshake message, and nothing else. The content is taken apart to its last byte: a
/// digest, another message, another role or another version is refused.
///
/// A CertificateVerify of TLS 1.3 (RFC 8446 §4.4.3) is 64 spaces, the context string of its role, a zero byte and a
/// transcript hash of 32 or 48 bytes. Delegated credentials and exported authenticators have other context strings. A
/// client that authenticates in TLS 1.2 signs all its handshake messages, which has no form here. For TLS 1.2's
/// ServerKeyExchange see `ServerKeyExchange`.
public struct HandshakeContent: Sendable {
    public let message: HandshakeMessage
    let content: [UInt8]
    let scheme: TLSSignatureScheme

    /// - Throws: `CompositionError` if the content is anything but the message's, or the scheme is not one of those for
    ///   it.
    public init(_ message: HandshakeMessage, content: [UInt8], scheme: String) throws(CompositionError) {
        guard let scheme = TLSSignatureScheme(rawValue: scheme), scheme.isFor(message) else {
            let known = TLSSignatureScheme.allCases.filter { $0.isFor(message) }.map(\.rawValue)
            throw CompositionError("scheme", "must be one of " + known.joined(separator: ", "))
        }
        guard message.accepts(content) else { throw CompositionError("content", "is not the content of \(message.words)") }
        self.message = message
        self.content = content
        self.scheme = scheme
    }

    func task(for key: SigningKey) throws(CompositionError) -> SigningTask {
        guard key.usage == .certificate else { throw CompositionError("key", "is an account key, which does not sign handshakes") }
        guard key.state == .active else { throw CompositionError("key", "is retired") }
        guard message.isFor(key.algorithm) else {
            throw CompositionError("key", "is of type \(key.algorithm.rawValue), which does not sign \(message.words)")
        }
        guard scheme.fits(key.algorithm, in: message) else {
            throw CompositionError("scheme", "\(scheme.rawValue) is not for a key of type \(key.algorithm.rawValue)")
        }
        return SigningTask(
            HandshakeContent.words[Kind(message: message, scheme: scheme)] ?? message.words, key: key, mechanism: scheme.mechanism,
            input: scheme.input(content), padding: scheme.padding)
    }

    /// The signature as it appears in the handshake message: DER for ECDSA.
    static func encode(_ signature: [UInt8], for key: SigningKey) -> [UInt8]? {
        switch key.algorithm {
        case .p256, .p384: ECDSASignature.der(raw: signature)
        default: signature
        }
    }

    private struct Kind: Hashable {
        let message: HandshakeMessage
        let scheme: TLSSignatureScheme
    }

    /// What the audit trail says: version and role, message, scheme, hash. Made once: a busy server has thousands of
    /// signatures made each second.
    private static let words: [Kind: String] = {
        var words: [Kind: String] = [:]
        for message in HandshakeMessage.allCases {
            for scheme in TLSSignatureScheme.allCases where scheme.isFor(message) {
                words[Kind(message: message, scheme: scheme)] =
                    "\(message.auditWords), \(scheme.rawValue)" + (scheme.hash.map { ", \($0)" } ?? "")
            }
        }
        return words
    }()
}

extension HandshakeMessage {
    /// Whether keys of this kind sign it.
    public func isFor(_ algorithm: KeyAlgorithm) -> Bool { self != .serverKeyExchange || algorithm != .ed25519 }

    private static let spaces = 64
    private static let serverContext =
        [UInt8](repeating: 0x20, count: spaces) + Array("TLS 1.3, server CertificateVerify".utf8) + [0]
    private static let clientContext =
        [UInt8](repeating: 0x20, count: spaces) + Array("TLS 1.3, client CertificateVerify".utf8) + [0]

    fileprivate func accepts(_ content: [UInt8]) -> Bool {
        let context: [UInt8]
        switch self {
        case .serverCertificateVerify: context = HandshakeMessage.serverContext
        case .clientCertificateVerify: context = HandshakeMessage.clientContext
        case .serverKeyExchange: return ServerKeyExchange.accepts(content)
        }
        // The transcript hash of SHA-256 or SHA-384, by the cipher suite (RFC 8446 §4.4.1).
        return (content.count == context.count + 32 || content.count == context.count + 48) && content.starts(with: context)
    }

    fileprivate var words: String {
        switch self {
        case .serverCertificateVerify: "a TLS 1.3 server CertificateVerify (RFC 8446 section 4.4.3)"
        case .clientCertificateVerify: "a TLS 1.3 client CertificateVerify (RFC 8446 section 4.4.3)"
        case .serverKeyExchange:
            "a TLS 1.2 ServerKeyExchange with X25519, secp256r1 or secp384r1 (RFC 8422 section 5.4)"
        }
    }

    fileprivate var auditWords: String {
        switch self {
        case .serverCertificateVerify: "TLS 1.3 server, CertificateVerify"
        case .clientCertificateVerify: "TLS 1.3 client, CertificateVerify"
        case .serverKeyExchange: "TLS 1.2 server, ServerKeyExchange"
        }
    }
}
