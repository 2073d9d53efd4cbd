import ACME
import CertificateStore
import Foundation
import JOSE
import ProcessWaiting
import TestSupport

/// The output and status of a shell.
struct ShellOutcome: CustomStringConvertible {
    var status: Int32
    var output: String
    var error: String

    var description: String { "status \(status)\n--- stdout\n\(output)--- stderr\n\(error)---" }
}

/// A state directory with certificates, and a shell that runs the built `acme-agent` on it. No agent listens on
/// its socket.
final class CommandLineSession: Sendable {
    let folder: TemporaryFolder
    let store: FolderStore
    private let authority = FakeAuthority()

    init() throws {
        folder = try TemporaryFolder()
        store = FolderStore(folder: folder.file("state"))
        try FileManager.default.createDirectory(atPath: folder.file("state"), withIntermediateDirectories: false)
        try folder.write("acme-agent.toml", "state-directory = \"\(folder.file("state"))\"\nsocket = \"\(folder.file("agent.sock"))\"\n")
    }

    static var now: Int64 { Int64(Date().timeIntervalSince1970) }

    /// Installs a certificate for a name.
    /// - Parameters:
    ///   - age: days since it was issued.
    ///   - days: its lifetime.
    ///   - stored: the name under which it is stored, if it is not the first name's.
    ///   - other: the CA, if it is another one.
    ///   - uris: further names in it.
    @discardableResult
    func install(
        _ name: String, more: [String] = [], age: Int64 = 0, days: Int = 90, isDeployed: Bool = true, order: ACMEURL? = nil,
        key: SoftwareKey = SoftwareKey(), as stored: CertificateName? = nil,
        by other: FakeAuthority? = nil, uris: [String] = []
    ) async throws -> StoredCertificate {
        let identifiers = try ([name] + more).map { try Identifier(argument: $0) }
        let issued = Self.now - age * 86_400
        return try await store.install(
            NewCertificate(
                name: stored ?? CertificateName(identifiers[0]),
                pem: try (other ?? authority).issue(csr: key.certificateRequest(identifiers), now: issued, days: days, uris: uris),
                key: KeyName(CertificateName(identifiers[0]).rawValue),
                spki: key.publicKey.spki, identifiers: identifiers, ignoresOtherNames: !uris.isEmpty,
                directory: try ACMEURL("https://ca.example/directory"), order: order,
                time: issued, isDeployed: isDeployed))
    }

    /// The root of its CA, in PEM.
    func rootPEM() throws -> String { try authority.rootPEM(now: Self.now) }

    /// The folder of the built programs, where the test itself is.
    private static let programs: String = {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        for argument in [own] + CommandLine.arguments {
            let folder = (argument as NSString).deletingLastPathComponent
            if FileManager.default.isExecutableFile(atPath: folder + "/acme-agent") { return folder }
        }
        return FileManager.default.currentDirectoryPath + "/.build/debug"
    }()

    /// Runs an `sh` script in the session's folder.
    func run(_ script: String, environment: [String: String] = [:]) async throws -> ShellOutcome {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/sh")
        process.arguments = ["-c", script]
        process.environment = [
            "PATH": Self.programs + ":/usr/sbin:/usr/bin:/sbin:/bin", "HOME": folder.path, "TERM": "xterm",
            "ACME_AGENT_CONFIG": folder.file("acme-agent.toml"), "SHELL": "/bin/sh",
        ].merging(environment) { $1 }
        process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
        process.standardInput = FileHandle.nullDevice
        // Files, so that no pipe fills up.
        let names = ["out", "err"].map { "run-\(UUID().uuidString).\($0)" }
        for name in names { try folder.write(name, "") }
        process.standardOutput = FileHandle(forWritingAtPath: folder.file(names[0]))
        process.standardError = FileHandle(forWritingAtPath: folder.file(names[1]))
        try process.runAlone()
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async {
                process.waitAsleep()
                continuation.resume()
            }
        }
        defer { for name in names { try? FileManager.default.removeItem(atPath: folder.file(name)) } }
        func text(_ name: String) -> String {
            String(decoding: FileManager.default.contents(atPath: folder.file(name)) ?? Data(), as: UTF8.self)
        }
        return ShellOutcome(status: process.terminationStatus, output: text(names[0]), error: text(names[1]))
    }

    /// Runs a script on a terminal of 80 columns; the output includes errors.
    func runOnTerminal(_ script: String, input: String = "", environment: [String: String] = [:]) async throws -> ShellOutcome {
        try folder.write("on-terminal", "stty cols 80 rows 24\n" + script + "\n")
        try folder.write("typed", input)
        // The terminal's end of input would be read as an answer to a later question.
        return try await run("{ sleep 1; cat typed; sleep 1; } | script -qec 'sh on-terminal' /dev/null", environment: environment)
    }
}
