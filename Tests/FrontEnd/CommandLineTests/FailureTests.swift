import ACME
import ACMEClient
import AgentInterface
import CertificateStore
import ConfigurationFile
import Issuance
import StrictJSON
import TestSupport
import Testing

@testable import acme_agent

/// What users and scripts are told, and the program's exit status.
@Suite struct FailureTests {
    private static let url = try? ACMEURL("https://ca.example/order/1")

    private static func problem(_ kind: String, _ detail: String, status: Int = 403) -> Problem {
        Problem(type: "urn:ietf:params:acme:error:\(kind)", detail: detail, status: status)
    }

    private func failure(_ problem: Problem, status: Int = 403, retryAfter: Int64? = nil) throws -> Failure {
        Failure(ACMEClientError.problem(problem, status: status, url: try #require(Self.url), retryAfter: retryAfter))
    }

    @Test func refusalsOfTheAgent() {
        let failure = Failure(
            AgentError.refused(
                reason: "identifier", message: "the agent refused to sign for \"db.example.org\"",
                hint: "grant \"web\" covers *.www.example.org only"))
        #expect(failure.exitStatus == .refused)
        #expect(
            failure.lines == [
                "acme-agent: error: the agent refused to sign for \"db.example.org\"",
                "acme-agent: hint: grant \"web\" covers *.www.example.org only",
            ])
    }

    @Test func anErrorOfTheAgentSaysWhichCallItWas() throws {
        let failure = Failure(AgentError.keyExists(name: "web", correlation: "4711-12-3\u{1B}"))
        #expect(
            failure.lines == [
                "acme-agent: error: a key named \"web\" already exists",
                "acme-agent: hint: choose another name, or use the existing key",
                "acme-agent: in the agent's log and audit trail: correlation 4711-12-3\u{FFFD}",
            ])
        var json = JSONWriter()
        failure.write(to: &json)
        #expect(try JSONDocument(parsing: json.bytes).root.object().string("correlation") == "4711-12-3\u{FFFD}")
    }

    /// The same command may succeed later, unlike after other refusals.
    @Test func aRateThatIsUsedUpIsTemporary() throws {
        let failure = Failure(AgentError.rateExceeded(message: "m", hint: "h", retryAt: 1_795_942_398))
        #expect(failure.exitStatus == .temporary && failure.code == "rate-exceeded")
        func json(_ failure: Failure) throws -> JSONObject {
            var json = JSONWriter()
            failure.write(to: &json)
            return try JSONDocument(parsing: json.bytes).root.object()
        }
        #expect(try json(failure).string("retryAt") == "2026-11-29T08:53:18Z")
        let never = Failure(AgentError.rateExceeded(message: "m", hint: nil, retryAt: nil))
        #expect(try json(never).optionalString("retryAt") == nil && never.exitStatus == .temporary)
    }

    @Test(arguments: [
        ("certificateKey", "is retired", "the certificate's key is retired"), ("account", "is missing", "the account's URL is missing"),
        ("algorithm", "is missing", "the request's algorithm is missing"), ("token", "there is no token \"x\"", "there is no token \"x\""),
    ]) func whatIsWrongWithARequestHasASubject(parameter: String, message: String, sentence: String) {
        #expect(Failure(AgentError.invalidRequest(parameter: parameter, message: message)).message == sentence)
    }

    /// An answer that the agent would repeat ends an order; a temporary one leaves it for the next run.
    @Test func someRefusalsAreForGood() {
        let final: [AgentError] = [
            .refused(reason: "identifier", message: "m", hint: nil), .keyNotFound(name: "k"), .keyExists(name: "k"),
            .invalidRequest(parameter: "p", message: "m"),
        ]
        let passing: [AgentError] = [
            .tokenUnavailable(token: "t", reason: "r", message: "m", hint: nil), .signingFailed(message: "m", hint: nil),
            .auditUnavailable(message: "m", hint: nil), .overloaded(message: "m"), .keyUnusable(name: "k", message: "m"),
            .rateExceeded(message: "m", hint: nil, retryAt: nil),
        ]
        #expect(final.allSatisfy(\.isPolicyRefusal) && !passing.contains(where: \.isPolicyRefusal))
    }

