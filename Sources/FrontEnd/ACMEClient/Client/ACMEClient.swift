import ACME
import JOSE
import StrictJSON
import Synchronization

/// One account's conversation with one CA (RFC 8555): directory, nonces, signed requests and retries.
///
/// It sees only an `AccountSigner`, so it can have ACME requests signed and nothing else. Requests may run
/// concurrently. The directory is fetched once in a client's life.
public final class ACMEClient: Sendable {
    /// Directories, orders and problems take some KiB; the largest order has 1,000 names.
    static let documentLimit = 1 << 20

    /// The URL of the CA's directory.
    public let directoryURL: ACMEURL
    /// `nil`: the client can only read the directory.
    public let signer: (any AccountSigner)?
    let transport: any HTTPTransport
    let time: any Timekeeping
    let observer: (@Sendable (ACMEClientEvent) -> Void)?
    let nonces: NoncePool

    private struct State {
        var account: ACMEURL?
        var directory: Task<Directory, any Error>?
        var requests = 0
        var roundTrip: Duration?
    }
    private let state: Mutex<State>

    /// - Parameters:
    ///   - directory: the CA's directory URL.
    ///   - transport: sends the requests; the caller shuts it down.
    ///   - signer: composes and signs with the account key.
    ///   - account: the account's URL if it is known; `newAccount` and `findAccount` set it.
    ///   - time: clock and sleep.
    ///   - observer: receives the events; called from any thread.
    public init(
        directory: ACMEURL, transport: any HTTPTransport, signer: (any AccountSigner)? = nil, account: ACMEURL? = nil,
        time: any Timekeeping = SystemTime(), observer: (@Sendable (ACMEClientEvent) -> Void)? = nil
    ) {
        directoryURL = directory
        self.transport = transport
        self.signer = signer
        self.time = time
        self.observer = observer
        nonces = NoncePool()
        state = Mutex(State(account: account))
    }

    /// The same conversation (directory, nonces, connections) with another key.
    public func signing(by signer: any AccountSigner, account: ACMEURL? = nil) -> ACMEClient {
        ACMEClient(self, signer: signer, state: State(account: account, directory: state.withLock { $0.directory }))
    }

    private init(_ other: ACMEClient, signer: any AccountSigner, state: State) {
        directoryURL = other.directoryURL
        self.signer = signer
        transport = other.transport
        time = other.time
        observer = other.observer
        nonces = other.nonces
        self.state = Mutex(state)
    }

    /// The account's URL: the `kid` of its requests (RFC 8555 §6.2).
    public var account: ACMEURL? { state.withLock { $0.account } }

    func use(account: ACMEURL) { state.withLock { $0.account = account } }

    /// Requests sent so far.
    public var requestCount: Int { state.withLock { $0.requests } }

    /// The time from sending the last request to its response.
    public var lastRoundTrip: Duration? { state.withLock { $0.roundTrip } }

    /// Allows `count` concurrent requests, at the cost of a newNonce request for each that would have to wait for a
    /// nonce.
    public func allowParallelRequests(_ count: Int) { nonces.widen(to: count) }

    /// The CA's directory (RFC 8555 §7.1.1), fetched once. The first caller's task fetches; a failure is not
    /// remembered.
    /// - Throws: `ACMEClientError`.
    public func directory() async throws -> Directory {
        let task = state.withLock { state in
            if let task = state.directory { return task }
            let task = Task { try await self.fetchDirectory() }
            state.directory = task
            return task
        }
        do {
            return try await withTaskCancellationHandler {
                try await task.value
            } onCancel: {
                task.cancel()
            }
        } catch {
            state.withLock { $0.directory = nil }
            throw error
        }
    }

    /// Connects and fetches the directory and the first nonce, so that they are ready when the first request is signed.
    /// That request reports any failure.
    public func warmUp() {
        Task {
            guard let supply = try? await nonces.take() else { return }
            switch supply {
            case .nonce(let nonce): nonces.give(nonce)
            case .fetch: nonces.give(try? await newNonce())
            }
        }
    }

    private func fetchDirectory() async throws -> Directory {
        let response = try await retrying(HTTPRequest(.get, directoryURL, responseLimit: Self.documentLimit))
        do { return try document(response, url: directoryURL, as: Directory.self) } catch {
            throw ACMEClientError.notADirectory(directoryURL, reason: error.description)
        }
    }

    /// Sends a request without a signature: GET or HEAD, which change nothing and so may be repeated.
    func retrying(_ request: HTTPRequest) async throws -> HTTPResponse {
        var request = request
        var policy = RetryPolicy(now: time.uptime())
        while true {
            observer?(.asking(url: request.url))
            let action: RetryPolicy.Action
            let failure: ACMEClientError
            request.timeLimit = policy.timeLeft(time.uptime())
            do throws(TransportFailure) {
                let response = try await exchange(request)
                if (200..<300).contains(response.status) { return response }
                failure = self.failure(response, url: request.url)
                action = policy.after(
                    status: response.status, problem: failure.problem, retryAfter: retryAfter(response), isRepeatable: true,
                    now: time.uptime())
            } catch {
                let cause = try error.transportError()
                failure = .transport(cause)
                action = policy.after(cause, isRepeatable: true, now: time.uptime())
            }
            switch action {
            case .retryNow, .fail: throw failure
            case .wait(let duration, let reason): try await wait(duration, reason: reason)
            }
        }
    }

    /// Sends one request and counts it. The nonce in the response is the caller's to handle.
    func exchange(_ request: HTTPRequest) async throws(TransportFailure) -> HTTPResponse {
        state.withLock { $0.requests += 1 }
        let sent = time.uptime()
        do {
            let response = try await transport.send(request)
            let roundTrip = time.uptime() - sent
            state.withLock { $0.roundTrip = roundTrip }
            observer?(.exchanged(request.method, url: request.url, status: response.status))
            return response
        } catch {
            observer?(.exchanged(request.method, url: request.url, status: 0))
            throw TransportFailure(error)
        }
    }

    func wait(_ duration: Duration, reason: String) async throws {
        observer?(.waiting(duration, reason: reason))
        try await time.sleep(for: duration)
    }

    /// Seconds of Retry-After (RFC 9110 §10.2.3), not clamped.
    func retryAfter(_ response: HTTPResponse) -> Int64? {
        response.headers["Retry-After"].flatMap { RetryAfter.seconds($0, now: time.unixTime()) }
    }
}

/// The transport's own error, or one that ends the whole operation, such as a cancellation.
struct TransportFailure: Error {
    let underlying: any Error
    init(_ error: any Error) { underlying = error }

    func transportError() throws -> TransportError {
        guard let error = underlying as? TransportError else { throw underlying }
        return error
    }
}
