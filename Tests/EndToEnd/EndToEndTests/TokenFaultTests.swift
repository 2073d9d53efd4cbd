import Foundation
import Testing

/// Faults of the token (Tests/TokenFaults): no request fails because of one that passes, no signature is wrong, and no
/// key is left over. `make token-faults` runs all cases.
@Suite struct TokenFaultTests {
    private func run(_ arguments: String...) async throws -> Outcome {
        var environment = Program.environment
        environment["TMPDIR"] = FileManager.default.temporaryDirectory.path
        return try await Program.run(
            Program.folder + "/token-faults", ["--programs", Program.folder, "--root", Program.root] + arguments,
            environment: environment)
    }

    /// Another sample each day.
    @Test func aSampleOfFaultsIsOutlasted() async throws {
        let seed = UInt64(Date().timeIntervalSince1970 / 86_400)
        // Other tests run beside this one.
        let outcome = try await run("--seconds", "18", "--seed", "\(seed)", "--jobs", "4", "--recovery", "15")
        #expect(outcome.status == 0, "\(outcome)")
        #expect(outcome.output.contains("; no finding"), "\(outcome)")
    }
}
