import DurableFile
import Glibc
import Issuance

/// A program of the system that answers a question, such as openssl(1) and postconf(1).
struct SystemProgram: Sendable {
    /// Servers' programs are not in every user's PATH.
    private static let folders = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
    /// These programs answer from files; one that hangs must not hang the command.
    private static let timeout: Duration = .seconds(15)
    /// More than a chain of certificates with its text.
    private static let outputLimit = 256 * 1024

    private let program: ExternalProgram

    /// - Parameter environment: `NAME=VALUE` each; PATH and the locale are added.
    /// - Returns: `nil` if there is no such program.
    init?(_ name: String, environment: [String] = []) {
        let search = getenv("PATH").flatMap { String(validatingCString: $0) }?.split(separator: ":").map(String.init) ?? []
        let folders = search + Self.folders, paths = folders.map { $0 + "/" + name }
        guard let path = paths.first(where: { (path: String) in access(path, X_OK) == 0 }) else { return nil }
        let all = environment + ["PATH=\(folders.joined(separator: ":"))", "LC_ALL=C"]
        program = ExternalProgram(
            path: path, environment: ProgramEnvironment(Array(all.joined(separator: "\0").utf8)), timeout: Self.timeout)
    }

    /// Its output, errors included; `nil` if it does not end, or writes too much.
    func run(_ arguments: [String]) async throws -> (isSuccess: Bool, output: String)? {
        do {
            let (status, output) = try await program.output(of: arguments, limit: Self.outputLimit)
            // Its beginning is lost.
            guard output.count < Self.outputLimit else { return nil }
            return (status == 0, String(decoding: output, as: UTF8.self))
        } catch is ExternalProgramError {
            return nil
        }
    }

    /// The lines that a command prints; none if there is no such program, or it fails.
    static func lines(of command: [String]) async throws -> [String] {
        guard let name = command.first, let program = SystemProgram(name),
            let answer = try await program.run(Array(command.dropFirst())), answer.isSuccess
        else { return [] }
        return answer.output.split(separator: "\n").map(String.init)
    }

    /// The first of them.
    static func line(of command: [String]) async throws -> String? { try await lines(of: command).first }
}
