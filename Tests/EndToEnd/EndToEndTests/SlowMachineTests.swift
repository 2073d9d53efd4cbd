import Foundation
import Testing

/// A machine on which each task of the daemon's event loop takes longer than its shortest pauses.
@Suite struct SlowMachineTests {
    @Test func theDaemonServesHoweverSlowTheMachineIs() async throws {
        let sandbox = try await Sandbox()
        try await sandbox.stopDaemon()
        let library = sandbox.folder + "/slow-clock.so"
        let made = try await Program.run(
            "/usr/bin/env", ["cc", "-O1", "-shared", "-fPIC", "-o", library, Program.root + "/Tests/Sandbox/slow-clock.c", "-ldl"],
            environment: sandbox.environment)
        try #require(made.status == 0, "\(made)")
        try await sandbox.restartDaemon(environment: ["LD_PRELOAD": library, "SLOW_CLOCK_MICROSECONDS": "100"])
        // One after another, and many at once.
        let created = try await sandbox.agent("keys", "create", "web-slow", "--usage", "certificate")
        #expect(created.status == 0, "\(created)")
        try await withThrowingTaskGroup(of: Outcome.self) { group in
            for _ in 0..<8 { group.addTask { try await sandbox.agent("status") } }
            for try await outcome in group { #expect(outcome.status == 0, "\(outcome)") }
        }
        await sandbox.end()
    }
}
