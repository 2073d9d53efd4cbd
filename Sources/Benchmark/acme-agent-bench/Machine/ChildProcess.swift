import Glibc

/// A started program.
final class ChildProcess {
    let process: pid_t
    private let program: String
    private let log: String
    private var hasEnded = false

    /// What a program used until its end.
    struct End {
        /// The exit status, or 128 + the signal.
        var status: Int32
        /// User and system CPU time of the program and the children it has waited for, seconds.
        var cpu: Double
        /// Peak resident memory, MB (10^6 bytes).
        var memory: Double
    }

    /// Starts a program with the given environment; its output goes to the file `log`.
    /// - Parameters:
    ///   - arguments: the program, found through PATH if it has no slash, and its arguments.
    ///   - diesWithParent: for servers: killed when this program ends, however it ends.
    init(_ arguments: [String], environment: [String: String], log: String, diesWithParent: Bool = false) throws {
        let arguments = diesWithParent ? ["setpriv", "--pdeathsig", "KILL", "--"] + arguments : arguments
        program = arguments.last { $0.hasSuffix("/" + ($0.split(separator: "/").last ?? "")) } ?? arguments.first ?? ""
        self.log = log
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, log, O_WRONLY | O_CREAT | O_APPEND, 0o600)
        posix_spawn_file_actions_adddup2(&actions, 1, 2)
        var argv = arguments.map { strdup($0) } + [nil]
        var envp = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for pointer in argv + envp { free(pointer) } }
        var child: pid_t = 0
        let number = posix_spawnp(&child, arguments.first ?? "", &actions, nil, &argv, &envp)
        guard number == 0 else { throw BenchError("\(arguments.first ?? "") could not be started: \(String(cString: strerror(number)))") }
        process = child
    }

    /// Waits for it to end.
    func wait() throws -> End {
        var status: Int32 = 0
        var usage = rusage()
        while wait4(process, &status, 0, &usage) < 0 { guard errno == EINTR else { throw BenchError.system("wait4") } }
        hasEnded = true
        func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
        let signal = status & 0x7f
        return End(
            status: signal == 0 ? (status >> 8) & 0xff : 128 + signal, cpu: seconds(usage.ru_utime) + seconds(usage.ru_stime),
            memory: Double(usage.ru_maxrss) * 1024 / 1e6)
    }

    /// Whether it is still running. If it has ended, it is reaped.
    var isRunning: Bool {
        guard !hasEnded else { return false }
        var status: Int32 = 0
        if waitpid(process, &status, WNOHANG) != 0 { hasEnded = true }
        return !hasEnded
    }

    /// Waits until `isReady`, for at most `seconds`; checks every millisecond.
    func await(_ what: String, seconds: Double = 20, _ isReady: () -> Bool) throws {
        let limit = Clock.seconds() + seconds
        while !isReady() {
            guard isRunning else { throw BenchError("\(what): \(program) has ended: \(lastWords)") }
            guard Clock.seconds() < limit else { throw BenchError("\(what): not ready after \(Int(seconds)) s: \(lastWords)") }
            usleep(1_000)
        }
    }

    /// The last line that it printed.
    var lastWords: String {
        guard let bytes = try? Files.read(log) else { return "" }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").last.map(String.init) ?? ""
    }

    /// Ends it, and waits for its end.
    func stop(_ signal: Int32 = SIGTERM) {
        guard isRunning else { return }
        kill(process, signal)
        let limit = Clock.seconds() + 8
        while isRunning, Clock.seconds() < limit { usleep(1_000) }
        if isRunning {
            kill(process, SIGKILL)
            _ = try? wait()
        }
    }

    /// Its children, from the kernel's list.
    var children: [pid_t] {
        var found: [pid_t] = []
        for thread in Placement.threads(of: process) {
            let text = (try? Files.read("/proc/\(process)/task/\(thread)/children")).map { String(decoding: $0, as: UTF8.self) } ?? ""
            found += text.split(separator: " ").compactMap { pid_t($0) }
        }
        return found
    }
}
