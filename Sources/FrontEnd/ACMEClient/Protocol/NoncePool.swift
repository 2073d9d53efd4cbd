import ACME
import Synchronization

/// Unused nonces of the CA (RFC 8555 §6.5).
///
/// Every response brings one, so a client that sends one request at a time needs newNonce only once. If none is left
/// while `width` requests are under way, a request waits for the nonce of another one's response; with fewer under way,
/// it fetches one.
final class NoncePool: Sendable {
    /// CAs forget nonces after minutes to hours; keeping more than there are concurrent requests is useless.
    static let capacity = 16

    enum Supply: Sendable, Equatable {
        case nonce(String)
        /// Fetch one with newNonce.
        case fetch
    }

    private struct State {
        var stock: [String] = []
        /// Nonces of requests under way; each response brings one back.
        var inUse = 0
        var width = 1
        var nextWaiter = 0
        var waiters: [(id: Int, continuation: CheckedContinuation<Supply, any Error>)] = []
    }
    private let state = Mutex(State())

    /// Allows `width` concurrent requests.
    func widen(to width: Int) { state.withLock { $0.width = max(1, min(width, Self.capacity)) } }

    /// Takes a nonce, or the right to fetch one; `give` must follow, whatever the outcome of the request.
    /// - Throws: `CancellationError`.
    func take() async throws -> Supply {
        let id = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let supply: Result<Supply, any Error>? = state.withLock { state in
                    // Cancellation is set before the handler below runs, so one of the two sees the waiter.
                    if Task.isCancelled { return .failure(CancellationError()) }
                    // The freshest first: the CA keeps it longest.
                    if let nonce = state.stock.popLast() {
                        state.inUse += 1
                        return .success(.nonce(nonce))
                    }
                    if state.inUse < state.width {
                        state.inUse += 1
                        return .success(.fetch)
                    }
                    state.waiters.append((id, continuation))
                    return nil
                }
                if let supply { continuation.resume(with: supply) }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                state.waiters.firstIndex { $0.id == id }.map { state.waiters.remove(at: $0).continuation }
            }
            waiter?.resume(throwing: CancellationError())
        }
    }

    /// Ends a use: the response's nonce goes to the next waiter, or into the stock.
    func give(_ nonce: String?) {
        let waiter: (CheckedContinuation<Supply, any Error>, Supply)? = state.withLock { state in
            state.inUse = max(0, state.inUse - 1)
            if !state.waiters.isEmpty {
                state.inUse += 1
                return (state.waiters.removeFirst().continuation, nonce.map { .nonce($0) } ?? .fetch)
            }
            if let nonce {
                if state.stock.count == Self.capacity { state.stock.removeFirst() }
                state.stock.append(nonce)
            }
            return nil
        }
        if let (continuation, supply) = waiter { continuation.resume(returning: supply) }
    }
}
