import Foundation
import ProcessWaiting
import Testing

/// A CA in front of a sandbox's Pebble, with what that lacks: see `Tests/Sandbox/ca-in-front`.
final class CAInFront: Sendable {
    let directory: String
    let folder: String
    private let program: Program.Running

    init(_ sandbox: Sandbox, name: String = "front") async throws {
        folder = sandbox.folder + "/" + name
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let certificate = try #require(sandbox.environment["CA_CERTIFICATE"]), https = (certificate as NSString).deletingLastPathComponent
        let pebble = try #require(sandbox.environment["ACME_DIRECTORY"].flatMap { URL(string: $0) })
        program = try Program.start(
            Program.root + "/Tests/Sandbox/ca-in-front",
            [folder, "localhost:\(pebble.port ?? 0)", https + "/server.pem", https + "/server.key", certificate],
            environment: Program.environment)
        var port: String?
        for _ in 0..<1_000 {
            port = try? String(contentsOfFile: folder + "/port", encoding: .utf8)
            if port != nil { break }
            try await Task.sleep(for: .milliseconds(20))
        }
        directory = "https://localhost:\(try #require(port, "it does not listen"))/dir"
    }

    deinit { kill(program.process.processIdentifier, SIGTERM) }

    func end() async {
        kill(program.process.processIdentifier, SIGTERM)
        _ = await program.end()
    }

    /// A configuration like the sandbox's with other lines before it and other parts after it.
    /// - Returns: its path
    static func configure(_ sandbox: Sandbox, _ lines: String, parts: String = "") throws -> String {
        let path = sandbox.folder + "/acme-agent.toml"
        let text = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").filter { !$0.hasPrefix("directory") }
        let changed = ([lines] + text.map(String.init)).joined(separator: "\n") + "\n" + parts
        try Data(changed.utf8).write(to: URL(fileURLWithPath: path + ".renewals"))
        return path + ".renewals"
    }

    /// The environment of commands for this CA alone.
    func settings(_ sandbox: Sandbox) throws -> [String: String] {
        ["ACME_AGENT_CONFIG": try Self.configure(sandbox, "directory = \"\(directory)\""), "ACME_DIRECTORY": ""]
    }

    /// - Parameter json: an object; see the program.
    func behave(_ json: String) throws {
        try Data(json.utf8).write(to: URL(fileURLWithPath: folder + "/behaviour.json"), options: .atomic)
    }

    /// Where its lists come from.
    var listURL: String {
        get throws { "http://127.0.0.1:\(try String(contentsOfFile: folder + "/list-port", encoding: .utf8))/list" }
    }

    /// A line for each request.
    var log: [String] {
        ((try? String(contentsOfFile: folder + "/log", encoding: .utf8)) ?? "").split(separator: "\n").map(String.init)
    }
}
