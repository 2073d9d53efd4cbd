import Dispatch
import Glibc
import Synchronization

/// SIGINT and SIGTERM: the first cancels the work, so that challenges are cleaned up; the second ends the program at
/// once.
///
/// Signals are handled, not ignored: `exec` keeps ignored signals, and a hook must start with the default behaviour.
enum Interruption {
    /// The number of signals so far, and the last signal.
    private static let count = Atomic<Int>(0)
    private static let last = Atomic<Int32>(0)
    private static let pipe = Atomic<Int32>(-1)

    static func catchBrokenPipes() {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in }
        sigaction(SIGPIPE, &action, nil)
    }

    /// Runs `work`; a signal cancels it.
    /// - Throws: The errors of `work`, and a `Failure` with code `interrupted` if a signal ended it.
    static func cancelling<Result: Sendable>(
        notice: @escaping @Sendable () -> Void, _ work: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        let task = Task { try await work() }
        var ends: [Int32] = [-1, -1]
        guard Glibc.pipe(&ends) == 0 else { return try await task.value }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = fcntl(end, F_SETFL, O_NONBLOCK)
        }
        let source = DispatchSource.makeReadSource(fileDescriptor: ends[0])
        source.setEventHandler {
            source.cancel()
            notice()
            task.cancel()
        }
        source.resume()
        pipe.store(ends[1], ordering: .sequentiallyConsistent)
        install()
        defer { source.cancel() }
        do {
            return try await task.value
        } catch {
            guard count.load(ordering: .sequentiallyConsistent) > 0 else { throw error }
            let isTermination = last.load(ordering: .sequentiallyConsistent) == SIGTERM
            // Something else may have failed at the same time; report it, since the user did not cause it.
            guard error is CancellationError || Failure(error).code == "interrupted" else { throw error }
            throw Failure(
                "interrupted", isTermination ? .terminated : .interrupted, "interrupted", hint: "run the same command again to resume")
        }
    }

    /// The handler makes only async-signal-safe calls: atomics, write and _exit.
    private static func install() {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { signal in
            let saved = errno
            Interruption.last.store(signal, ordering: .sequentiallyConsistent)
            if Interruption.count.add(1, ordering: .sequentiallyConsistent).newValue > 1 { _exit(128 &+ signal) }
            var byte: UInt8 = 1
            _ = write(Interruption.pipe.load(ordering: .sequentiallyConsistent), &byte, 1)
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
