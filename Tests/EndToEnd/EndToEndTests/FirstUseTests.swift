import Foundation
import Testing

/// Docs/operations.md and README.md, followed word for word by somebody who has nothing else.
@Suite(.timeLimit(.minutes(10))) struct FirstUseTests {
    @Test(.enabled(if: geteuid() == 0, "needs root")) func whoFollowsTheDocumentHasACertificate() async throws {
        try await follow("first-use")
    }

    @Test(.enabled(if: geteuid() == 0, "needs root")) func whoFollowsTheReadmeHasACertificate() async throws {
        try await follow("readme")
    }

    /// cron and sudo in place of timers and units.
    @Test(.enabled(if: geteuid() == 0, "needs root")) func whoHasNoSystemdRenewsByCron() async throws {
        try await follow("cron")
    }

    /// Changing the configuration, a full disk, backup and restoring; in `make test-long` also the audit trail.
    @Test(.enabled(if: geteuid() == 0, "needs root")) func whoFollowsTheDocumentLaterLosesNothing() async throws {
        try await follow("later")
    }

    private func follow(_ part: String) async throws {
        var environment = ProcessInfo.processInfo.environment
        environment["ACME_AGENT_PROGRAMS"] = Program.folder
        environment["PEBBLE_VA_NOSLEEP"] = "1"
        let followed = try await Program.run("/bin/bash", ["Tests/Sandbox/follow-operations", part], environment: environment)
        #expect(followed.status == 0, "\(followed)")
    }
}
