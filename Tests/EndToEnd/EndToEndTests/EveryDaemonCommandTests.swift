import Foundation
import Testing

/// The same kind of failure has the same exit status and the same form, whatever `acme-agentd` was asked for, and is an
/// object with `--json`. The commands of `acme-agent` have a walk of their own.
@Suite struct EveryDaemonCommandTests {
    /// Everything that the program does, with the arguments that it cannot do without; `FILE` stands for a file that is
    /// not there.
    private static let lines = [
        "", "--check-config", "--accept-audit-trail", "--matrix", "--explain --read-audit --as uid:1000", "backup FILE.new", "restore FILE",
    ]
    private static let withJSON = ["--matrix", "--explain --read-audit --as uid:1000"]

    private func run(_ line: String) async throws -> Outcome {
        let file = FileManager.default.temporaryDirectory.path + "/missing-\(UUID().uuidString)"
        let words = line.split(separator: " ").map { $0.replacingOccurrences(of: "FILE", with: file) }
        return try await Program.run(Program.folder + "/acme-agentd", words, environment: Program.environment)
    }

    /// One line for the error and one for the hint, as `acme-agent` writes them.
    private func expectForm(_ outcome: Outcome, _ line: String) {
        let lines = outcome.error.split(separator: "\n")
        #expect(lines.first?.hasPrefix("acme-agentd: error: ") == true, "\(line): \(outcome)")
        #expect(lines.dropFirst().allSatisfy { $0.hasPrefix("acme-agentd: hint: ") } && lines.count <= 2, "\(line): \(outcome)")
        let message = lines.first?.dropFirst("acme-agentd: error: ".count) ?? ""
        #expect(message.first?.isUppercase == false && !message.hasSuffix("."), "\(line): \(outcome)")
    }

    private func expectObject(_ outcome: Outcome, _ code: String, _ line: String) throws {
        let error = try #require(outcome.json["error"] as? [String: Any], "\(line): \(outcome)")
        #expect(error["code"] as? String == code && error["exitStatus"] as? Int == Int(outcome.status), "\(line): \(outcome)")
        let message = try #require(error["message"] as? String)
        #expect(outcome.error.hasPrefix("acme-agentd: error: \(message)\n"), "\(line): \(outcome)")
        if let hint = error["hint"] as? String { #expect(outcome.error.hasSuffix("acme-agentd: hint: \(hint)\n"), "\(line): \(outcome)") }
    }

    /// A new command must be tried here, too.
    @Test func everyCommandIsTried() async throws {
        struct Command: Decodable {
            var commandName: String
            var subcommands: [Command]?
        }
        struct Dump: Decodable { var command: Command }
        let dumped = try await run("--experimental-dump-help")
        let root = try JSONDecoder().decode(Dump.self, from: Data(dumped.output.utf8)).command
        let names = (root.subcommands ?? []).map(\.commandName).filter { $0 != "help" }
        #expect(names.sorted() == ["backup", "restore"])
        #expect(names.allSatisfy { name in Self.lines.contains { $0.hasPrefix(name + " ") } })
    }

    @Test func wrongUsageIs64() async throws {
        for line in Self.lines {
            let outcome = try await run(line + " --no-such-option")
            #expect(outcome.status == 64 && outcome.error.contains("unknown option '--no-such-option'"), "\(line): \(outcome)")
            #expect(outcome.error.contains("\nacme-agentd: hint: usage: acme-agentd"), "\(line): \(outcome)")
            expectForm(outcome, line)
        }
        for line in [
            "backup", "restore", "nonsense", "--config", "--log-level loud", "--matrix --check-config", "--json", "--read-audit",
            "--explain", "--explain --read-audit", "--explain --read-audit --order a.example", "--matrix restore FILE",
        ] {
            let outcome = try await run(line)
            #expect(outcome.status == 64, "\(line): \(outcome)")
            expectForm(outcome, line)
        }
    }

    @Test func aMissingConfigurationIs78() async throws {
        for line in Self.lines where !line.hasPrefix("restore") {
            let outcome = try await run(line + " --config FILE")
            #expect(outcome.status == 78, "\(line): \(outcome)")
            expectForm(outcome, line)
        }
    }

    @Test func aFailureIsAnObject() async throws {
        for line in Self.withJSON {
            try expectObject(try await run(line + " --json --config FILE"), "configuration", line)
            try expectObject(try await run(line + " --json --no-such-option"), "usage", line)
        }
        let twice = "--explain --matrix --read-audit --as uid:1000 --json"
        try expectObject(try await run(twice), "usage", twice)
    }

    /// What was asked for is no failure.
    @Test(arguments: ["--help", "help", "help restore", "backup --help", "--version", "--version --json"])
    func helpAndVersionSucceed(line: String) async throws {
        let outcome = try await run(line)
        #expect(outcome.status == 0 && !outcome.output.isEmpty && outcome.error == "", "\(outcome)")
    }
}
