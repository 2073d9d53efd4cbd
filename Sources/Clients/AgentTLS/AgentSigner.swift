import ACME
import AgentClient
import JOSE
import Synchronization

/// Has handshakes signed by the agent, for any number of keys and servers of this process. They share a few
/// connections, which are opened when they are needed and again after a restart of the agent. Nothing here blocks.
public final class AgentSigner: Sendable {
    /// The signer of the process, with the defaults.
    public static let shared = AgentSigner()

    /// The agent's socket for key files that do not name one.
    public let socket: String
    /// How long a signature may take, connecting included. While the agent is being restarted, handshakes wait for it.
    public let deadline: Duration
    let onFailure: @Sendable (AgentTLSError) -> Void
    private let agents = Mutex<[String: AgentConnections]>([:])

    /// - Parameters:
    ///   - socket: The agent's socket for key files that do not name one.
    ///   - deadline: How long a signature may take, connecting included.
    ///   - onFailure: Gets the reason of each handshake that was not signed, and of each certificate that was not taken
    ///     into use, for the server's log. Called on any thread.
    public init(
        socket: String = AgentClient.defaultSocket, deadline: Duration = .seconds(3),
        onFailure: @escaping @Sendable (AgentTLSError) -> Void = { _ in }
    ) {
        self.socket = socket
        self.deadline = deadline
        self.onFailure = onFailure
    }

    /// The signature of a handshake's content, in the form of TLS.
    /// - Throws: `AgentTLSError`, within the deadline. `onFailure` has got it.
    func signature(_ key: AgentPrivateKey, content: [UInt8], scheme: String) async throws(AgentTLSError) -> [UInt8] {
        do {
            guard content.count <= HandshakeKind.contentMaximum else {
                throw AgentTLSError(.unsupported, "a content of \(content.count) bytes is no handshake")
            }
            let agent = agents.withLock { agents in
                if let agent = agents[key.socket] { return agent }
                let agent = AgentConnections(socket: key.socket, deadline: deadline)
                agents[key.socket] = agent
                return agent
            }
            let message = HandshakeKind.message(of: content)
            let signature = try await agent.signature(message, key: key.name, content: content, scheme: scheme)
            guard AgentSigner.isSignature(signature, of: key.half) else {
                throw AgentTLSError(
                    .malformed, "the agent's signature has the wrong form for a key of its kind", hint: AgentTLSError.seeLog)
            }
            return signature
        } catch {
            var failure = AgentTLSError(error, socket: key.socket)
            failure.message = "key \"\(key.name)\": \(failure.message)"
            onFailure(failure)
            throw failure
        }
    }

    /// Whether the bytes have the form of the key's signatures. Only the peer knows whether they are right.
    private static func isSignature(_ bytes: [UInt8], of key: PublicKey) -> Bool {
        switch key {
        case .ec(let curve, _, _): ECDSASignature.raw(der: bytes, size: curve.coordinateSize) != nil
        case .rsa(let modulus, _): bytes.count == modulus.count
        case .ed25519: bytes.count == 64
        }
    }
}
