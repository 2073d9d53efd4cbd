import ArgumentParser
import Foundation
import Testing

@testable import acme_agent

/// The same kind of failure has the same exit status, whatever the command.
@Suite struct EveryCommandTests {
    /// Each command with the arguments that it cannot do without.
    static let lines = [
        "account deactivate --yes", "account list", "account recover --agree-tos", "account register --agree-tos", "account rollover",
        "account show", "account update --email a@example.org", "apply", "audit show missing.jsonl --correlation 1-2", "audit tail",
        "audit verify missing.jsonl", "ca list", "ca show",
        "challenge test www.example.org", "csr intranet -d www.example.org", "deploy nginx www.example.org", "doctor",
        "forget www.example.org --yes", "import intranet missing.pem", "issue -d www.example.org", "keys adopt pkcs11:object=x",
        "keys create x", "keys delete x --yes", "keys list", "keys retire x --yes", "keys show x", "list", "metrics",
        "migrate certbot missing", "persist www.example.org", "policy check --read-audit", "policy matrix", "renew --all", "report",
        "revoke www.example.org --yes", "root-deploy --all", "run", "show www.example.org", "status",
    ]

    private static func leaves() -> [String] {
        func below(_ command: any ParsableCommand.Type, _ words: [String]) -> [String] {
            let commands = command.configuration.subcommands
            return commands.isEmpty ? [words.joined(separator: " ")] : commands.flatMap { below($0, words + [$0._commandName]) }
        }
        return AcmeAgent.configuration.subcommands.flatMap { below($0, [$0._commandName]) }.sorted()
    }

    private static func command(_ line: String) -> String? { leaves().first { line == $0 || line.hasPrefix($0 + " ") } }

    @Test func everyCommandHasALine() {
        #expect(Self.leaves() == Self.lines.compactMap(Self.command).sorted())
    }

    /// What is wrong with every command in the same way.
    static let refused: [(options: String, status: Int32, code: String)] = [
        ("--no-such-option", 64, "usage"), ("--socket ''", 64, "usage"),
        ("--ca letsencrypt --directory https://ca.example/dir", 64, "usage"),
        ("--quiet --verbose", 64, "usage"), ("--ca no-such-ca", 64, "usage"), ("--directory http://ca.example/dir", 64, "usage"),
        ("--config missing.toml", 78, "configuration"), ("--config damaged.toml", 78, "configuration"),
        ("--config unknown.toml", 78, "configuration"),
    ]

    /// `make test-long` tries each of them with every command. Otherwise every command is tried with three of them, and
    /// each of them with every third command: what refuses them is the same code for all commands.
    private static let step = ProcessInfo.processInfo.environment["ACME_AGENT_LONG_TESTS"] != nil ? 1 : 3

    @Test(arguments: EveryCommandTests.refused.indices)
    func isRefusedByEveryCommand(_ number: Int) async throws {
        let (options, status, code) = Self.refused[number]
        let lines = Self.lines.indices.filter { ($0 + number).isMultiple(of: Self.step) }.map { Self.lines[$0] }
        try #require(lines.count >= Self.lines.count / Self.step)
        let session = try CommandLineSession()
        try session.folder.write("damaged.toml", "socket = \n")
        try session.folder.write("unknown.toml", "no-such-setting = 1\n")
        let ended = try await Self.statuses(lines.map { "\($0) \(options) --json" }, session)
        for (line, found) in zip(lines, ended) {
            #expect(found.status == status && found.code == code, "acme-agent \(line) \(options): \(found)")
        }
    }

    /// Commands that cannot do without the agent.
    @Test func withoutAnAgentTheStatusIsThree() async throws {
        let session = try CommandLineSession()
        try await session.install("www.example.org")
        let lines = [
            "audit tail", "csr intranet -d www.example.org", "keys adopt pkcs11:object=x", "keys create x", "keys delete x --yes",
            "keys list",
            "keys retire x --yes", "keys show x", "metrics", "policy check --read-audit", "policy matrix", "report", "status",
        ]
        for (line, found) in zip(lines, try await Self.statuses(lines.map { "\($0) --json" }, session)) {
            #expect(found.status == 3, "acme-agent \(line): \(found)")
        }
    }

    /// The same name of a certificate that does not exist.
    @Test func anUnknownCertificateIsAFailure() async throws {
        let session = try CommandLineSession()
        let lines = [
            "deploy nginx nowhere.example.org", "doctor nowhere.example.org", "forget nowhere.example.org --yes",
            "renew nowhere.example.org",
            "revoke nowhere.example.org --yes", "show nowhere.example.org",
        ]
        for (line, found) in zip(lines, try await Self.statuses(lines.map { "\($0) --json" }, session)) {
            #expect(found.status == 1 && found.code == "certificate-not-found", "acme-agent \(line): \(found)")
        }
    }

    /// Commands that use the state directory refuse a file in its place, and one that the command line names and that
    /// does not exist, unless they make it.
    @Test func aStateDirectoryThatIsNoneIsWrongConfiguration() async throws {
        let session = try CommandLineSession()
        try session.folder.write("file", "")
        func use(_ line: String) throws -> StateUse {
            let words = line.split(separator: " ").map(String.init)
            return type(of: try #require(try AcmeAgent.parseAsRoot(words) as? any AgentCommand)).stateUse
        }
        let lines = try Self.lines.filter { try use($0) != .none }
        #expect(lines.count > 20)
        for (line, found) in zip(lines, try await Self.statuses(lines.map { "\($0) --json --state-directory file" }, session)) {
            #expect(found.status == 78, "acme-agent \(line): \(found)")
        }
        let expecting = try lines.filter { try use($0) != .made }
        for (line, found) in zip(expecting, try await Self.statuses(expecting.map { "\($0) --json --state-directory missing" }, session)) {
            #expect(found.status == 78, "acme-agent \(line): \(found)")
        }
    }

    struct End { var status: Int32, code: String?, output: String }

    /// Shells that run at once: a command waits now and then.
    private static let shells = 3

    /// Runs the lines in a few shells, each one after another, and reads the object that each printed: a failure too has
    /// one.
    private static func statuses(_ lines: [String], _ session: CommandLineSession) async throws -> [End] {
        let found = try await withThrowingTaskGroup(of: [(number: Int, end: End)].self) { group in
            for first in 0..<min(shells, lines.count) {
                group.addTask {
                    let numbers = Array(stride(from: first, to: lines.count, by: shells))
                    return zip(numbers, try await inOneShell(numbers.map { lines[$0] }, session)).map { (number: $0, end: $1) }
                }
            }
            var all: [(number: Int, end: End)] = []
            for try await some in group { all += some }
            return all
        }
        return found.sorted { $0.number < $1.number }.map(\.end)
    }

    private static func inOneShell(_ lines: [String], _ session: CommandLineSession) async throws -> [End] {
        let script = lines.map { "timeout 20 acme-agent \($0) </dev/null 2>/dev/null; echo \"= $?\"" }.joined(separator: "\n")
        let said = try await session.run(script)
        var ends: [End] = [], output = ""
        for line in said.output.split(separator: "\n", omittingEmptySubsequences: false) {
            guard line.hasPrefix("= "), let status = Int32(line.dropFirst(2)) else {
                output += line
                continue
            }
            let object = (try? JSONSerialization.jsonObject(with: Data(output.utf8))) as? [String: Any]
            ends.append(
                End(status: status, code: (object?["error"] as? [String: Any])?["code"] as? String, output: String(output.prefix(400))))
            output = ""
        }
        try #require(ends.count == lines.count, "\(said)")
        return ends
    }
}
