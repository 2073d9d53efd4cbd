import ACME
import AgentInterface
import JOSE
import NIOCore
import StrictJSON
import Synchronization
import Varlink

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A connection to the agent: lists keys and has requests signed. Many tasks may use it concurrently.
///
/// ```swift
/// let agent = try await AgentClient.connect()
/// for key in try await agent.keys() { print(key.name, key.fingerprint) }
/// ```
public final class AgentClient: Sendable {
    /// Where the agent listens unless it is configured otherwise.
    public static let defaultSocket = "/run/acme-agent/agent.sock"

    /// How long a client waits for the agent. Tests wait for a shorter time.
    struct Patience: Sendable {
        /// By default a signature takes the agent at most 10 seconds; making an RSA-4096 key takes longer.
        var signature: Duration = .seconds(150)
        /// The agent answers from memory within milliseconds. It answers the calls of a connection in order, so an
        /// answer may have to wait for a signature.
        var answer: Duration = .seconds(15)
        /// While the agent's queue of connections is full, connecting is tried again.
        var connection: Duration = .seconds(10)
        /// Delay after which `whenSlow` reports that the agent has not answered yet.
        var notice: Duration = .seconds(2)
    }

    private struct State {
        var connection: VarlinkConnection
        /// By this process, for good.
        var isClosed = false
    }

    private let patience: Patience
    private let state: Mutex<State>
    /// Connects as the first time; `nil` if a connection that the agent has closed is not replaced.
    private let connectAgain: (@Sendable () async throws -> VarlinkConnection)?
    private let whenSlow: (@Sendable () -> Void)?

    private init(
        _ connection: VarlinkConnection, _ patience: Patience, whenSlow: (@Sendable () -> Void)?,
        connectAgain: (@Sendable () async throws -> VarlinkConnection)?
    ) {
        self.state = Mutex(State(connection: connection))
        self.patience = patience
        self.whenSlow = whenSlow
        self.connectAgain = connectAgain
    }

    /// Connects, and checks who listens: root, this user, or the owner of the socket's folder if nobody else may write
    /// to it.
    /// - Parameters:
    ///   - socket: The socket's path.
    ///   - timeout: For connecting only.
    ///   - reconnects: Whether a call connects again first if the agent has closed the connection, as it does when it is
    ///     restarted. Nothing is sent twice: a call that was sent on a connection fails with it.
    ///   - whenSlow: Called when the connection or the answer to a call has not come after two seconds; not for
    ///     signatures.
    /// - Throws: `AgentConnectionError` with a hint.
    public static func connect(
        socket: String = AgentClient.defaultSocket, timeout: Duration = .seconds(10), reconnects: Bool = true,
        whenSlow: (@Sendable () -> Void)? = nil
    ) async throws -> AgentClient {
        var patience = Patience()
        patience.connection = timeout
        return try await connect(socket: socket, patience: patience, reconnects: reconnects, whenSlow: whenSlow)
    }

    static func connect(
        socket: String, patience: Patience, reconnects: Bool = true, whenSlow: (@Sendable () -> Void)? = nil
    ) async throws -> AgentClient {
        guard let address = VarlinkAddress(path: socket) else {
            throw AgentConnectionError(socket: socket, "is not a valid socket path", hint: "it must be shorter than 108 bytes")
        }
        let connect: @Sendable () async throws -> VarlinkConnection = {
            let trusted = SocketOwner.trusted(socket)
            do {
                return try await VarlinkConnection.connect(to: address, timeout: patience.connection) { server, _ in
                    guard trusted.contains(server.uid) else { throw UntrustedServer(uid: server.uid) }
                }
            } catch {
                throw AgentConnectionError(socket: socket, cause: error)
            }
        }
        let connection = try await noticing(whenSlow, after: patience.notice) { try await connect() }
        return AgentClient(connection, patience, whenSlow: whenSlow, connectAgain: reconnects ? connect : nil)
    }

