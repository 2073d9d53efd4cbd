import ACME
import AgentInterface
import JOSE
import NIOCore
import StrictJSON
import Varlink

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A connection to the agent: lists keys, has requests signed. Any task may use it, and many at a time.
///
/// ```swift
/// let agent = try await AgentClient.connect()
/// for key in try await agent.keys() { print(key.name, key.fingerprint) }
/// ```
public final class AgentClient: Sendable {
    public static let defaultSocket = "/run/acme-agent/agent.sock"

    /// A signature takes the agent 10 seconds at the very most by default, the making of an RSA-4096 key some more.
    private static let timeout: Duration = .seconds(150)

    private let connection: VarlinkConnection

    private init(_ connection: VarlinkConnection) { self.connection = connection }

    /// Connects, and looks who listens: root, this user, or the owner of the socket's folder if nobody else may write that.
    /// - Throws: `AgentConnectionError` with a hint.
    public static func connect(socket: String = AgentClient.defaultSocket) async throws -> AgentClient {
        guard let address = VarlinkAddress(path: socket) else {
            throw AgentConnectionError(socket: socket, "is not a path that a socket may have", hint: "it must be under 108 bytes")
        }
        let trusted = SocketOwner.trusted(socket)
        do {
            return AgentClient(
                try await VarlinkConnection.connect(to: address) { server, _ in
                    guard trusted.contains(server.uid) else { throw UntrustedServer(uid: server.uid) }
                })
        } catch {
            throw AgentConnectionError(socket: socket, cause: error)
        }
    }

    /// What the agent is, for whom it takes this process, and what that user may do.
    public func status() async throws -> AgentStatus { try AgentStatus(reply: await call(.getStatus)) }

    /// The keys that the agent's policy gives to this user.
    public func keys() async throws -> [KeyDescription] {
        var keys: [KeyDescription] = []
        do {
            for try await reply in try connection.callMore(name(.listKeys)) {
                for key in try reply.parameters.array("keys") { keys.append(try KeyDescription(reply: key.object())) }
            }
        } catch { throw AgentClient.agentError(error) }
        return keys
    }

    /// - Throws: `AgentError.keyNotFound` if there is none of that name for this user.
    public func key(named name: KeyName) async throws -> KeyDescription { try await key(.describeKey(name: name)) }

    /// Makes a key in the token.
    /// - Parameters:
    ///   - directory: For an account key: the ACME directory to which it is bound for good.
    ///   - token: The configured token's name; `nil` is the agent's first.
    /// - Throws: `AgentError.keyExists`, `.refused`, `.tokenUnavailable`, …
    public func createKey(
        named name: KeyName, usage: KeyUsage, algorithm: KeyAlgorithm, directory: ACMEURL? = nil, token: String? = nil
    ) async throws -> KeyDescription {
        try await key(
            .createKey(KeyCreation(name: name, usage: usage, algorithm: algorithm, uri: nil, directory: directory, token: token)))
    }

    /// Takes over a key that is in the token already (RFC 7512 URI).
    /// - Parameter acceptWeak: Also one that can be taken out of the token, or do more than sign.
    public func adoptKey(
        named name: KeyName, uri: String, usage: KeyUsage, directory: ACMEURL? = nil, token: String? = nil, acceptWeak: Bool = false
    ) async throws -> KeyDescription {
        try await key(
            .adoptKey(
                KeyCreation(
                    name: name, usage: usage, algorithm: nil, uri: uri, directory: directory, token: token, acceptWeak: acceptWeak)))
    }

    /// A retired key signs nothing any more but its certificate's revocation.
    public func retireKey(named name: KeyName) async throws -> KeyDescription { try await key(.retireKey(name: name)) }

    /// Destroys the key in the token.
    public func deleteKey(named name: KeyName) async throws { _ = try await call(.deleteKey(name: name)) }

    /// Has an ACME request signed.
    public func sign(_ call: SigningCall) async throws -> SignedReply { try SignedReply(reply: await self.call(.sign(call))) }

    /// A PKCS#10 request for the identifiers, DER, signed by the certificate key.
    public func certificateRequest(key: KeyName, identifiers: [Identifier], mustStaple: Bool = false) async throws -> [UInt8] {
        try await bytes("csr", .signCertificateRequest(CertificateRequest(key: key, identifiers: identifiers, mustStaple: mustStaple)))
    }

    /// Signs a TLS 1.3 server CertificateVerify (RFC 8446 §4.4.3).
    /// - Parameters:
    ///   - content: Exactly what that section describes, 130 or 146 bytes.
    ///   - scheme: A SignatureScheme's name (§4.2.3), e.g. `ecdsa_secp256r1_sha256`.
    public func handshake(key: KeyName, content: [UInt8], scheme: String) async throws -> [UInt8] {
        try await bytes("signature", .signHandshake(key: key, content: content, scheme: scheme))
    }

    /// The last records of the audit trail, each a line of JSON; with `follow` new ones come as they are written.
    public func audit(last: Int, follow: Bool) throws -> AsyncThrowingStream<String, any Error> {
        let call = AgentCall.readAudit(last: last)
        let replies = follow ? try connection.callMore(name(call), parameters: AgentClient.parameters(call)) : nil
        return AsyncThrowingStream { continuation in
            let task = Task {
                do {
                    if let replies {
                        for try await reply in replies {
                            for line in try reply.parameters.strings("records") { continuation.yield(line) }
                        }
                    } else {
                        for line in try await self.call(call).strings("records") { continuation.yield(line) }
                    }
                    continuation.finish()
                } catch {
                    continuation.finish(throwing: AgentClient.agentError(error))
                }
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }

    /// An account signer for the ACME client, by an account key of the agent.
    public func signer(for key: KeyDescription) -> AgentAccountSigner { AgentAccountSigner(client: self, key: key) }

    /// Ends the connection; calls that still wait fail.
    public func close() async { await connection.close() }

    // MARK: Calling

    private func key(_ call: AgentCall) async throws -> KeyDescription {
        let reply = try await self.call(call)
        do { return try KeyDescription(reply: reply.object("key")) } catch let error as JSONError {
            throw AgentReplyError("no key: \(error)")
        }
    }

    private func bytes(_ member: String, _ call: AgentCall) async throws -> [UInt8] {
        let reply = try await self.call(call)
        guard let text = try? reply.string(member), let bytes = Base64URL.decode(text) else { throw AgentReplyError("no \(member)") }
        return bytes
    }

    private func name(_ call: AgentCall) -> String { AgentInterfaceText.name + "." + call.method }

    private static func parameters(_ call: AgentCall) -> [UInt8] {
        var json = JSONWriter(reservingCapacity: 512)
        call.writeParameters(to: &json)
        return json.bytes
    }

    private func call(_ call: AgentCall) async throws -> JSONObject {
        do {
            return try await connection.call(name(call), parameters: AgentClient.parameters(call), timeout: AgentClient.timeout).parameters
        } catch { throw AgentClient.agentError(error) }
    }

    /// The agent's own errors as `AgentError`; others as they are.
    private static func agentError(_ error: any Error) -> any Error {
        guard let error = error as? VarlinkError else { return error }
        return AgentError(name: error.name, parameters: error.parameters) ?? error
    }
}
