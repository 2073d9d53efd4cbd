import ACME
import ACMEClient
import CertificateStore
import Synchronization
import TestSupport
import Testing

@testable import Issuance

/// An earlier run's order that cannot be completed is replaced by a new one; otherwise it is resumed.
@Suite struct ResumedOrderTests {
    /// Where a first run is interrupted.
    enum Place: CaseIterable { case pending, finalized }

    /// An interrupted run, and the same store with the same keys for the next one.
    private func interrupted(_ place: Place) async throws -> Bench {
        let bench = try Bench()
        let path = place == .pending ? "/authz/" : "/finalize/"
        bench.ca.change { behaviour in
            behaviour.intercept = { request, _ in
                // The request may arrive; its answer never does.
                request.url.path.hasPrefix(path) ? HTTPResponse(status: 503, headers: ["Retry-After": "100000"]) : nil
            }
        }
        await #expect(throws: ACMEClientError.self) { try await bench.flow().issue(try Bench.request()) }
        bench.ca.change { $0.intercept = nil }
        #expect(try await bench.store.journal(named: try CertificateName("www.example.org"))?.order != nil)
        bench.ca.clearLog()
        bench.events.withLock { $0 = [] }
        return bench
    }

    private func expectNewOrder(_ bench: Bench, _ comment: Comment) async throws {
        let outcome = try await bench.flow().issue(try Bench.request())
        #expect(outcome.certificate.metadata.generation == 1, comment)
        #expect(bench.ca.orderCount == 2, comment)
        #expect(bench.keys.names == ["www.example.org"], comment)
        #expect(bench.solver.isEmpty, comment)
        #expect(try await bench.store.journalNames().isEmpty, comment)
        #expect(bench.eventNames.contains("warning"), comment)
    }

    private static func answer(_ status: Int, _ type: String?) -> HTTPResponse {
        guard let type else { return HTTPResponse(status: status, headers: ["Content-Type": "text/html"], body: Array("{}".utf8)) }
        let body = #"{"type":"urn:ietf:params:acme:error:\#(type)","detail":"no","status":\#(status)}"#
        return HTTPResponse(status: status, headers: ["Content-Type": "application/problem+json"], body: Array(body.utf8))
    }

    /// A CA's answers to requests about the first order.
    static let answers: [(Int, String?)] = [
        (400, "malformed"), (403, "unauthorized"), (404, "malformed"), (404, nil), (403, nil), (410, nil), (200, nil), (500, nil),
    ]

    @Test("An order that the CA no longer shows", arguments: answers)
    func orders(_ status: Int, _ type: String?) async throws {
        let bench = try await interrupted(.pending)
        try await refuse("/order/0", status, type, bench)
    }

    @Test("An authorization that the CA no longer shows", arguments: answers)
    func authorizations(_ status: Int, _ type: String?) async throws {
        let bench = try await interrupted(.pending)
        try await refuse("/authz/0", status, type, bench)
    }

    @Test("A response that the CA refuses", arguments: [(400, "malformed"), (403, "unauthorized"), (404, nil)] as [(Int, String?)])
    func responses(_ status: Int, _ type: String?) async throws {
        let bench = try await interrupted(.pending)
        try await refuse("/chall/0", status, type, bench)
    }

    @Test(
        "A certificate request that the CA refuses",
        arguments: [(400, "badCSR"), (400, "malformed"), (403, "unauthorized"), (404, nil), (200, nil)] as [(Int, String?)])
    func finalize(_ status: Int, _ type: String?) async throws {
        let bench = try await interrupted(.finalized)
        try await refuse("/finalize/0", status, type, bench)
    }

    @Test("A certificate that the CA does not return", arguments: answers.filter { $0.0 != 500 })
    func certificates(_ status: Int, _ type: String?) async throws {
        let bench = try await interrupted(.finalized)
        try await refuse("/cert/0", status, type, bench)
    }

    /// The certificate request may have arrived: a CA that is down for a moment must not cost the certificate.
    @Test("While the CA is down, a certificate that may have been issued is awaited for a day", arguments: ["/order/0", "/cert/0"])
    func outages(_ path: String) async throws {
        let bench = try await interrupted(.finalized)
        let down = Self.answer(500, nil)
        bench.ca.change { $0.intercept = { request, _ in request.url.path.hasPrefix(path) ? down : nil } }
        await #expect { try await bench.flow().issue(try Bench.request()) } throws: { ($0 as? ACMEClientError)?.isOutage == true }
        #expect(bench.ca.orderCount == 1)
        let journal = try await bench.store.journal(named: try CertificateName("www.example.org"))
        #expect(journal?.hasFailed == false && journal?.order?.path == "/order/0")
        // A CA that has lost the order, and shows it only in this way, is not polled forever.
        try await bench.time.sleep(for: .seconds(86_400))
        try await expectNewOrder(bench, "a day later")
    }