    /// Uses a connection that was made as another user, whom the agent then takes this process for. Checks who listens,
    /// as that user would.
    /// - Parameters:
    ///   - descriptor: A connected socket; it is closed with the connection.
    ///   - socket: The path it was connected to, from this process's root.
    ///   - user: Who connected it.
    /// - Throws: `AgentConnectionError` with a hint.
    public static func connect(over descriptor: CInt, socket: String, as user: UInt32) async throws -> AgentClient {
        let trusted = SocketOwner.trusted(socket, by: user)
        do {
            let connection = try await VarlinkConnection.connect(over: descriptor) { server, _ in
                guard trusted.contains(server.uid) else { throw UntrustedServer(uid: server.uid) }
            }
            return AgentClient(connection, Patience(), whenSlow: nil, connectAgain: nil)
        } catch {
            throw AgentConnectionError(socket: socket, cause: error)
        }
    }

    /// What the agent is, which user it takes this process for, and what that user may do.
    /// - Throws: `VarlinkConnectionError.timedOut` if the agent does not answer within 15 seconds, as do `keys`, `key`,
    ///   `retireKey`, and `audit` without `follow`.
    public func status() async throws -> AgentStatus {
        try AgentStatus(reply: await call(.getStatus, timeout: patience.answer))
    }

    /// The keys that the agent's policy grants to this user.
    public func keys() async throws -> [KeyDescription] {
        try await parts(of: .listKeys) { reply in
            try reply.array("keys").map { try KeyDescription(reply: $0.object()) }
        }.flatMap(\.self)
    }

    /// Who may do what: this user's grants, or, for root, the agent's own user and users who may read the audit trail,
    /// everybody's.
    public func grants() async throws -> GrantListing {
        let parts = try await parts(of: .listGrants) { try GrantListing(reply: $0) }
        guard let first = parts.first else { throw AgentReplyError("no list of grants") }
        return GrantListing(isComplete: first.isComplete, file: first.file, grants: parts.flatMap(\.grants))
    }

    /// What the agent's policy would decide about a request, and why. Nothing is signed, counted or recorded.
    /// - Throws: `AgentError.refused` if the question is about somebody else and this user may not know all grants.
    public func explain(_ question: DecisionQuestion) async throws -> DecisionExplanation {
        try DecisionExplanation(reply: await call(.explainDecision(question), timeout: patience.answer))
    }

    /// The replies of a call that is answered in parts.
    private func parts<Part: Sendable>(
        of call: AgentCall, _ read: @escaping @Sendable (JSONObject) throws -> Part
    ) async throws -> [Part] {
        let progress = AnswerProgress()
        do {
            return try await AgentClient.noticing(whenSlow, after: patience.notice) {
                try await withThrowingTaskGroup(of: [Part].self) { group in
                    group.addTask { [self] in
                        var parts: [Part] = []
                        for try await reply in try await open().callMore(name(call)) {
                            progress.advance()
                            parts.append(try read(reply.parameters))
                        }
                        return parts
                    }
                    group.addTask { [patience] in
                        try await progress.stall(for: patience.answer)
                        throw VarlinkConnectionError.timedOut
                    }
                    defer { group.cancelAll() }
                    return try await group.next() ?? []
                }
            }
        } catch { throw AgentClient.agentError(error) }
    }

    /// The key of that name.
    /// - Throws: `AgentError.keyNotFound` if this user has no key of that name.
    public func key(named name: KeyName) async throws -> KeyDescription {
        try await key(.describeKey(name: name), timeout: patience.answer)
    }

    /// Makes a key in the token.
    /// - Parameters:
    ///   - name: The name under which the agent knows it.
    ///   - usage: What it signs: ACME requests, or certificate requests and handshakes.
    ///   - algorithm: One that the token has.
    ///   - directory: For an account key: the ACME directory to which it is bound permanently.
    ///   - token: The configured token's name; `nil` means the agent's first.
    /// - Throws: `AgentError.keyExists`, `.refused`, `.tokenUnavailable`, …
    public func createKey(
        named name: KeyName, usage: KeyUsage, algorithm: KeyAlgorithm, directory: ACMEURL? = nil, token: String? = nil
    ) async throws -> KeyDescription {
        try await key(
            .createKey(KeyCreation(name: name, usage: usage, algorithm: algorithm, uri: nil, directory: directory, token: token)))
    }

