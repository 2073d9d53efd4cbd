import CLinux
import Glibc
import TokenProtocol

/// A helper that runs: its process, and this end of each link, the control link first.
public struct LaunchedHelper: Sendable {
    public var process: Int32
    public var links: [CInt]

    public init(process: Int32, links: [CInt]) {
        self.process = process
        self.links = links
    }
}

/// Starts helpers. A protocol of its own, so that a test can be the helper.
public protocol HelperLauncher: Sendable {
    /// Starts a helper with one control link and `signingLinks` links for signatures.
    /// - Throws: `TokenFailure`.
    func launch(_ configuration: TokenConfiguration, signingLinks: Int) throws(TokenFailure) -> LaunchedHelper

    /// Ends a helper for good and takes its exit status; returns at once.
    func end(_ helper: LaunchedHelper)
}

/// Starts `acme-agent-token` as a child process: links as descriptors 3 and up, an environment of nothing but what is configured.
public struct ProcessLauncher: HelperLauncher {
    private let path: String

    /// - Parameter path: of `acme-agent-token`.
    public init(path: String) { self.path = path }

    public func launch(_ configuration: TokenConfiguration, signingLinks: Int) throws(TokenFailure) -> LaunchedHelper {
        var ours: [CInt] = [], theirs: [CInt] = []
        func failed(_ code: Int32, _ what: String) -> TokenFailure {
            for descriptor in ours + theirs { close(descriptor) }
            return TokenFailure(
                .helperDied, message: "\(what): \(String(cString: strerror(code)))",
                hint: "acme-agent-token must stand beside acme-agentd, or \"helper\" in the configuration must name it")
        }
        for _ in 0...signingLinks {
            var pair: [CInt] = [-1, -1]
            let code = clinux_socketpair(&pair)
            guard code == 0 else { throw failed(code, "no socket pair could be made for the helper") }
            ours.append(pair[0])
            theirs.append(pair[1])
        }
        var process: pid_t = -1
        let arguments = [path, "--links", String(signingLinks)]
        let environment = configuration.environment.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        let code = CStrings.with(arguments) { argv in
            CStrings.with(environment) { envp in
                clinux_spawn(path, argv, envp, theirs, Int32(theirs.count), &process)
            }
        }
        guard code == 0 else { throw failed(code, "the helper \(path) could not be started") }
        for descriptor in theirs { close(descriptor) }
        return LaunchedHelper(process: process, links: ours)
    }

    public func end(_ helper: LaunchedHelper) {
        kill(helper.process, SIGKILL)
        // On a thread of its own: a process in an uninterruptible call dies late.
        var thread = pthread_t()
        let process = UnsafeMutableRawPointer(bitPattern: UInt(bitPattern: Int(helper.process)))
        let made = pthread_create(
            &thread, nil,
            { argument in
                var status: Int32 = 0
                while waitpid(pid_t(truncatingIfNeeded: Int(bitPattern: argument)), &status, 0) < 0, errno == EINTR {}
                return nil
            }, process)
        if made == 0 { pthread_detach(thread) }
    }
}

/// Arrays of C strings with a null at their end.
private enum CStrings {
    static func with<Result>(_ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) -> Result) -> Result {
        var pointers: [UnsafeMutablePointer<CChar>?] = strings.map { strdup($0) }
        pointers.append(nil)
        defer { for pointer in pointers { free(pointer) } }
        return body(pointers)
    }
}
