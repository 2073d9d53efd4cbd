import Foundation
import Testing

/// The independent verifier (Tests/Verifier): what the agent signs, and what it refuses, is what policy says.
@Suite struct SoakTests {
    private func verifier(_ arguments: String...) async throws -> Outcome {
        var environment = Program.environment
        environment["TMPDIR"] = FileManager.default.temporaryDirectory.path
        return try await Program.run(Program.folder + "/verifier", arguments, environment: environment)
    }

    /// A seed that is the same in every run, and another one each day. `make soak-policy` sends more calls.
    @Test(arguments: [1, UInt64(Date().timeIntervalSince1970 / 86_400)])
    func tenThousandCallsAreAnsweredAsPolicySays(_ seed: UInt64) async throws {
        let outcome = try await verifier("--programs", Program.folder, "--count", "5000", "--seed", "\(seed)")
        #expect(outcome.status == 0, "\(outcome)")
        #expect(outcome.output.contains("; no finding"), "\(outcome)")
    }

    /// 64 clients while helper, token, disk and configuration fail and change. `make soak` takes as long as one likes.
    @Test func noReplyIsLostDoubledOrWrongWhileEverythingFailsAndHeals() async throws {
        let outcome = try await verifier("--programs", Program.folder, "--soak", "20", "--seed", "1")
        // Once in 33,000 calls, with 24 helpers killed; the finding names the object.
        let isOrphaned = outcome.output.contains(" objects that belong to no key; entries")
        withKnownIssue("an object that belongs to no key may stay in the token when a helper is killed", isIntermittent: true) {
            #expect(!isOrphaned, "\(outcome)")
        }
        if !isOrphaned {
            #expect(outcome.status == 0, "\(outcome)")
            #expect(outcome.output.hasSuffix("\nno finding\n"), "\(outcome)")
        }
        for what in ["helper killed", "token fault", "disk full", "configuration reloaded"] {
            #expect(outcome.output.contains("| \(what) | "), "\(outcome)")
        }
    }

    @Test func theVerifierFindsForgedReplies() async throws {
        let outcome = try await verifier("--self-test")
        #expect(outcome.status == 0, "\(outcome)")
        #expect(outcome.output.hasSuffix(", 0 not\n"), "\(outcome)")
    }

    /// What each operation's signature may be taken for at a lenient CA: the verifier's table and the threat model's.
    @Test func theVerifiersTableIsTheThreatModels() async throws {
        let outcome = try await verifier("--table", Program.root + "/Docs/threat-model.md")
        #expect(outcome.status == 0, "\(outcome)")
    }
}
