import Foundation
import Testing

/// SIGKILL in the middle of an issuance: the next run ends with a certificate, and no key is left without a name.
@Suite struct InterruptionTests {
    /// Every key in the token has a name, and every name has a key.
    private func expectNoOrphans(_ sandbox: Sandbox, _ delay: Int) async throws {
        let listed = try await sandbox.agent("keys", "list", "--json")
        let keys = try #require(listed.json["keys"] as? [Any], "\(listed)")
        #expect(try await sandbox.privateKeysInToken() == keys.count, "after \(delay) ms: \(listed.output)")
    }

    /// Names of its own for each moment.
    private func issue(_ delay: Int) -> [String] { ["issue", "-d", "www\(delay).example.org", "-d", "a\(delay).example.org"] }

    private func prepared() async throws -> Sandbox {
        let sandbox = try await Sandbox()
        let registered = try await sandbox.agent("account", "register", "--agree-tos")
        try #require(registered.status == 0, "\(registered)")
        return sandbox
    }

    /// Milliseconds, from the first call to the agent to the installed certificate.
    /// `make test-long` tries more moments; WriteFaultTests kills at exact calls.
    static let delays =
        ProcessInfo.processInfo.environment["ACME_AGENT_LONG_TESTS"] != nil
        ? [5, 15, 25, 35, 45, 60, 80, 100, 130] : [5, 25, 45, 80, 130]

    @Test func theFrontEndIsKilled() async throws {
        let sandbox = try await prepared()
        for delay in Self.delays {
            let issue = issue(delay)
            let first = try sandbox.start(issue)
            try await Task.sleep(for: .milliseconds(delay))
            kill(first.process.processIdentifier, SIGKILL)
            _ = await first.end()
            let second = try await sandbox.agent(issue)
            #expect(second.status == 0, "after \(delay) ms: \(second)")
            try await expectNoOrphans(sandbox, delay)
        }
        #expect(try await sandbox.agent("audit", "verify").status == 0)
        await sandbox.end()
    }

    @Test func theDaemonIsKilled() async throws {
        let sandbox = try await prepared()
        for delay in [10, 30, 60, 100] {
            let issue = issue(delay)
            let daemon = try sandbox.daemon
            let first = try sandbox.start(issue)
            try await Task.sleep(for: .milliseconds(delay))
            kill(daemon, SIGKILL)
            let interrupted = await first.end()
            // Finished before the daemon died, or reported its death.
            #expect(interrupted.status == 0 || interrupted.error.contains("error:"), "after \(delay) ms: \(interrupted)")
            try await sandbox.restartDaemon()
            let second = try await sandbox.agent(issue)
            #expect(second.status == 0, "after \(delay) ms: \(second)")
            try await expectNoOrphans(sandbox, delay)
        }
        #expect(try await sandbox.agent("audit", "verify").status == 0)
        await sandbox.end()
    }

    /// A client notices only a pause.
    @Test func theHelperIsKilled() async throws {
        let sandbox = try await prepared()
        for (index, delay) in [0, 20, 40, 60].enumerated() {
            let issue = issue(delay)
            let helper = try await sandbox.helper
            let first = try sandbox.start(issue)
            try await Task.sleep(for: .milliseconds(delay))
            kill(helper, SIGKILL)
            let outcome = await first.end()
            if outcome.status != 0 {
                #expect(outcome.error.contains("error:"), "after \(delay) ms: \(outcome)")
                let second = try await sandbox.agent(issue)
                #expect(second.status == 0, "after \(delay) ms: \(second)")
            }
            try await expectNoOrphans(sandbox, delay)
            let status = try await sandbox.agent("status", "--json")
            #expect(status.output.contains(#""restarts":\#(index + 1)"#), "after \(delay) ms: \(status)")
        }
        await sandbox.end()
    }

    /// Ctrl-C: the presented challenge is removed, and the next run resumes.
    @Test func anInterruptCleansUp() async throws {
        let sandbox = try await prepared()
        let web = sandbox.folder + "/web"
        try FileManager.default.createDirectory(atPath: web, withIntermediateDirectories: true)
        let run = try sandbox.start("issue", "-d", "www.example.org", "--webroot", web)
        let challenge = "\(web)/.well-known/acme-challenge"
        for _ in 0..<200 where (try? FileManager.default.contentsOfDirectory(atPath: challenge))?.isEmpty ?? true {
            try await Task.sleep(for: .milliseconds(2))
        }
        run.process.interrupt()
        let outcome = await run.end()
        #expect(outcome.status != 0, "\(outcome)")
        #expect((try? FileManager.default.contentsOfDirectory(atPath: challenge))?.isEmpty ?? true)
        await sandbox.end()
    }
}
