import Foundation
import Glibc
import Testing

/// What a command finds wrong in the store or at the agent has the same exit status, whatever the command.
@Suite struct EveryCommandStateTests {
    /// Commands that run at once: one waits for the agent or the CA now and then.
    private static let atOnce = 3

    /// Runs the lines, with `--json`, a few at once.
    private func outcomes(_ lines: [String], _ sandbox: Sandbox) async throws -> [(line: String, outcome: Outcome)] {
        try await withThrowingTaskGroup(of: (number: Int, outcome: Outcome).self) { group in
            var found: [(number: Int, outcome: Outcome)] = []
            for (number, line) in lines.enumerated() {
                if number >= Self.atOnce, let one = try await group.next() { found.append(one) }
                group.addTask {
                    (number: number, outcome: try await sandbox.agent(line.split(separator: " ").map(String.init) + ["--json"]))
                }
            }
            for try await one in group { found.append(one) }
            return found.sorted { $0.number < $1.number }.map { (line: lines[$0.number], outcome: $0.outcome) }
        }
    }

    /// Locks a file of the store as another process that works on it does.
    private func lock(_ path: String) throws -> Int32 {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        try #require(descriptor >= 0 && flock(descriptor, LOCK_EX | LOCK_NB) == 0, "\(path): \(errno)")
        return descriptor
    }

    /// One agent and one store for all states.
    @Test func theSameStateHasTheSameStatus() async throws {
        let sandbox = try await Sandbox()
        let state = sandbox.folder + "/state", chain = sandbox.folder + "/chain.pem"
        for line in ["account register --agree-tos", "issue -d www.example.org", "show www.example.org --format pem --out \(chain)"] {
            let done = try await sandbox.agent(line.split(separator: " ").map(String.init))
            try #require(done.status == 0, "acme-agent \(line): \(done)")
        }
        try await noSuchKey(sandbox, chain)
        try await locked(sandbox, state, chain)
        try await wrongModes(sandbox, state)
        await sandbox.end()
    }

    private func noSuchKey(_ sandbox: Sandbox, _ chain: String) async throws {
        let lines = [
            "keys show nothing", "keys retire nothing --yes", "keys delete nothing --yes", "import intranet \(chain) --key nothing",
        ]
        for (line, outcome) in try await outcomes(lines, sandbox) {
            #expect(outcome.status == 2 && outcome.output.contains(#""code":"key-not-found""#), "acme-agent \(line): \(outcome)")
        }
    }

    /// Another process works on the certificates and on the account.
    private func locked(_ sandbox: Sandbox, _ state: String, _ chain: String) async throws {
        let account = try #require(try FileManager.default.contentsOfDirectory(atPath: state + "/accounts").first)
        let held = try ["www.example.org", "intranet", "account:\(account)"].map { try lock("\(state)/locks/\($0).lock") }
        let lines = [
            "issue -d www.example.org --force", "renew www.example.org --force", "csr intranet -d intranet.example.org",
            "import intranet \(chain)", "revoke www.example.org --yes", "forget www.example.org --yes", "account rollover",
            "account register --agree-tos --email admin@example.org",
        ]
        for (line, outcome) in try await outcomes(lines, sandbox) {
            #expect(outcome.status == 75 && outcome.output.contains(#""code":"store-locked""#), "acme-agent \(line): \(outcome)")
        }
        // What only reads waits for nobody.
        for (line, outcome) in try await outcomes(["list", "show www.example.org", "account show", "status", "renew --all"], sandbox) {
            #expect(outcome.status == 0, "acme-agent \(line): \(outcome)")
        }
        for descriptor in held { close(descriptor) }
    }

    /// Others may write to the store, and read what is private in it: `doctor` says so, and nothing else depends on it.
    private func wrongModes(_ sandbox: Sandbox, _ state: String) async throws {
        let lines = [
            "account list", "account show", "issue -d www.example.org", "list", "renew --all", "report", "show www.example.org", "status",
        ]
        let before = try await outcomes(lines, sandbox)
        #expect(before.allSatisfy { $0.outcome.status == 0 }, "\(before)")
        let opened = try await sandbox.shell("chmod 0777 '\(state)'; chmod 0755 '\(state)/accounts'; chmod 0666 '\(state)'/accounts/*")
        try #require(opened.status == 0, "\(opened)")
        let doctor = try await sandbox.agent("doctor", "--json", "--dns-resolver", "127.0.0.1:\(sandbox.environment["DNS_PORT"] ?? "")")
        #expect(doctor.status == 6, "\(doctor)")
        let checks = try #require(doctor.json["checks"] as? [[String: Any]], "\(doctor)")
        let found = checks.filter { $0["check"] as? String == "store" && $0["state"] as? String == "failed" }
        let messages = found.compactMap { $0["message"] as? String }
        #expect(messages == ["others may write to \(state)", "others may enter \(state)/accounts"], "\(checks)")
        for (earlier, (line, outcome)) in zip(before, try await outcomes(lines, sandbox)) {
            #expect(outcome.status == earlier.outcome.status, "acme-agent \(line): \(outcome)")
        }
    }
}
