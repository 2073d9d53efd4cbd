import CLinux
import Glibc

/// A started child process with its output. Wait for it on a thread that may block.
struct ChildProcess: ~Copyable {
    enum End: Equatable { case exited(Int32), signalled(Int32), timedOut, cancelled }

    /// Milliseconds to wait for output: a program that passes its output to a daemon keeps the pipe open after its end.
    private static let tick: Int32 = 20

    /// What is read, and whether it is kept as standard output too.
    private struct Stream {
        var pipe: Int32
        var isStandardOutput: Bool
    }

    private let pid: pid_t
    private let pipes: [Int32]
    /// Those that have not ended.
    private var streams: [Stream]
    private let outputLimit: Int
    /// The last bytes of standard output and standard error.
    private(set) var output: [UInt8] = []
    /// The last bytes of standard output, if it was to be kept apart.
    private(set) var standardOutput: [UInt8] = []

    /// - Parameter keepingApart: whether standard output is kept without standard error as well; their order in `output`
    ///   is not exact then.
    /// - Throws: `ExternalProgramError`.
    init(
        path: String, arguments: [String], environment: ProgramEnvironment, input: [UInt8], outputLimit: Int, keepingApart: Bool = false
    ) throws {
        var ends: [Int32] = [-1, -1]
        guard clinux_pipe(&ends) == 0 else { throw ExternalProgramError(path, .notStarted(errno: errno)) }
        defer { close(ends[1]) }
        var outputEnds: [Int32] = [-1, -1]
        guard !keepingApart || clinux_pipe(&outputEnds) == 0 else {
            let number = errno
            close(ends[0])
            throw ExternalProgramError(path, .notStarted(errno: number))
        }
        defer { if keepingApart { close(outputEnds[1]) } }
        let pipes = keepingApart ? [ends[0], outputEnds[0]] : [ends[0]]
        // In memory, so that a program that does not read it blocks nothing.
        let stdin = clinux_memory_file("stdin")
        defer { if stdin >= 0 { close(stdin) } }
        guard stdin >= 0, input.isEmpty || Glibc.write(stdin, input, input.count) == input.count, lseek(stdin, 0, SEEK_SET) == 0 else {
            let number = errno
            for pipe in pipes { close(pipe) }
            throw ExternalProgramError(path, .notStarted(errno: number))
        }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, stdin, 0)
        posix_spawn_file_actions_adddup2(&actions, keepingApart ? outputEnds[1] : ends[1], 1)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 2)
        // Nothing else is inherited: a daemon that a hook starts must not hold our listener's port or a lock while it
        // runs.
        _ = clinux_close_from(&actions, 3)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // A separate process group: all that it started can be killed with it, and only we get Ctrl-C, so that
        // `cleanup` still runs.
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
        posix_spawnattr_setpgroup(&attributes, 0)
        var signals = sigset_t()
        sigemptyset(&signals)
        posix_spawnattr_setsigmask(&attributes, &signals)
        sigaddset(&signals, SIGPIPE)
        sigaddset(&signals, SIGINT)
        sigaddset(&signals, SIGTERM)
        posix_spawnattr_setsigdefault(&attributes, &signals)
        var argv: [UnsafeMutablePointer<CChar>?] = ([path] + arguments).map { strdup($0) } + [nil]
        var envp: [UnsafeMutablePointer<CChar>?] = environment.entries.map(ChildProcess.copy) + [nil]
        defer {
            for pointer in argv { free(pointer) }
            for pointer in envp { free(pointer) }
        }
        var child: pid_t = 0
        let result = posix_spawn(&child, path, &actions, &attributes, &argv, &envp)
        guard result == 0 else {
            for pipe in pipes { close(pipe) }
            throw ExternalProgramError(path, .notStarted(errno: result))
        }
        pid = child
        self.pipes = pipes
        streams = [Stream(pipe: ends[0], isStandardOutput: false)]
        if keepingApart { streams.append(Stream(pipe: outputEnds[0], isStandardOutput: true)) }
        self.outputLimit = outputLimit
    }

    deinit { for pipe in pipes { close(pipe) } }

    /// Bytes as a C string; the caller frees it.
    private static func copy(_ bytes: [UInt8]) -> UnsafeMutablePointer<CChar>? {
        (bytes + [0]).withUnsafeBytes { $0.assumingMemoryBound(to: CChar.self).baseAddress.flatMap { strdup($0) } }
    }

    /// Reads its output until it exits or is terminated by the timeout or a cancellation.
    mutating func wait(timeout: Duration, grace: Duration, _ flag: CancellationFlag) -> End {
        let deadline = ContinuousClock.now + timeout
        var killAt: ContinuousClock.Instant?
        var forced: End?
        var isOpen = true
        while true {
            if isOpen { isOpen = collect(timeout: Self.tick) } else { usleep(UInt32(Self.tick) * 1000) }
            var status: Int32 = 0
            let reaped = waitpid(pid, &status, WNOHANG)
            if reaped == pid || (reaped < 0 && errno == ECHILD) {
                if isOpen { _ = collect(timeout: 0) }
                // Kill what it left running in its group.
                if forced != nil { kill(-pid, SIGKILL) }
                return forced ?? Self.end(status)
            }
            let now = ContinuousClock.now
            if forced == nil, flag.isSet || now >= deadline {
                forced = flag.isSet ? .cancelled : .timedOut
                kill(-pid, SIGTERM)
                killAt = now + grace
            }
            if let moment = killAt, now >= moment {
                kill(-pid, SIGKILL)
                killAt = nil
            }
        }
    }

    /// WIFEXITED and the like are macros, which Swift does not import.
    private static func end(_ status: Int32) -> End {
        status & 0x7F == 0 ? .exited((status >> 8) & 0xFF) : .signalled(status & 0x7F)
    }

    /// - Returns: whether more may come.
    private mutating func collect(timeout: Int32) -> Bool {
        var pollers = streams.map { pollfd(fd: $0.pipe, events: Int16(POLLIN), revents: 0) }
        guard poll(&pollers, nfds_t(pollers.count), timeout) > 0 else { return true }
        var ended: [Int32] = []
        for (stream, poller) in zip(streams, pollers) where poller.revents != 0 && !collect(stream) { ended.append(stream.pipe) }
        streams.removeAll { ended.contains($0.pipe) }
        return !streams.isEmpty
    }

    private mutating func collect(_ stream: Stream) -> Bool {
        var buffer = [UInt8](repeating: 0, count: 4096)
        // Bounded: a program may print without end.
        for _ in 0..<64 {
            let count = read(stream.pipe, &buffer, buffer.count)
            guard count > 0 else { return count < 0 && (errno == EAGAIN || errno == EINTR) }
            Self.keep(buffer[..<count], in: &output, outputLimit)
            if stream.isStandardOutput { Self.keep(buffer[..<count], in: &standardOutput, outputLimit) }
        }
        return true
    }

    private static func keep(_ bytes: ArraySlice<UInt8>, in kept: inout [UInt8], _ limit: Int) {
        kept.append(contentsOf: bytes)
        if kept.count > limit { kept.removeFirst(kept.count - limit) }
    }
}
