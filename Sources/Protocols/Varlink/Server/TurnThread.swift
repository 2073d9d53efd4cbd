import NIOCore
import NIOPosix
import Synchronization

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A separate thread for work that would block the event loop: one piece at a time, users in turn.
///
/// It runs at a low priority, so that it takes only the CPU time that the loop leaves.
public final class TurnThread: Sendable {
    /// What is added to the thread's nice value.
    private static let niceness: CInt = 10

    private struct Queues {
        var users: [UInt64: CircularBuffer<@Sendable () -> Void>] = [:]
        /// Users who have work, in the order of their turns.
        var ring = CircularBuffer<UInt64>()
    }

    private let queues = Mutex(Queues())
    private let pool = NIOThreadPool(numberOfThreads: 1)

    /// Starts the thread.
    public init() {
        pool.start()
        #if os(Linux)
            // For the calling thread alone, on Linux.
            pool.submit { _ in setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, TurnThread.niceness) }
        #endif
    }

    /// Runs `work`, then passes its result to `then` on the loop. Once the thread has been stopped, neither is called.
    /// - Parameters:
    ///   - user: The user whose turn it takes.
    ///   - eventLoop: Where `then` is called.
    ///   - work: Runs on the thread.
    ///   - then: Gets what `work` returned.
    public func run<Result: Sendable>(
        for user: UInt64, on eventLoop: any EventLoop, _ work: @escaping @Sendable () -> Result, then: @escaping (Result) -> Void
    ) {
        let completion = NIOLoopBound(then, eventLoop: eventLoop)
        enqueue(for: user) {
            let result = work()
            eventLoop.execute { completion.value(result) }
        }
        // Submit a token for each piece of work, not the work itself: the user is chosen only when it runs.
        pool.submit { [weak self] state in
            if case .active = state { self?.runNext() }
        }
    }

    private func enqueue(for user: UInt64, _ work: @escaping @Sendable () -> Void) {
        queues.withLock { queues in
            if queues.users[user] == nil { queues.ring.append(user) }
            queues.users[user, default: CircularBuffer()].append(work)
        }
    }

    private func runNext() {
        let next = queues.withLock { queues -> (@Sendable () -> Void)? in
            guard let user = queues.ring.popFirst(), let work = queues.users[user]?.popFirst() else { return nil }
            if queues.users[user]?.isEmpty == false { queues.ring.append(user) } else { queues.users[user] = nil }
            return work
        }
        next?()
    }

    /// Finishes the current piece of work and drops the others.
    public func stop() throws {
        queues.withLock { $0 = Queues() }
        try pool.syncShutdownGracefully()
    }
}
