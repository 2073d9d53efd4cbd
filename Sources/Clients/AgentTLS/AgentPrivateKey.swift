import ACME
import DurableFile
import JOSE
import NIOCore
import NIOSSL
import X509

/// A private key for TLS that stays in the agent's token: its name, its public half, and how to have it sign.
///
/// ```swift
/// let key = try AgentPrivateKey(file: "/var/lib/acme-agent/certificates/www.example.org/key.pem")
/// let source = NIOSSLPrivateKeySource.privateKey(NIOSSLPrivateKey(customPrivateKey: key))
/// ```
/// It signs TLS handshakes and nothing else, because the agent signs only what it can read.
public struct AgentPrivateKey: Sendable, Hashable {
    /// The key's name in the agent.
    public let name: KeyName
    /// The agent's socket.
    public let socket: String
    let half: PublicKey
    let signer: AgentSigner
    /// The same as swift-certificates has it.
    let certificateKey: Certificate.PublicKey

    /// A key file is a few hundred bytes.
    static let fileMaximum = 64 * 1024

    /// Reads a key file (`key.pem`). Blocks; not for an event loop.
    /// - Throws: `AgentTLSError`.
    public init(file path: String, signer: AgentSigner = .shared) throws {
        let pem: [UInt8]
        do throws(FileError) { pem = try DurableFile.read(path, limit: AgentPrivateKey.fileMaximum) } catch {
            throw AgentTLSError(.files, "the key file cannot be read: \(error)")
        }
        do throws(AgentTLSError) { try self.init(pem: pem, signer: signer) } catch {
            throw AgentTLSError(.files, "\"\(path)\": \(error.message)", hint: error.hint)
        }
    }

    /// Reads the content of a key file.
    public init(pem: [UInt8], signer: AgentSigner = .shared) throws(AgentTLSError) {
        let hint = "`acme-agent issue` and `renew` write \"key.pem\" beside the certificate"
        let file: KeyFile
        do { file = try KeyFile(pem: pem) } catch { throw AgentTLSError(.files, error.description, hint: hint) }
        do {
            name = try KeyName(file.name)
            certificateKey = try Certificate.PublicKey(derEncoded: file.publicKey.spki)
        } catch { throw AgentTLSError(.files, "not a key file: \(error)", hint: hint) }
        half = file.publicKey
        socket = file.socket ?? signer.socket
        self.signer = signer
    }

    /// The content of its key file: nothing secret.
    var keyFile: [UInt8] { KeyFile.der(name: name.rawValue, socket: socket, spki: half.spki) }

    public static func == (left: AgentPrivateKey, right: AgentPrivateKey) -> Bool {
        left.name == right.name && left.socket == right.socket && left.half == right.half && left.signer === right.signer
    }

    public func hash(into hasher: inout Hasher) {
        hasher.combine(name)
        hasher.combine(half)
    }
}

extension AgentPrivateKey: NIOSSLCustomPrivateKey {
    /// Those of TLS 1.2 and 1.3. NIOSSL chooses among them by the version and by what the peer takes.
    public var signatureAlgorithms: [SignatureAlgorithm] {
        switch half {
        case .ec: SignatureAlgorithm.ecdsa
        case .rsa: SignatureAlgorithm.rsa
        case .ed25519: [.ed25519]
        }
    }

    /// Has the agent sign a handshake, for NIOSSL. The event loop does not wait.
    public func sign(channel: any Channel, algorithm: SignatureAlgorithm, data: ByteBuffer) -> EventLoopFuture<ByteBuffer> {
        let promise = channel.eventLoop.makePromise(of: ByteBuffer.self)
        let content = Array(data.readableBytesView)
        Task {
            do throws(AgentTLSError) {
                guard let scheme = algorithm.scheme else {
                    throw AgentTLSError(.unsupported, "the agent does not sign with \(algorithm)")
                }
                promise.succeed(ByteBuffer(bytes: try await signer.signature(self, content: content, scheme: scheme)))
            } catch { promise.fail(error) }
        }
        return promise.futureResult
    }

    /// RSA key exchange: the agent does not decrypt.
    public func decrypt(channel: any Channel, data: ByteBuffer) -> EventLoopFuture<ByteBuffer> {
        channel.eventLoop.makeFailedFuture(AgentTLSError(.unsupported, "the agent does not decrypt", hint: "use TLS 1.3"))
    }
}
