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

/// A thread beside the event loop for work that would hold it: one piece at a time, its users in turn.
///
/// It runs at a low priority, so that it takes what the loop leaves of the processor.
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

    public init() {
        pool.start()
        #if os(Linux)
            // For the calling thread alone, on Linux.
            pool.submit { _ in setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, TurnThread.niceness) }
        #endif
    }

    /// Has `work` done, and hands its result to `then` on the loop. When the thread has been stopped neither is called.
    /// - Parameter user: Whose turn it takes.
    public func run<Result: Sendable>(
        for user: UInt64, on eventLoop: any EventLoop, _ work: @escaping @Sendable () -> Result, then: @escaping (Result) -> Void
    ) {
        let completion = NIOLoopBound(then, eventLoop: eventLoop)
        enqueue(for: user) {
            let result = work()
            eventLoop.execute { completion.value(result) }
        }
        // One token for each piece of work, and not the piece itself: whose it is is decided when its time has come.
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

    /// Ends the piece of work at hand and forgets the others.
    public func stop() throws {
        queues.withLock { $0 = Queues() }
        try pool.syncShutdownGracefully()
    }
}
