import ACME
import CertificateStore
import StrictJSON

/// dns-01 (RFC 8555 §8.4) with the user's program, which creates and removes a TXT record.
///
/// It is called as `PROGRAM present NAME VALUE` and `PROGRAM cleanup NAME VALUE`, where NAME is
/// `_acme-challenge.example.org`. It also gets the same values in the environment (`ACME_AGENT_ACTION`,
/// `ACME_AGENT_RECORD_NAME`, `ACME_AGENT_RECORD_VALUE`, `ACME_AGENT_IDENTIFIER`) and as a JSON object on standard input
/// (`action`, `name`, `value`, `identifier`, `type`). No shell is involved. The program
/// - MUST exit with 0 only if the record was created (removed);
/// - MUST support several values for one name: a wildcard and its base name are validated concurrently;
/// - MUST succeed at `cleanup` if there is no such record;
/// - SHOULD return from `present` only when the authoritative servers show the record.
public struct DNS01Hook: ChallengeSolver {
    /// Concurrent programs: more would only hit the DNS provider's rate limit.
    static let maximumPrograms = 8

    private let program: ExternalProgram
    private let settle: Duration
    private let gate = Gate(limit: DNS01Hook.maximumPrograms)

    /// - Parameters:
    ///   - settle: how long to wait after `present`, for providers whose servers are slower than their API claims.
    public init(program: ExternalProgram, settle: Duration = .zero) {
        self.program = program
        self.settle = settle
    }

    public var type: ChallengeType { .dns01 }

    /// RFC 8738 §7: dns-01 must not be used for an IP address.
    public func canSolve(_ identifier: Identifier) -> Bool {
        if case .dns = identifier { return true }
        return false
    }

    public func check() throws {
        do throws(ExternalProgramError) { try program.check() } catch {
            throw IssuanceError.solver(
                nil, reason: "the DNS hook cannot be used: \(error.description)", hint: "--dns-hook names a program that this user may run")
        }
    }

    /// The record's name (RFC 8555 §8.4); a wildcard is validated at the name after its `*.` (§7.1.4).
    public static func recordName(_ identifier: Identifier) -> String {
        if case .dns(let name) = identifier { return "_acme-challenge." + name.base }
        return "_acme-challenge." + identifier.value
    }

    public func target(of identifier: Identifier, _ keyAuthorization: KeyAuthorization) -> String { Self.recordName(identifier) }

    public func present(_ answer: ChallengeAnswer) async throws {
        do {
            try await run("present", Self.recordName(answer.identifier), answer.keyAuthorization.dns01Value, answer.identifier)
        } catch let error as ExternalProgramError {
            throw IssuanceError.solver(
                answer.identifier, reason: error.description,
                hint: "the DNS hook must exit with 0 once the TXT record is in place; to try it: HOOK present "
                    + "\(Self.recordName(answer.identifier)) VALUE")
        }
    }

    public func waitUntilVisible(_ answer: ChallengeAnswer) async throws {
        if settle > .zero { try await Task.sleep(for: settle) }
    }

    public func cleanUp(_ answer: ChallengeAnswer) async throws {
        try await run("cleanup", answer.target, answer.keyAuthorization.dns01Value, answer.identifier)
    }

    private func run(_ action: String, _ name: String, _ value: String, _ identifier: Identifier) async throws {
        var input = JSONWriter()
        input.beginObject()
        input.member("action", action)
        input.member("type", type.rawValue)
        input.member("identifier", identifier.value)
        input.member("name", name)
        input.member("value", value)
        input.endObject()
        let environment = [
            "ACME_AGENT_ACTION": action, "ACME_AGENT_RECORD_NAME": name, "ACME_AGENT_RECORD_VALUE": value,
            "ACME_AGENT_IDENTIFIER": identifier.value,
        ]
        await gate.enter()
        do {
            try await program.run([action, name, value], environment: environment, input: input.bytes + [0x0A])
            await gate.leave()
        } catch {
            await gate.leave()
            throw error
        }
    }
}
