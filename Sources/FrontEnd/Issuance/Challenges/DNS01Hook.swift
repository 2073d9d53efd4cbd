import ACME
import CertificateStore
import StrictJSON

/// dns-01 (RFC 8555 §8.4) or dns-account-01 with the user's program, which creates and removes a TXT record.
///
/// It is called as `PROGRAM present NAME VALUE` and `PROGRAM cleanup NAME VALUE`, where NAME is
/// `_acme-challenge.example.org`. It also gets the same values in the environment (`ACME_AGENT_ACTION`,
/// `ACME_AGENT_RECORD_NAME`, `ACME_AGENT_RECORD_VALUE`, `ACME_AGENT_IDENTIFIER`) and as a JSON object on standard input
/// (`action`, `name`, `value`, `identifier`, `type`). No shell is involved. The program
/// - MUST exit with 0 only if the record was created (removed);
/// - MUST support several values for one name: a wildcard and its base name are validated concurrently;
/// - MUST succeed at `cleanup` if there is no such record;
/// - SHOULD return from `present` only when the authoritative servers show the record.
///
/// Or it is called as another client calls its programs: see `HookProtocol`.
public struct DNS01Hook: ChallengeSolver {
    /// Concurrent programs: more would only hit the DNS provider's rate limit.
    static let maximumPrograms = 8
    /// Bytes of standard output that certbot's cleanup hook gets back: more than identifiers of records.
    private static let outputLimit = 64 * 1024

    private let program: ExternalProgram
    private let cleanupProgram: ExternalProgram?
    private let settle: Duration
    private let challenge: DNSChallenge
    private let hookProtocol: HookProtocol
    private let gate: Gate
    private let round = HookRound()

    /// - Parameters:
    ///   - settle: how long to wait after `present`, for providers whose servers are slower than their API claims.
    ///   - cleanup: the program that removes the record, for certbot's protocol; without one it stays.
    public init(
        program: ExternalProgram, settle: Duration = .zero, challenge: DNSChallenge = .dns01,
        protocol hookProtocol: HookProtocol = .acmeAgent, cleanup: ExternalProgram? = nil
    ) {
        var program = program, cleanup = hookProtocol == .certbot ? cleanup : program
        if hookProtocol == .certbot {
            // Only for http-01.
            program.environment = program.environment.without(["CERTBOT_TOKEN"])
            cleanup?.environment = program.environment
        }
        self.program = program
        self.settle = settle
        self.challenge = challenge
        self.hookProtocol = hookProtocol
        cleanupProgram = cleanup
        gate = HookGates.gate(of: program.path, hookProtocol)
    }

    public var type: ChallengeType { challenge.type }

    /// RFC 8738 §7: dns-01 must not be used for an IP address.
    public func canSolve(_ identifier: Identifier) -> Bool {
        if case .dns = identifier { return true }
        return false
    }

    public func check() throws {
        if hookProtocol == .certbot || hookProtocol == .legoRaw, case .dnsAccount01 = challenge {
            throw IssuanceError.solver(
                nil, reason: "hooks of the protocol \(hookProtocol.rawValue) are not told the record's name, which dns-account-01 needs",
                hint: "--hook-protocol acme-agent or lego, or --dns-challenge dns-01")
        }
        do throws(ExternalProgramError) { try program.check() } catch { throw Self.unusable("the DNS hook", "--dns-hook", error) }
        do throws(ExternalProgramError) { try cleanupProgram?.check() } catch {
            throw Self.unusable("the DNS cleanup hook", "--dns-cleanup-hook", error)
        }
    }

    private static func unusable(_ what: String, _ option: String, _ error: ExternalProgramError) -> IssuanceError {
        .solver(nil, reason: "\(what) cannot be used: \(error.description)", hint: "\(option) names a program that this user may run")
    }

    public func target(of identifier: Identifier, _ keyAuthorization: KeyAuthorization) -> String { challenge.recordName(identifier) }

    public func announce(_ answers: [ChallengeAnswer]) async { round.begin(answers.map { DNSChallenge.domain($0.identifier) }) }

    public func present(_ answer: ChallengeAnswer) async throws {
        do {
            try await oneAfterAnother { try await call("present", answer) }
        } catch let error as ExternalProgramError {
            let call = hookProtocol == .acmeAgent ? "; to try it: HOOK present \(answer.target) VALUE" : ""
            throw IssuanceError.solver(
                answer.identifier, reason: error.description,
                hint: "the DNS hook must exit with 0 once the TXT record is in place\(call)")
        }
    }

    public func waitUntilVisible(_ answer: ChallengeAnswer) async throws {
        if hookProtocol == .certbot {
            let haveEnded = await round.waitForAll(limit: program.timeout)
            try Task.checkCancellation()
            guard haveEnded else {
                throw IssuanceError.passing(
                    answer.identifier, reason: "the DNS hook has not run for all names of the order yet",
                    hint: "another order may be running the program: try again later")
            }
        }
        if settle > .zero { try await Task.sleep(for: settle) }
    }

    public func cleanUp(_ answer: ChallengeAnswer) async throws { try await oneAfterAnother { try await call("cleanup", answer) } }

    private func oneAfterAnother(_ body: () async throws -> Void) async throws {
        await gate.enter()
        do {
            try await body()
            await gate.leave()
        } catch {
            await gate.leave()
            throw error
        }
    }

    private func call(_ action: String, _ answer: ChallengeAnswer) async throws {
        let name = answer.target, value = answer.keyAuthorization.dns01Value
        switch hookProtocol {
        case .acmeAgent: try await callOwn(action, name, value, answer.identifier)
        case .lego: try await program.run([action, name + ".", value])
        case .legoRaw:
            try await program.run(
                [action, "--", DNSChallenge.domain(answer.identifier), answer.keyAuthorization.token, answer.keyAuthorization.text])
        case .certbot: try await callCertbots(action, answer)
        }
    }

    private func callOwn(_ action: String, _ name: String, _ value: String, _ identifier: Identifier) async throws {
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
        try await program.run([action, name, value], environment: environment, input: input.bytes + [0x0A])
    }

    private func callCertbots(_ action: String, _ answer: ChallengeAnswer) async throws {
        let domain = DNSChallenge.domain(answer.identifier), token = answer.keyAuthorization.token
        let value = answer.keyAuthorization.dns01Value
        if action == "present" {
            let variables = round.variables(domain, value)
            let output = try await program.standardOutput(environment: variables, limit: Self.outputLimit)
            round.end(token, variables, output: String(decoding: output, as: UTF8.self).trimmed)
        } else {
            try await cleanupProgram?.run([], environment: round.cleanUpVariables(token, domain, value))
        }
    }
}

extension String {
    /// Without white space at both ends.
    fileprivate var trimmed: String {
        let rest = drop { $0.isWhitespace }
        guard let last = rest.lastIndex(where: { !$0.isWhitespace }) else { return "" }
        return String(rest[...last])
    }
}
