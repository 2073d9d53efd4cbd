import ACME
import Glibc
import NIOPosix
import Synchronization

/// Runs a user's program: arguments as an array, never through a shell, in a separate process group, for a bounded
/// time.
public struct ExternalProgram: Sendable {
    /// Path of the program.
    public var path: String
    /// The program's environment, before the additions of each call.
    public var environment: ProgramEnvironment
    public var timeout: Duration

    /// How many bytes of its output are kept: enough for an error with its context.
    static let outputLimit = 4096
    static let outputLines = 10
    /// Between SIGTERM and SIGKILL.
    static let grace: Duration = .seconds(2)
    /// Attempts, 10 ms apart.
    private static let busyAttempts = 20

    public init(path: String, environment: ProgramEnvironment, timeout: Duration) {
        self.path = path
        self.environment = environment
        self.timeout = timeout
    }

    /// Checks that it can be started: it must be a regular file that this user may execute.
    public func check() throws(ExternalProgramError) {
        var status = stat()
        guard stat(path, &status) == 0 else { throw ExternalProgramError(path, .notStarted(errno: errno)) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw ExternalProgramError(path, .notStarted(errno: status.st_mode & S_IFMT == S_IFDIR ? EISDIR : EACCES))
        }
        guard access(path, X_OK) == 0 else { throw ExternalProgramError(path, .notStarted(errno: errno)) }
    }

    /// Runs it until it ends. If the task is cancelled, the program is terminated.
    /// - Parameter input: its standard input.
    /// - Throws: `ExternalProgramError` unless it exits with 0; `CancellationError`.
    public func run(_ arguments: [String], environment additions: [String: String] = [:], input: [UInt8] = []) async throws {
        let flag = CancellationFlag()
        let environment = self.environment.merging(additions)
        try await withTaskCancellationHandler {
            // On a thread that may block: poll and waitpid must not block the cooperative pool.
            try await NIOThreadPool.singleton.runIfActive {
                var child = try start(arguments, environment, input)
                let end = child.wait(timeout: timeout, grace: Self.grace, flag)
                switch end {
                case .exited(0): break
                case .cancelled: throw CancellationError()
                case .exited(let code): throw ExternalProgramError(path, .exit(code), output: child.output)
                case .signalled(let signal): throw ExternalProgramError(path, .signal(signal), output: child.output)
                case .timedOut: throw ExternalProgramError(path, .timeout(seconds: timeout.components.seconds), output: child.output)
                }
            }
        } onCancel: {
            flag.set()
        }
    }

    /// A script that was just written may still be open in another thread's child, between fork and exec: ETXTBSY is
    /// temporary.
    private func start(_ arguments: [String], _ environment: ProgramEnvironment, _ input: [UInt8]) throws -> ChildProcess {
        for _ in 0..<Self.busyAttempts {
            do {
                return try ChildProcess(path: path, arguments: arguments, environment: environment, input: input)
            } catch let error as ExternalProgramError where error.kind == .notStarted(errno: ETXTBSY) {
                usleep(10_000)
            }
        }
        return try ChildProcess(path: path, arguments: arguments, environment: environment, input: input)
    }
}

/// Why a user's program failed.
public struct ExternalProgramError: Error, Hashable, Sendable, CustomStringConvertible {
    /// How it ended.
    public enum Kind: Hashable, Sendable {
        case notStarted(errno: Int32)
        case exit(Int32)
        case signal(Int32)
        case timeout(seconds: Int64)
    }

    public var path: String
    public var kind: Kind
    /// The last lines that it printed, safe for a terminal.
    public var output: [String]

    init(_ path: String, _ kind: Kind, output: [UInt8] = []) {
        self.path = path
        self.kind = kind
        let text = String(decoding: output, as: UTF8.self)
        self.output = text.split(separator: "\n").suffix(ExternalProgram.outputLines).map { TerminalText.safe($0, limit: 300) }
    }

    public var description: String {
        let what =
            switch kind {
            case .notStarted(let number): "could not be started: \(String(cString: strerror(number)))"
            case .exit(let code): "ended with exit code \(code)"
            case .signal(let signal): "was killed by signal \(signal)"
            case .timeout(let seconds): "did not end within \(seconds) s"
            }
        let name = TerminalText.safe(path, limit: 200)
        return output.isEmpty ? "\(name) \(what)" : "\(name) \(what):\n" + output.map { "  | \($0)" }.joined(separator: "\n")
    }
}

/// Set by a cancellation handler, read by a thread.
final class CancellationFlag: Sendable {
    private let flag = Mutex(false)
    func set() { flag.withLock { $0 = true } }
    var isSet: Bool { flag.withLock { $0 } }
}