    private func refuse(_ path: String, _ status: Int, _ type: String?, _ bench: Bench) async throws {
        let answer = Self.answer(status, type)
        bench.ca.change { $0.intercept = { request, _ in request.url.path.hasPrefix(path) ? answer : nil } }
        try await expectNewOrder(bench, "\(path): \(status) \(type ?? "without a problem")")
    }

    @Test("Authorizations that have changed", arguments: ["invalid", "expired", "deactivated", "revoked"])
    func endedAuthorizations(_ status: String) async throws {
        let bench = try await interrupted(.pending)
        bench.ca.change {
            $0.tamper = FakeCA.Behaviour.rewriting("/authz/0", #""status":"pending","ch"#, #""status":"\#(status)","ch"#).tamper
        }
        try await expectNewOrder(bench, "\(status)")
    }

    @Test("A challenge that failed under a pending authorization")
    func endedChallenge() async throws {
        let bench = try await interrupted(.pending)
        bench.ca.change {
            $0.tamper =
                FakeCA.Behaviour.rewriting("/authz/0", #""status":"pending"}"#, #""status":"invalid","error":{"detail":"no"}}"#).tamper
        }
        try await expectNewOrder(bench, "challenge")
    }

    @Test(
        "An order that is now for other names, or invalid",
        arguments: [("www.example.org", "evil.example"), ("\"pending\"", "\"invalid\"")])
    func otherOrders(_ old: String, _ new: String) async throws {
        let bench = try await interrupted(.pending)
        bench.ca.change { $0.tamper = FakeCA.Behaviour.rewriting("/order/0", old, new).tamper }
        try await expectNewOrder(bench, "\(new)")
    }

    /// A CA that is down says nothing about the order.
    @Test(arguments: [503, 429])
    func anOrderIsKeptWhereTheCAIsBusy(_ status: Int) async throws {
        let bench = try await interrupted(.pending)
        bench.ca.change { $0.intercept = { _, _ in HTTPResponse(status: status, headers: ["Retry-After": "100000"]) } }
        await #expect(throws: ACMEClientError.self) { try await bench.flow().issue(try Bench.request()) }
        bench.ca.change { $0.intercept = nil }
        let outcome = try await bench.flow().issue(try Bench.request())
        #expect(outcome.wasResumed && bench.ca.orderCount == 1)
    }

    /// RFC 8555 §8.2: the earlier run may have been interrupted before its response arrived, or the CA may have
    /// validated while no answer was presented.
    @Test func responsesAreSentAgain() async throws {
        let bench = try await interrupted(.pending)
        bench.ca.change {
            $0.tamper = FakeCA.Behaviour.rewriting("/authz/0", #""status":"pending"}"#, #""status":"processing"}"#).tamper
        }
        let outcome = try await bench.flow().issue(try Bench.request())
        #expect(outcome.wasResumed && bench.ca.orderCount == 1)
        #expect(bench.ca.log.filter { $0.hasPrefix("POST /chall/") }.count == 1)
    }

    /// A CA that is validating may refuse a second response: the order decides, and a refused response is not reported
    /// as sent.
    @Test func aRefusedSecondResponseIsNoFailure() async throws {
        let bench = try await interrupted(.pending)
        let answer = Self.answer(400, "malformed")
        let processing = FakeCA.Behaviour.rewriting("/authz/0", #""status":"pending"}"#, #""status":"processing"}"#).tamper
        bench.ca.change { behaviour in
            behaviour.tamper = { request, response in
                request.url.path.hasPrefix("/chall/") ? answer : processing?(request, response) ?? response
            }
        }
        let outcome = try await bench.flow().issue(try Bench.request())
        #expect(outcome.wasResumed && bench.ca.orderCount == 1)
        #expect(!bench.eventNames.contains("challenge-answered"))
    }

    /// An account keeps its URL when its key changes (RFC 8555 §7.3.5).
    @Test func anOrderIsResumedByTheAccountsNewKey() async throws {
        let bench = try await interrupted(.pending)
        var journal = try #require(try await bench.store.journal(named: try CertificateName("www.example.org")))
        journal.accountKey = "old-account"
        try await bench.store.write(journal)
        let outcome = try await bench.flow().issue(try Bench.request())
        #expect(outcome.wasResumed && bench.ca.orderCount == 1)
    }

    @Test func anOrderOfAnotherAccountIsNotResumed() async throws {
        let bench = try await interrupted(.pending)
        let name = try CertificateName("www.example.org")
        let journal = try #require(try await bench.store.journal(named: name))
        #expect(journal.account == bench.account)
        var other = journal
        other.account = try ACMEURL("https://ca.test/acct/other")
        try await bench.store.write(other)
        let outcome = try await bench.flow().issue(try Bench.request())
        #expect(!outcome.wasResumed && bench.ca.orderCount == 2)
        #expect(!bench.ca.log.contains("POST /order/0") && bench.keys.names == ["www.example.org"])
    }
}