    /// "Not yours" and "not found" look alike, to scripts too.
    @Test func aKeyThatIsNotThereIsRefused() {
        #expect(
            Failure(AgentError.keyNotFound(name: "x")).exitStatus
                == Failure(AgentError.refused(reason: "r", message: "m", hint: nil)).exitStatus)
        #expect(Failure(IssuanceError.keyMissing("x")).code == Failure(AgentError.keyNotFound(name: "x")).code)
    }

    @Test(arguments: [
        ("unauthorized", 403, acme_agent.ExitStatus.caRefused, "ca-refused"), ("rateLimited", 429, .temporary, "rate-limited"),
        ("serverInternal", 500, .temporary, "ca-unavailable"), ("accountDoesNotExist", 400, .caRefused, "no-account"),
    ]) func problemsOfTheCA(kind: String, status: Int, exit: acme_agent.ExitStatus, code: String) throws {
        let failure = try failure(Self.problem(kind, "because", status: status), status: status)
        #expect(failure.exitStatus == exit)
        #expect(failure.code == code)
        #expect(failure.message == "the CA at https://ca.example refused: because (\(kind))")
    }

    /// A CA that is down, whatever its proxy or database reports: exit 75, as Docs/cli.md promises.
    @Test(arguments: [500, 502, 503, 504, 521]) func aCAThatIsDown(status: Int) throws {
        let url = try #require(Self.url)
        let failures = [
            try failure(Self.problem("malformed", "no database", status: status), status: status), try failure(Problem(), status: status),
            Failure(ACMEClientError.unexpectedStatus(status, url: url, excerpt: "<html><h1>Bad Gateway</h1>")),
        ]
        for failure in failures {
            #expect(failure.exitStatus == .temporary && failure.code == "ca-unavailable")
            #expect(failure.hint?.contains("later") == true)
            #expect(!failure.message.contains("<"))
        }
        #expect(failures[2].message == "the CA answered https://ca.example/order/1 with HTTP status \(status)")
    }

    @Test func aProblemWithoutWordsSaysStatusAndWhatWasAsked() throws {
        #expect(
            try failure(Self.problem("malformed", ""), status: 400).message
                == "the CA answered https://ca.example/order/1 with HTTP status 400 (malformed) and gives no reason")
        #expect(
            try failure(Problem(), status: 403).message
                == "the CA answered https://ca.example/order/1 with HTTP status 403 and gives no reason")
    }

    /// What helps depends on the challenge that failed.
    @Test func theHintIsForTheChallengeThatWasUsed() throws {
        let name = try Identifier(argument: "www.example.org"), address = try Identifier(argument: "192.0.2.1")
        func failed(_ challenge: ChallengeType?) -> [IssuanceError.FailedIdentifier] {
            [.init(identifier: name, problem: nil, challenge: challenge)]
        }
        let dns = Failure(IssuanceError.notProven(failed(.dns01))).hint ?? ""
        #expect(dns.contains("DNS hook") && dns.contains("--dns-wait"))
        for challenge in [.http01, nil] as [ChallengeType?] {
            #expect(Failure(IssuanceError.notProven(failed(challenge))).hint?.contains("reach every name from outside") == true)
        }
        let timeout = IssuanceError.timedOut(waitingFor: "the CA", after: .seconds(1), problems: failed(.dns01))
        #expect(timeout.hint?.contains("--dns-wait") == true && timeout.hint?.contains("it resumes where it stopped") == true)
        let noDNS = IssuanceError.noSolver(address, offered: nil).hint ?? ""
        #expect(noDNS.contains("dns-01 cannot validate an IP address") && noDNS.contains("--webroot") && noDNS.contains("--http01-address"))
        #expect(noDNS.contains("--tls-alpn01-address"))
        #expect(IssuanceError.noSolver(try Identifier(argument: "*.example.org"), offered: nil).hint?.contains("--dns-hook") == true)
    }

    /// Commands in hints name the CA that the user named, and the certificate concerned.
    @Test func hintsNameTheCAAndTheCertificate() throws {
        let directory = try ACMEURL("https://ca.example/directory"), name = try CertificateName("www")
        #expect(
            Failure(IssuanceError.noAccount(directory: directory)).hint
                == "acme-agent account register --agree-tos --directory https://ca.example/directory")
        let unknown = try failure(Self.problem("accountDoesNotExist", "no", status: 400), status: 400)
        #expect(unknown.with(GivenOptions()).hint == "acme-agent account recover")
        #expect(
            unknown.with(GivenOptions(directory: directory.text)).hint
                == "acme-agent account recover --directory https://ca.example/directory")
        let gone = Failure(IssuanceError.certificateKeyMissing("www-2", of: name))
        #expect(gone.exitStatus == .refused && gone.code == "key-not-found")
        #expect(gone.hint?.hasSuffix("acme-agent renew www --new-key --force") == true)
        let unauthorized = ACMEClientError.problem(
            Self.problem("unauthorized", "not yours"), status: 403, url: try #require(Self.url), retryAfter: nil)
        let other = Failure(Revoke.failure(unauthorized, again: "acme-agent revoke www --by-certificate-key", orderedBy: nil, account: nil))
        #expect(other.hint?.hasSuffix("acme-agent revoke www --by-certificate-key") == true && other.exitStatus == .caRefused)
    }

    /// RFC 8555 §7.6: the certificate's own key revokes it, whosever account it is.
    @Test func aRevocationByAnotherAccountThanTheOneThatOrderedHasAHint() throws {
        let url = try #require(Self.url), own = try ACMEURL("https://ca.example/acct/1")
        let again = "acme-agent revoke www --by-certificate-key --serial 0a --reason superseded"
        func hint(_ error: any Error, orderedBy owner: ACMEURL?, account: ACMEURL?) -> String? {
            Failure(Revoke.failure(error, again: again, orderedBy: owner, account: account)).hint
        }
        let malformed = ACMEClientError.problem(Self.problem("malformed", "no", status: 400), status: 400, url: url, retryAfter: nil)
        let command = "the certificate's own key can revoke it: \(again)"
        #expect(hint(malformed, orderedBy: url, account: own) == "another account ordered this certificate; \(command)")
        #expect(hint(malformed, orderedBy: own, account: own)?.contains("--by-certificate-key") != true)
        #expect(hint(IssuanceError.noAccount(directory: url), orderedBy: own, account: nil) == "this needs no account; \(command)")
        let busy = ACMEClientError.problem(Self.problem("rateLimited", "slow", status: 429), status: 429, url: url, retryAfter: nil)
        #expect(hint(busy, orderedBy: url, account: own)?.contains("--by-certificate-key") != true)
    }

    @Test func whatTheDirectoryLacksIsNamed() throws {
        let failure = Failure(ACMEClientError.notOffered("revokeCert", directory: try #require(Self.url)))
        #expect(failure.exitStatus == .caRefused && failure.message.contains("\"revokeCert\""))
    }

    @Test func subproblemsOfANameHaveTheirLines() throws {
        var problem = Self.problem("compound", "several")
        problem.subproblems = [Self.problem("caa", "CAA forbids it"), Self.problem("dns", "no answer")]
        let failure = Failure(IssuanceError.notProven([.init(identifier: try Identifier(argument: "a.example.org"), problem: problem)]))
        #expect(failure.lines[2...3] == ["    CAA forbids it (caa)", "    no answer (dns)"])
    }

    @Test func aRateLimitSaysHowLong() throws {
        #expect(try failure(Self.problem("rateLimited", "too many"), retryAfter: 5400).hint == "the CA asks you to wait 1 h 30 min")
    }

    @Test func subproblemsAreShownByIdentifier() throws {
        var problem = Self.problem("rejectedIdentifier", "some names")
        var part = Self.problem("caa", "CAA forbids\u{1B}[2J it")
        part.identifier = try Identifier(argument: "www.example.org")
        problem.subproblems = [part]
        let failure = try failure(problem)
        #expect(failure.lines[1] == "  www.example.org: CAA forbids\u{FFFD}[2J it (caa)")
        let json = try object(failure)
        let shown = try #require(try json.object("problem").array("subproblems").first).object()
        #expect(try shown.object("identifier").string("value") == "www.example.org")
        #expect(try shown.string("type").hasSuffix(":caa"))
    }

    @Test func namesThatWereNotProvenHaveTheirReasons() throws {
        let name = try Identifier(argument: "www.example.org")
        let failure = Failure(IssuanceError.notProven([.init(identifier: name, problem: Self.problem("connection", "refused"))]))
        #expect(failure.exitStatus == .validationFailed)
        #expect(
            failure.lines.prefix(2) == [
                "acme-agent: error: the CA could not verify that you control this name", "  www.example.org: refused (connection)",
            ])
        let json = try object(failure)
        #expect(try json.string("code") == "validation-failed")
        #expect(try json.integer("exitStatus") == 5)
        let shown = try #require(try json.array("identifiers").first).object()
        #expect(try shown.string("identifier") == "www.example.org")
    }

    @Test func whatAHookPrintedIsInDetails() throws {
        let failure = Failure(
            IssuanceError.deployFailed(try CertificateName("www"), reason: "/hook ended with exit code 3:\n  | one\n  | two\u{7}"))
        #expect(failure.message == "the certificate \"www\" is installed, but its deploy hook failed: /hook ended with exit code 3")
        #expect(failure.details == ["| one", "| two\u{FFFD}"])
    }

    @Test(arguments: [
        (TransportError.Kind.unreachable, acme_agent.ExitStatus.temporary, "ca-unreachable"), (.timeout, .temporary, "ca-unreachable"),
        (.tls, .caRefused, "ca-tls"), (.untrusted, .caRefused, "ca-tls"), (.tooLarge, .caRefused, "ca-protocol"),
        (.protocolError, .caRefused, "ca-protocol"),
    ]) func transport(kind: TransportError.Kind, exit: acme_agent.ExitStatus, code: String) throws {
        let origin = try #require(Self.url).origin
        let failure = Failure(ACMEClientError.transport(TransportError(kind, origin: origin, detail: "d")))
        #expect(failure.exitStatus == exit)
        #expect(failure.code == code)
    }

    @Test func configurationAndStore() {
        let configuration = Failure(ConfigurationError(file: "f.toml", line: 3, message: "is wrong", hint: "mend it"))
        #expect(configuration.lines == ["acme-agent: error: f.toml:3: is wrong", "acme-agent: hint: mend it"])
        #expect(configuration.exitStatus == .configuration)
        #expect(Failure(StoreError(.locked, message: "busy")).exitStatus == .temporary)
        #expect(Failure(StoreError(.storageFull, message: "full")).exitStatus == .temporary)
        #expect(Failure(StoreError(.damaged, message: "damaged")).exitStatus == .failed)
    }

    @Test func aTimeoutSaysWhatTheCASawMeanwhile() throws {
        let name = try Identifier(argument: "www.example.org")
        let failure = Failure(
            IssuanceError.timedOut(
                waitingFor: "the CA to validate the names", after: .seconds(300),
                problems: [.init(identifier: name, problem: Problem(type: "urn:ietf:params:acme:error:connection", detail: "refused"))]))
        #expect(failure.exitStatus == .temporary && failure.code == "timeout")
        #expect(failure.message == "gave up waiting for the CA to validate the names after 300 s")
        #expect(failure.lines.contains { $0.contains("www.example.org") && $0.contains("refused (connection)") }, "\(failure.lines)")
    }

    /// Messages follow age's style: lower case, no full stop.
    @Test func sentencesAreInOneManner() throws {
        let all: [Failure] = [
            Failure(AgentError.overloaded(message: "too much")), Failure(IssuanceError.noIdentifiers), Failure(CancellationError()),
            Failure(IssuanceError.timedOut(waitingFor: "x", after: .seconds(1))), Failure(IssuanceError.orderFailed(nil)),
            Failure(IssuanceError.askedToWait(seconds: 90, reason: "r")), try failure(Self.problem("malformed", "m")),
        ]
        for failure in all {
            #expect(failure.message.first?.isUppercase == false, "\(failure.message)")
            #expect(!failure.message.hasSuffix("."), "\(failure.message)")
        }
    }

    private func object(_ failure: Failure) throws -> JSONObject {
        var json = JSONWriter()
        failure.write(to: &json)
        return try JSONDocument(parsing: json.bytes).root.object()
    }
}
