import ACME
import Synchronization

/// Nonces of the CA that were not used yet (RFC 8555 §6.5).
///
/// Every response brings one, so a client that asks one thing after another needs a single newNonce in its life. Where many requests
/// want to go at once and none is left, a request waits for the nonce that another one's response will bring, instead of paying for
/// one with a request; `width` says how many nonces may be in use before that.
final class NoncePool: Sendable {
    /// CAs forget nonces (minutes to hours, RFC 8555 §6.5); more in stock than requests at once is waste.
    static let capacity = 16

    enum Supply: Sendable, Equatable {
        case nonce(String)
        /// Ask newNonce for one.
        case fetch
    }

    private struct State {
        var stock: [String] = []
        /// Nonces that are with a request and come back with its response.
        var inUse = 0
        var width = 1
        var nextWaiter = 0
        var waiters: [(id: Int, continuation: CheckedContinuation<Supply, any Error>)] = []
    }
    private let state = Mutex(State())

    /// Lets that many requests be on their way at once.
    func widen(to width: Int) { state.withLock { $0.width = max(1, min(width, Self.capacity)) } }

    /// Takes a nonce, or the right to fetch one; `give` must follow, whatever becomes of the request.
    /// - Throws: `CancellationError`.
    func take() async throws -> Supply {
        let id = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let supply: Result<Supply, any Error>? = state.withLock { state in
                    // Set before the handler below runs, so one of the two sees the waiter.
                    if Task.isCancelled { return .failure(CancellationError()) }
                    // The freshest first: it lives longest at the CA.
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

    /// Ends a use: the nonce that the response brought goes to who waits, or into the stock.
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
