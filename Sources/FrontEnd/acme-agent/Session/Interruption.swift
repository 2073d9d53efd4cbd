import Dispatch
import Glibc
import Synchronization

/// SIGINT and SIGTERM: the first ends the command, after the work that runs has removed what it had set up; the second
/// ends the program at once, unless it comes with the first.
///
/// Signals are handled, not ignored: `exec` keeps ignored signals, and a hook must start with the default behaviour.
enum Interruption {
    /// What the first signal does.
    private enum Reaction: Sendable {
        /// Ends the program: nothing is to be removed.
        case end
        /// Cancels the work that runs.
        case cancel(@Sendable () -> Void)
        /// Nothing: the work has ended, and its result is about to be printed.
        case none
    }

    /// The first signal; 0 before.
    private static let signal = Atomic<Int32>(0)
    private static let pipe = Atomic<Int32>(-1)
    /// When the first signal came, in nanoseconds of the monotonic clock; 0 before.
    private static let began = Atomic<UInt64>(0)
    /// In nanoseconds. What comes sooner after the first signal is the same wish: timeout(1), for example, sends its
    /// signal to the program and once more to its group.
    private static let pause: UInt64 = 200_000_000
    private static let reaction = Mutex(Reaction.end)

    static func catchBrokenPipes() {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in }
        sigaction(SIGPIPE, &action, nil)
    }

    /// Handles signals from now on.
    /// - Parameter end: Reports the failure and ends the program. Called on another thread, since the command may be
    ///   waiting for a call that nothing cancels, such as for a person's answer.
    static func begin(_ end: @escaping @Sendable (Failure) -> Void) {
        var ends: [Int32] = [-1, -1]
        guard Glibc.pipe(&ends) == 0 else { return }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        let source = DispatchSource.makeReadSource(fileDescriptor: ends[0])
        source.setEventHandler {
            source.cancel()
            switch reaction.withLock({ $0 }) {
            case .end: end(failure())
            case .cancel(let cancel): cancel()
            case .none: break
            }
        }
        source.resume()
        pipe.store(ends[1], ordering: .sequentiallyConsistent)
        install()
    }

    /// Runs `work`; a signal cancels it.
    /// - Throws: The errors of `work`, and a `Failure` with code `interrupted` if a signal ended it.
    static func cancelling<Result: Sendable>(
        notice: @escaping @Sendable () -> Void, _ work: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        let task = Task { try await work() }
        let outer = reaction.withLock { reaction in
            let outer = reaction
            reaction = .cancel {
                notice()
                task.cancel()
            }
            return outer
        }
        // It came between two such works, when there was nothing to cancel.
        if signal.load(ordering: .sequentiallyConsistent) != 0 { task.cancel() }
        defer {
            reaction.withLock { reaction in
                if case .cancel = outer { reaction = outer } else { reaction = .none }
            }
        }
        do {
            return try await task.value
        } catch {
            guard signal.load(ordering: .sequentiallyConsistent) != 0 else { throw error }
            // Something else may have failed at the same time; report it, since the user did not cause it.
            guard error is CancellationError || Failure(error).code == "interrupted" else { throw error }
            throw failure(hint: "run the same command again to resume")
        }
    }

    private static func failure(hint: String? = nil) -> Failure {
        let isTermination = signal.load(ordering: .sequentiallyConsistent) == SIGTERM
        return Failure("interrupted", isTermination ? .terminated : .interrupted, "interrupted", hint: hint)
    }

    /// The handler makes only async-signal-safe calls: atomics, clock_gettime, write and _exit.
    private static func install() {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { signal in
            let saved = errno
            var time = timespec()
            _ = clock_gettime(CLOCK_MONOTONIC, &time)
            let now = UInt64(truncatingIfNeeded: time.tv_sec) &* 1_000_000_000 &+ UInt64(truncatingIfNeeded: time.tv_nsec)
            let (isFirst, first) = Interruption.began.compareExchange(expected: 0, desired: now, ordering: .sequentiallyConsistent)
            if isFirst {
                Interruption.signal.store(signal, ordering: .sequentiallyConsistent)
                var byte: UInt8 = 1
                _ = write(Interruption.pipe.load(ordering: .sequentiallyConsistent), &byte, 1)
            } else if now &- first > Interruption.pause {
                _exit(128 &+ signal)
            }
            errno = saved
        }
        action.sa_flags = SA_RESTART
        sigaction(SIGINT, &action, nil)
        sigaction(SIGTERM, &action, nil)
    }
}

extension Interruption {
    /// Says what the first signal does.
    static func announce(_ display: ProgressDisplay) {
        display.finish(summary: false)
        Output.write("acme-agent: interrupted: removing what was set up (interrupt again to end at once)\n", to: STDERR_FILENO)
    }
}
