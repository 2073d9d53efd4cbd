import Dispatch
import Glibc
import Synchronization

/// SIGINT and SIGTERM: the first cancels the work, so that challenges are taken down; the second ends the program at once.
///
/// Handlers, not ignored signals: a program started from here (a hook) must have the default behaviour again, and `exec` keeps what is
/// ignored.
enum Interruption {
    /// Signals so far, and the last one's number.
    private static let count = Atomic<Int>(0)
    private static let last = Atomic<Int32>(0)
    private static let pipe = Atomic<Int32>(-1)

    static func catchBrokenPipes() {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in }
        sigaction(SIGPIPE, &action, nil)
    }

    /// Runs `work`; a signal cancels it.
    /// - Throws: What the work throws, and `Failure` of code `interrupted` where a signal ended it.
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
            // Something else may have gone wrong just then; it is told, since it is not what the user did.
            guard error is CancellationError || Failure(error).code == "interrupted" else { throw error }
            throw Failure(
                "interrupted", isTermination ? .terminated : .interrupted, "interrupted", hint: "the same command goes on from here")
        }
    }

    /// Only async-signal-safe calls: atomics, write and _exit.
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
        Output.write("acme-agent: interrupted: taking down what was set up (once more ends at once)\n", to: STDERR_FILENO)
    }
}