    /// Adopts a key that is already in the token (RFC 7512 URI).
    /// - Parameters:
    ///   - name: The name under which the agent knows it from now on.
    ///   - uri: Must match exactly one private key.
    ///   - usage: What it signs: ACME requests, or certificate requests and handshakes.
    ///   - directory: For an account key: the ACME directory to which it is bound permanently.
    ///   - token: The configured token's name; `nil` means the agent's first.
    ///   - acceptWeak: Also adopt a key that is or was extractable or readable, or may do more than sign.
    public func adoptKey(
        named name: KeyName, uri: String, usage: KeyUsage, directory: ACMEURL? = nil, token: String? = nil, acceptWeak: Bool = false
    ) async throws -> KeyDescription {
        try await key(
            .adoptKey(
                KeyCreation(
                    name: name, usage: usage, algorithm: nil, uri: uri, directory: directory, token: token, acceptWeak: acceptWeak)))
    }

    /// A retired key signs nothing but the revocation of its certificate.
    public func retireKey(named name: KeyName) async throws -> KeyDescription {
        try await key(.retireKey(name: name), timeout: patience.answer)
    }

    /// Destroys the key in the token.
    public func deleteKey(named name: KeyName) async throws { _ = try await call(.deleteKey(name: name)) }

    /// Has an ACME request signed.
    public func sign(_ call: SigningCall) async throws -> SignedReply {
        try SignedReply(reply: await answer(to: .sign(call), within: patience.signature))
    }

    /// A PKCS#10 request for the identifiers, DER, signed by the certificate key.
    public func certificateRequest(key: KeyName, identifiers: [Identifier], mustStaple: Bool = false) async throws -> [UInt8] {
        try await bytes("csr", .signCertificateRequest(CertificateRequest(key: key, identifiers: identifiers, mustStaple: mustStaple)))
    }

    /// Signs a TLS 1.3 server CertificateVerify (RFC 8446 §4.4.3).
    /// - Parameters:
    ///   - key: A certificate key.
    ///   - content: Exactly what that section describes, 130 or 146 bytes.
    ///   - scheme: A SignatureScheme's name (§4.2.3), e.g. `ecdsa_secp256r1_sha256`.
    public func handshake(key: KeyName, content: [UInt8], scheme: String) async throws -> [UInt8] {
        try await signature(.serverCertificateVerify, key: key, content: content, scheme: scheme)
    }

    /// Signs a TLS 1.3 client CertificateVerify (RFC 8446 §4.4.3). Its content does not name the server.
    /// - Parameters:
    ///   - key: A certificate key.
    ///   - content: Exactly what that section describes, 130 or 146 bytes.
    ///   - scheme: A SignatureScheme's name (§4.2.3), e.g. `ecdsa_secp256r1_sha256`.
    public func clientHandshake(key: KeyName, content: [UInt8], scheme: String) async throws -> [UInt8] {
        try await signature(.clientCertificateVerify, key: key, content: content, scheme: scheme)
    }

    /// Signs a TLS 1.2 ServerKeyExchange (RFC 8422 §5.4) with an ECDSA or RSA key.
    /// - Parameters:
    ///   - key: A certificate key.
    ///   - content: The client's and the server's random and the parameters of X25519, secp256r1 or secp384r1: 100, 133
    ///     or 165 bytes.
    ///   - scheme: A SignatureScheme's name (RFC 8446 §4.2.3), e.g. `rsa_pkcs1_sha256`. For ECDSA it gives the hash only.
    public func serverKeyExchange(key: KeyName, content: [UInt8], scheme: String) async throws -> [UInt8] {
        try await signature(.serverKeyExchange, key: key, content: content, scheme: scheme)
    }

    /// Signs any of the three.
    /// - Parameters:
    ///   - message: Which of them.
    ///   - key: A certificate key.
    ///   - content: Exactly what the message's RFC describes.
    ///   - scheme: A SignatureScheme's name (RFC 8446 §4.2.3).
    ///   - timeout: `nil` waits as long as for other signatures, 150 seconds.
    /// - Throws: `VarlinkConnectionError.timedOut` after that time.
    public func signature(
        _ message: HandshakeMessage, key: KeyName, content: [UInt8], scheme: String, timeout: Duration? = nil
    ) async throws -> [UInt8] {
        try await bytes("signature", .signHandshake(message, key: key, content: content, scheme: scheme), timeout: timeout)
    }

    /// The last records of the audit trail, each a line of JSON. With `follow`, new records come as they are written.
    public func audit(last: Int, follow: Bool) -> AuditLines { AuditLines(client: self, last: last, follows: follow) }

