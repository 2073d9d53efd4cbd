import Foundation
import Testing

/// Docs/operations.md, followed word for word by somebody who has nothing else.
@Suite(.timeLimit(.minutes(2))) struct FirstUseTests {
    @Test(.enabled(if: geteuid() == 0, "needs root")) func whoFollowsTheDocumentHasACertificate() async throws {
        var environment = ProcessInfo.processInfo.environment
        environment["ACME_AGENT_PROGRAMS"] = Program.folder
        environment["PEBBLE_VA_NOSLEEP"] = "1"
        let followed = try await Program.run("/bin/bash", ["Tests/Sandbox/first-use"], environment: environment)
        #expect(followed.status == 0, "\(followed)")
    }
}
