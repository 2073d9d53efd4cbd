import CLinux
import Glibc
import NIOCore
import TokenProtocol

/// Starts `acme-agent-token` as a child process: links as descriptors 3 and up, and only the configured environment,
/// with what systemd says about this service's credentials and standard error and the settings of the C library's allocator.
public struct ProcessLauncher: HelperLauncher {
    private let path: String

    /// For each signature a module allocates and frees dozens of blocks of one size, and glibc's threads keep only
    /// seven of each for themselves (Docs/decisions/0017-allocator-of-the-helper.md).
    private static let allocator = ["GLIBC_TUNABLES": "glibc.malloc.tcache_count=64"]

    /// - Parameter path: Path of `acme-agent-token`.
    public init(path: String) { self.path = path }

    public func launch(_ configuration: TokenConfiguration, signingLinks: Int) throws(TokenFailure) -> LaunchedHelper {
        var ours: [CInt] = [], theirs: [CInt] = []
        defer { for descriptor in theirs { close(descriptor) } }
        func failed(_ code: Int32, _ what: String, hint: String?) -> TokenFailure {
            for descriptor in ours { close(descriptor) }
            return TokenFailure(.helperDied, message: "\(what): \(String(cString: strerror(code)))", hint: hint)
        }
        for _ in 0...max(signingLinks, 0) {
            var pair: [CInt] = [-1, -1]
            let code = clinux_socketpair(&pair)
            guard code == 0 else {
                throw failed(code, "cannot create a socket pair for the helper", hint: "the limit of open files may be too low")
            }
            ours.append(pair[0])
            theirs.append(pair[1])
        }
        var process: pid_t = -1
        var variables = configuration.environment.merging(ProcessLauncher.allocator) { $1 }
        // Only systemd may name the folder of the credentials, not the configuration.
        variables["CREDENTIALS_DIRECTORY"] = getenv("CREDENTIALS_DIRECTORY").map { String(cString: $0) }
        // The helper has the daemon's standard error, and gives its lines a level if they end up in the journal.
        variables["JOURNAL_STREAM"] = getenv("JOURNAL_STREAM").map { String(cString: $0) }
        let environment = variables.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        let code = CStrings.with([path, "--links", String(signingLinks)]) { argv in
            CStrings.with(environment) { envp in
                clinux_spawn(path, argv, envp, theirs, Int32(theirs.count), &process)
            }
        }
        guard code == 0 else {
            throw failed(
                code, "the helper \(path) could not be started",
                hint: "acme-agent-token must be in the folder of acme-agentd, or \"helper\" in the configuration must name it")
        }
        return LaunchedHelper(process: process, links: ours)
    }

    public func end(_ helper: LaunchedHelper) { end(helper, after: .zero) { _ in } }

    public func end(_ helper: LaunchedHelper, after grace: TimeAmount, ended: @escaping @Sendable (HelperExit) -> Void) {
        // The process is our child and is not reaped before `waitpid` below, so its number cannot belong to another
        // process yet.
        if grace <= .zero { kill(helper.process, SIGKILL) }
        // On its own thread: a process in an uninterruptible call dies late, and the event loop must not wait.
        let reaper = Unmanaged.passRetained(Reaper(process: helper.process, grace: grace, ended: ended))
        var thread = pthread_t()
        let made = pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<Reaper>.fromOpaque(argument).takeRetainedValue().run() }
                return nil
            }, reaper.toOpaque())
        if made == 0 {
            pthread_detach(thread)
        } else {
            kill(helper.process, SIGKILL)
            reaper.release()
            ended(.unknown)
        }
    }
}

/// Waits for one process.
private final class Reaper: Sendable {
    private let process: pid_t
    private let grace: TimeAmount
    private let ended: @Sendable (HelperExit) -> Void

    init(process: pid_t, grace: TimeAmount, ended: @escaping @Sendable (HelperExit) -> Void) {
        self.process = process
        self.grace = grace
        self.ended = ended
    }

    func run() {
        let end = NIODeadline.now() + grace
        var status: Int32 = 0
        while NIODeadline.now() < end {
            let reaped = waitpid(process, &status, WNOHANG)
            if reaped == process { return ended(HelperExit(status: status)) }
            if reaped < 0, errno != EINTR { return ended(.unknown) }
            usleep(Reaper.pollMicroseconds)
        }
        kill(process, SIGKILL)
        while true {
            let reaped = waitpid(process, &status, 0)
            if reaped == process { return ended(HelperExit(status: status)) }
            if reaped < 0, errno != EINTR { return ended(.unknown) }
        }
    }

    /// Interval of polling, which happens only while the agent stops or closes a token.
    private static let pollMicroseconds: useconds_t = 5_000
}

extension HelperExit {
    /// From wait(2): the signal in the low seven bits, the code in the second byte.
    init(status: Int32) {
        let signal = status & 0x7F
        self = signal == 0 ? .exited(code: (status >> 8) & 0xFF) : .killed(signal: signal)
    }
}

/// Arrays of C strings that end with a null pointer.
private enum CStrings {
    static func with<Result>(_ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result) -> Result {
        var pointers: [UnsafeMutablePointer<CChar>?] = strings.map { strdup($0) }
        pointers.append(nil)
        defer { for pointer in pointers { free(pointer) } }
        return body(pointers)
    }
}
