import Foundation
import ProcessWaiting

/// The result of a program that has ended.
struct Outcome: CustomStringConvertible {
    var status: Int32
    var output: String
    var error: String

    var description: String { "status \(status)\n--- stdout\n\(output)--- stderr\n\(error)---" }

    /// The one JSON object on standard output.
    var json: [String: Any] {
        (try? JSONSerialization.jsonObject(with: Data(output.utf8))) as? [String: Any] ?? [:]
    }
}

enum Program {
    /// The folder of the package.
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
        .path

    /// The folder of the built programs: where the test itself is.
    static let folder: String = {
        let own = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        // The test bundle, or the runner that loads it, is in the folder of the programs.
        for argument in [own] + CommandLine.arguments {
            let folder = (argument as NSString).deletingLastPathComponent
            if FileManager.default.isExecutableFile(atPath: folder + "/acme-agentd") { return folder }
        }
        return root + "/.build/debug"
    }()

    /// The environment of programs: of this process's own only what they need.
    static var environment: [String: String] {
        let own = ProcessInfo.processInfo.environment
        return ["PATH": own["PATH"] ?? "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": own["HOME"] ?? "/", "LC_ALL": "C.UTF-8"]
    }

    /// Starts a program; its output goes into files, so that no pipe fills up.
    static func start(
        _ path: String, _ arguments: [String], environment: [String: String], folder: String = root,
        input: FileHandle = FileHandle.nullDevice
    ) throws -> Running {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.environment = environment
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        let files = ["out", "err"].map { FileManager.default.temporaryDirectory.path + "/run-\(UUID().uuidString).\($0)" }
        for file in files { _ = FileManager.default.createFile(atPath: file, contents: nil) }
        process.standardInput = input
        process.standardOutput = FileHandle(forWritingAtPath: files[0])
        process.standardError = FileHandle(forWritingAtPath: files[1])
        try process.runAlone()
        return Running(process: process, files: files)
    }

    static func run(
        _ path: String, _ arguments: [String], environment: [String: String], folder: String = root
    ) async throws -> Outcome {
        try await start(path, arguments, environment: environment, folder: folder).end()
    }

    /// A running program.
    final class Running: @unchecked Sendable {
        let process: Process
        private let files: [String]

        init(process: Process, files: [String]) {
            self.process = process
            self.files = files
        }

        /// Not every program's output is read.
        deinit { removeFiles() }

        /// What it wrote cannot be read any more.
        func removeFiles() { for file in files { try? FileManager.default.removeItem(atPath: file) } }

        func end() async -> Outcome {
            let status = await withCheckedContinuation { continuation in
                DispatchQueue.global().async { [self] in continuation.resume(returning: process.statusAtEnd()) }
            }
            func text(_ file: String) -> String { (try? String(contentsOfFile: file, encoding: .utf8)) ?? "" }
            return Outcome(status: status, output: text(files[0]), error: text(files[1]))
        }
    }
}
