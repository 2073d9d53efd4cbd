import ACME
import DurableFile
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

    /// Checks that it can be started: it must be a regular file that this user may execute and others cannot change, and a
    /// script must name an interpreter that exists.
    public func check() throws(ExternalProgramError) {
        var status = stat()
        guard stat(path, &status) == 0 else { throw ExternalProgramError(path, .notStarted(errno: errno)) }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw ExternalProgramError(path, .notStarted(errno: status.st_mode & S_IFMT == S_IFDIR ? EISDIR : EACCES))
        }
        guard access(path, X_OK) == 0 else { throw ExternalProgramError(path, .notStarted(errno: errno)) }
        if let fault = Self.scriptFault(path) { throw ExternalProgramError(path, fault) }
        try checkWay()
    }

    /// Whoever can change the program, or a folder or link on its way, would act as this user.
    private func checkWay() throws(ExternalProgramError) {
        do throws(OwnershipError) { try TrustedWay(to: path).check(as: .configuration) } catch {
            switch error {
            case .system(let error): throw ExternalProgramError(path, .notStarted(errno: error.code))
            case .distrusted(let place, let reason): throw ExternalProgramError(path, .distrusted(place: place, reason))
            }
        }
    }

    /// More than a first line has.
    private static let headLength = 256

    /// What keeps the kernel from running a script (execve(2)); `nil` for anything that is not text, and for a file that
    /// this user may only execute.
    private static func scriptFault(_ path: String) -> ExternalProgramError.Kind? {
        guard let head = try? File(reading: path).read(at: 0, count: headLength) else { return nil }
        guard head.starts(with: "#!".utf8) else { return head.contains(0) ? nil : .noInterpreter }
        let line = head.dropFirst(2).prefix { $0 != UInt8(ascii: "\n") }.drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
        let name = line.prefix { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\t") }
        guard let interpreter = String(validating: name, as: UTF8.self) else { return nil }
        guard !interpreter.isEmpty else { return .noInterpreter }
        return access(interpreter, X_OK) == 0 ? nil : .missingInterpreter(interpreter)
    }

    /// Runs it until it ends, whatever its exit code.
    /// - Parameter limit: how many bytes of its output are kept, the last ones.
    /// - Throws: `ExternalProgramError` if it does not end by itself; `CancellationError`.
    public func output(of arguments: [String], limit: Int) async throws -> (status: Int32, output: [UInt8]) {
        let result = try await result(arguments, environment, [], limit: limit)
        guard case .exited(let status) = result.end else { throw failure(result) }
        return (status, result.output)
    }

    /// Runs it until it ends. If the task is cancelled, the program is terminated.
    /// - Parameter input: its standard input.
    /// - Returns: the last lines that it printed, safe for a terminal.
    /// - Throws: `ExternalProgramError` unless it exits with 0; `CancellationError`.
    @discardableResult
    public func run(_ arguments: [String], environment additions: [String: String] = [:], input: [UInt8] = []) async throws -> [String] {
        let result = try await result(arguments, environment.merging(additions), input, limit: Self.outputLimit)
        guard result.end == .exited(0) else { throw failure(result) }
        return ExternalProgramError.lines(result.output)
    }

    /// Runs it until it ends, without arguments and input.
    /// - Parameter limit: how many bytes of its standard output are kept, the last ones.
    /// - Returns: its standard output.
    /// - Throws: as `run`.
    func standardOutput(environment additions: [String: String], limit: Int) async throws -> [UInt8] {
        let result = try await result([], environment.merging(additions), [], limit: limit, keepingApart: true)
        guard result.end == .exited(0) else { throw failure(result) }
        return result.standardOutput
    }

    private struct Result: Sendable {
        var end: ChildProcess.End
        var output: [UInt8]
        var standardOutput: [UInt8]
    }

    private func result(
        _ arguments: [String], _ environment: ProgramEnvironment, _ input: [UInt8], limit: Int, keepingApart: Bool = false
    ) async throws -> Result {
        // Also where nothing was checked beforehand, or things have changed since.
        try checkWay()
        let flag = CancellationFlag()
        return try await withTaskCancellationHandler {
            // On a thread that may block: poll and waitpid must not block the cooperative pool.
            try await NIOThreadPool.singleton.runIfActive {
                var child = try start(arguments, environment, input, limit: limit, keepingApart)
                let end = child.wait(timeout: timeout, grace: Self.grace, flag)
                if end == .cancelled { throw CancellationError() }
                return Result(end: end, output: child.output, standardOutput: child.standardOutput)
            }
        } onCancel: {
            flag.set()
        }
    }

    private func failure(_ result: Result) -> any Error {
        let output = result.output.suffix(Self.outputLimit)
        return switch result.end {
        case .cancelled: CancellationError()
        case .exited(let code): ExternalProgramError(path, .exit(code), output: Array(output))
        case .signalled(let signal): ExternalProgramError(path, .signal(signal), output: Array(output))
        case .timedOut: ExternalProgramError(path, .timeout(seconds: timeout.components.seconds), output: Array(output))
        }
    }

    /// A script that was just written may still be open in another thread's child, between fork and exec: ETXTBSY is
    /// temporary.
    private func start(
        _ arguments: [String], _ environment: ProgramEnvironment, _ input: [UInt8], limit: Int, _ keepingApart: Bool
    ) throws -> ChildProcess {
        func start() throws -> ChildProcess {
            try ChildProcess(
                path: path, arguments: arguments, environment: environment, input: input, outputLimit: limit, keepingApart: keepingApart)
        }
        for _ in 0..<Self.busyAttempts {
            do {
                return try start()
            } catch let error as ExternalProgramError where error.kind == .notStarted(errno: ETXTBSY) {
                usleep(10_000)
            }
        }
        return try start()
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
        /// A text file without `#!`.
        case noInterpreter
        /// What a script names after `#!`.
        case missingInterpreter(String)
        /// Others may change what it does, at that place on its way.
        case distrusted(place: String, Distrust)
    }

    public var path: String
    public var kind: Kind
    /// The last lines that it printed, safe for a terminal.
    public var output: [String]

    init(_ path: String, _ kind: Kind, output: [UInt8] = []) {
        self.path = path
        self.kind = kind
        self.output = Self.lines(output)
    }

    /// The command that mends it, if there is one.
    public var mend: String? {
        guard case .distrusted(let place, let reason) = kind else { return nil }
        let shown = TerminalText.safe(place, limit: 200)
        return switch reason {
        case .writable: "chmod go-w \(shown)"
        case .owner: "chown root \(shown)"
        default: nil
        }
    }

    static func lines(_ output: [UInt8]) -> [String] {
        let text = String(decoding: output, as: UTF8.self)
        return text.split(separator: "\n").suffix(ExternalProgram.outputLines).map { TerminalText.safe($0, limit: 300) }
    }

    /// A file with Windows' line ends names an interpreter that ends in a carriage return.
    private static func shown(_ interpreter: String) -> String {
        let text = interpreter.hasSuffix("\r") ? interpreter.dropLast() + "<CR>" : interpreter[...]
        return TerminalText.safe(text, limit: 100)
    }

    public var description: String {
        let what =
            switch kind {
            case .notStarted(let number): "could not be started: \(String(cString: strerror(number)))"
            case .exit(let code): "ended with exit code \(code)"
            case .signal(let signal): "was killed by signal \(signal)"
            case .timeout(let seconds): "did not end within \(seconds) s"
            case .noInterpreter: "could not be started: it is a text file whose first line does not begin with #! (such as #!/bin/sh)"
            case .distrusted(let place, let reason):
                "is not run: \(place == path ? "it" : TerminalText.safe(place, limit: 200)) \(reason)\(mend.map { " (\($0))" } ?? "")"
            case .missingInterpreter(let interpreter):
                "could not be started: its first line names the interpreter \"\(ExternalProgramError.shown(interpreter))\", which cannot be executed"
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
