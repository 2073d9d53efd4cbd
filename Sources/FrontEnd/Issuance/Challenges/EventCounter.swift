import Synchronization

/// Counts events and lets tasks wait for the next one, for a bounded time.
final class EventCounter: Sendable {
    private struct State {
        var count = 0
        var nextWaiter = 0
        var waiters: [Int: CheckedContinuation<Void, Never>] = [:]
        /// Waits that ended before they began.
        var expired: Set<Int> = []
    }
    private let state = Mutex(State())

    var count: Int { state.withLock { $0.count } }

    func increment() {
        let waiting = state.withLock { state in
            state.count += 1
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Returns when there were more than `seen` events, when `limit` has passed, or when the task is cancelled.
    /// - Returns: the number of events so far.
    func wait(past seen: Int, limit: Duration) async -> Int {
        let id = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        let timer = Task {
            try? await Task.sleep(for: limit)
            self.expire(id)
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isOver = state.withLock { state in
                    if state.count > seen || state.expired.remove(id) != nil { return true }
                    state.waiters[id] = continuation
                    return false
                }
                if isOver { continuation.resume() }
            }
        } onCancel: {
            expire(id)
        }
        timer.cancel()
        await timer.value
        return state.withLock { state in
            state.expired.remove(id)
            return state.count
        }
    }

    private func expire(_ id: Int) {
        let continuation = state.withLock { state in
            let waiter = state.waiters.removeValue(forKey: id)
            if waiter == nil { state.expired.insert(id) }
            return waiter
        }
        continuation?.resume()
    }
}
