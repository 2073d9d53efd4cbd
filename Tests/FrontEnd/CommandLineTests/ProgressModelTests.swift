import ACME
import CertificateStore
import Issuance
import TestSupport
import Testing

@testable import acme_agent

/// The progress lines of an order.
@Suite struct ProgressModelTests {
    private let url: ACMEURL
    private let name: Identifier
    private let other: Identifier

    init() throws {
        url = try ACMEURL("https://ca.example/x")
        name = try Identifier(argument: "www.example.org")
        other = try Identifier(argument: "192.0.2.1")
    }

    @Test func whatTheCASaysOfAChallengeIsTold() {
        var model = ProgressModel(isVerbose: false)
        let problem = Problem(type: "urn:ietf:params:acme:error:connection", detail: "refused\u{1B}")
        let lines = model.apply(.challengeProblem(name, problem)).map(\.text)
        #expect(lines.count == 1 && lines[0].hasPrefix("  www.example.org: the CA could not validate the challenge yet: refused"))
        #expect(lines[0].unicodeScalars.allSatisfy { TerminalText.isSafe($0) })
    }

    @Test func anOrderIsTold() {
        var model = ProgressModel(isVerbose: false)
        var lines: [String] = []
        let events: [IssuanceEvent] = [
            .signed(.newOrder(NewOrder(identifiers: [name, other])), url: url, key: "account-ca"),
            .orderCreated(url, identifiers: [name, other]), .signed(.postAsGet, url: url, key: "account-ca"),
            .authorizationReused(other), .authorizationPending(name), .challengePresented(name, .http01, target: "here"),
            .signed(.respondToChallenge, url: url, key: "account-ca"), .challengeAnswered(name, .http01), .validated(name),
        ]
        for event in events { lines += model.apply(event).map(\.text) }
        #expect(
            lines == [
                "key account-ca signed an order for www.example.org, 192.0.2.1",
                "ordered www.example.org and 192.0.2.1: https://ca.example/x",
                "  192.0.2.1: already validated by the CA",
                "  www.example.org: told the CA that the http-01 challenge is ready (signed by key account-ca)",
                "  www.example.org: validated",
            ])
        #expect(!model.entries.contains { !$0.isDone })
        #expect(model.summary == ["key account-ca signed 3 requests: 1 new-order, 1 post-as-get, 1 respond-to-challenge"])
    }

    @Test(arguments: [
        (EarlierEnd.interruption, "resuming the interrupted order for www.example.org"),
        (.failure, "retrying the order for www.example.org, which failed before"),
        (.installation, "www.example.org is already installed; completing the remaining steps"),
    ]) func whatIsGoneOnWithIsCalledByItsName(end: EarlierEnd, line: String) {
        var model = ProgressModel(isVerbose: false)
        #expect(model.apply(.resumed(CertificateName(name), order: url, after: end)).map(\.text) == [line])
    }

    @Test func whyARequestIsSignedAgainIsSaid() {
        var model = ProgressModel(isVerbose: false)
        let order = IssuanceEvent.signed(.newOrder(NewOrder(identifiers: [name])), url: url, key: "account-ca")
        #expect(model.apply(order).map(\.text) == ["key account-ca signed an order for www.example.org"])
        #expect(model.apply(.nonceRefused(url: url)).isEmpty)
        #expect(
            model.apply(order).map(\.text) == [
                "key account-ca signed an order for www.example.org again: the CA refused the nonce"
            ])
        #expect(model.apply(order).map(\.text) == ["key account-ca signed an order for www.example.org"])
    }

    @Test func theCAIsWaitedForBeforeAnythingIsSigned() {
        var model = ProgressModel(isVerbose: false)
        #expect(model.apply(.asking(url.origin)).isEmpty)
        #expect(model.waitsFor == "the CA at https://ca.example")
    }

    @Test func stepsOfANameAreNoLastingLines() {
        var model = ProgressModel(isVerbose: false)
        #expect(model.apply(.authorizationPending(name)).isEmpty)
        #expect(model.entries == [.init(identifier: "www.example.org", state: "to be validated")])
        #expect(model.apply(.challengeAnswered(name, .dns01)).map(\.kind) == [.step])
        #expect(model.apply(.failed(name, Problem(detail: "no\u{1B}"))).map(\.kind) == [.lasting])
    }

    /// It was printed when `present` failed; the next lines would repeat it for each name and each run.
    @Test func whatAProgramPrintedIsNotRepeatedByTheCleanUp() {
        let event = IssuanceEvent.cleanUpFailed(name, target: "t", reason: "/hook ended with exit code 3:\n  | one\n  | two")
        var model = ProgressModel(isVerbose: false), verbose = ProgressModel(isVerbose: true)
        let text = "acme-agent: warning: the challenge for www.example.org could not be removed (t): /hook ended with exit code 3"
        #expect(model.apply(event).map(\.text) == [text])
        #expect(verbose.apply(event).map(\.text) == [text + "\n  | one\n  | two"])
    }

    /// The command's result says it.
    @Test func aRevocationIsSaidOnce() throws {
        var model = ProgressModel(isVerbose: false)
        #expect(model.apply(.revoked(nil, serial: "01")).isEmpty)
    }

    @Test func warningsAreMarkedAndSafe() {
        var model = ProgressModel(isVerbose: false)
        let lines = model.apply(.cleanUpFailed(name, target: "t\u{9B}", reason: "r"))
        #expect(
            lines == [
                .init(text: "acme-agent: warning: the challenge for www.example.org could not be removed (t\u{FFFD}): r", kind: .warning)
            ])
    }

    @Test func whatIsWaitedForIsNamed() {
        var model = ProgressModel(isVerbose: false)
        #expect(model.apply(.waiting(seconds: 0.5, reason: "for the certificate")).isEmpty)
        #expect(model.waitsFor == "the certificate")
        #expect(model.apply(.waiting(seconds: 4.2, reason: "for the certificate")).map(\.text) == ["waiting 5 s for the certificate"])
        #expect(
            model.apply(.waiting(seconds: 90, reason: "the CA's rate limit")).map(\.text) == ["waiting 1 min 30 s: the CA's rate limit"])
        #expect(model.apply(.waiting(seconds: .infinity, reason: "x")).count == 1)
        #expect(model.apply(.waiting(seconds: .nan, reason: "x")).isEmpty)
    }

    @Test func verboseShowsEverySignature() {
        var model = ProgressModel(isVerbose: true)
        #expect(model.apply(.signed(.postAsGet, url: url, key: "k")).map(\.text) == ["fetched: https://ca.example/x (signed by key k)"])
    }
}