    /// In one reply.
    func lastRecords(_ count: Int) async throws -> [String] {
        try await call(.readAudit(last: count), timeout: patience.answer).strings("records")
    }

    /// In several replies, and new ones as they are written.
    func followedRecords(_ count: Int) async throws -> VarlinkReplies {
        let call = AgentCall.readAudit(last: count)
        return try await open().callMore(name(call), parameters: AgentClient.parameters(call))
    }

    /// What the agent counts and measures, in Prometheus's text format, version 0.0.4.
    public func metrics() async throws -> String { try await call(.readMetrics, timeout: patience.answer).string("text") }

    /// An account signer for the ACME client that uses the agent's `key`.
    public func signer(for key: KeyDescription) -> AgentAccountSigner { AgentAccountSigner(client: self, key: key) }

    /// Whether calls can still be made: the agent has not closed the connection.
    public var isOpen: Bool { state.withLock { $0.connection.isOpen } }

    /// Closes the connection for good; pending calls fail.
    public func close() async {
        let connection = state.withLock { state in
            state.isClosed = true
            return state.connection
        }
        await connection.close()
    }

    // MARK: Calling

    /// The connection, made anew if the agent has closed it. Before anything is sent this is safe.
    private func open() async throws -> VarlinkConnection {
        let current: VarlinkConnection? = state.withLock { $0.isClosed || $0.connection.isOpen ? $0.connection : nil }
        if let current { return current }
        guard let connectAgain else { throw VarlinkConnectionError.closed }
        let made = try await connectAgain()
        // Another task may have been faster, or have closed the client.
        let used = state.withLock { state in
            if !state.isClosed, !state.connection.isOpen { state.connection = made }
            return state.connection
        }
        return used
    }

    private func key(_ call: AgentCall, timeout: Duration? = nil) async throws -> KeyDescription {
        let reply = try await self.call(call, timeout: timeout)
        do { return try KeyDescription(reply: reply.object("key")) } catch let error as JSONError {
            throw AgentReplyError("no key: \(error)")
        }
    }

    private func bytes(_ member: String, _ call: AgentCall, timeout: Duration? = nil) async throws -> [UInt8] {
        let reply = try await answer(to: call, within: timeout ?? patience.signature)
        guard let text = try? reply.string(member), let bytes = Base64URL.decode(text) else { throw AgentReplyError("no \(member)") }
        return bytes
    }

    private func name(_ call: AgentCall) -> String { AgentInterfaceText.name + "." + call.method }

    private static func parameters(_ call: AgentCall) -> [UInt8] {
        var json = JSONWriter(reservingCapacity: 512)
        call.writeParameters(to: &json)
        return json.bytes
    }

    private func call(_ call: AgentCall, timeout: Duration? = nil) async throws -> JSONObject {
        try await AgentClient.noticing(whenSlow, after: patience.notice) {
            try await answer(to: call, within: timeout ?? patience.signature)
        }
    }

    private func answer(to call: AgentCall, within timeout: Duration) async throws -> JSONObject {
        do {
            return try await open().call(name(call), parameters: AgentClient.parameters(call), timeout: timeout).parameters
        } catch { throw AgentClient.agentError(error) }
    }

    /// Runs `body`, and calls `whenSlow` once if it takes long: never after it has ended.
    static func noticing<Result: Sendable>(
        _ whenSlow: (@Sendable () -> Void)?, after delay: Duration, _ body: () async throws -> Result
    ) async throws -> Result {
        guard let whenSlow else { return try await body() }
        // A cancellation comes too late for a task that has just woken.
        let running = Running()
        let notice = Task {
            try await Task.sleep(for: delay)
            running.now(whenSlow)
        }
        defer {
            notice.cancel()
            running.end()
        }
        return try await body()
    }

    /// Whether something still runs.
    private final class Running: Sendable {
        private let isRunning = Mutex(true)

        /// Calls `body` unless it has ended; `end` waits for that.
        func now(_ body: () -> Void) { isRunning.withLock { if $0 { body() } } }
        func end() { isRunning.withLock { $0 = false } }
    }

    /// The agent's own errors as `AgentError`; others as they are.
    static func agentError(_ error: any Error) -> any Error {
        guard let error = error as? VarlinkError else { return error }
        return AgentError(name: error.name, parameters: error.parameters) ?? error
    }
}
