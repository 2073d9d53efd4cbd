import ACME
import ACMEClient
import CertificateStore
import TestSupport
import Testing

@testable import Issuance

/// A failed challenge ends the order at once, with the CA's reason, whatever the CA leaves pending.
@Suite struct FailedChallengeTests {
    private func failing(_ change: (inout FakeCA.Behaviour) -> Void = { _ in }) throws -> Bench {
        var behaviour = FakeCA.Behaviour()
        behaviour.refusals = ["www.example.org": "connection refused"]
        behaviour.leavesOrdersPending = true
        change(&behaviour)
        return try Bench(behaviour)
    }

    private func expectFailure(_ bench: Bench, names: [String] = ["www.example.org"], within limit: Duration) async throws {
        await #expect { try await bench.flow().issue(try Bench.request(names)) } throws: { error in
            guard case .notProven(let failures)? = error as? IssuanceError else { return false }
            return failures.map(\.identifier.value) == ["www.example.org"] && failures[0].problem?.detail == "connection refused"
                && failures[0].challenge == .http01
        }
        #expect(bench.time.uptime() < limit)
        #expect(bench.solver.isEmpty && bench.keys.names.isEmpty)
        #expect(try await bench.store.journalNames().isEmpty)
        #expect(bench.eventNames.filter { $0 == "failed" }.count == 1)
    }

    @Test func theAuthorizationKnowsThatItFailed() async throws {
        let bench = try failing()
        try await expectFailure(bench, within: .seconds(2))
        #expect(bench.ca.log.count < 20)
    }

    @Test func onlyTheChallengeKnowsThatItFailed() async throws {
        try await expectFailure(try failing { $0.leavesAuthorizationsPending = true }, within: .seconds(2))
    }

    @Test func theAnswerToTheResponseKnowsIt() async throws {
        let bench = try failing {
            $0.leavesAuthorizationsPending = true
            $0.answersAtOnce = true
        }
        try await expectFailure(bench, within: .milliseconds(50))
        #expect(!bench.ca.log.contains { $0.hasPrefix("POST /order/") })
    }

    @Test func oneOfTenNamesIsNamed() async throws {
        let names = ["www.example.org"] + (1..<10).map { "n\($0).example.org" }
        try await expectFailure(try failing { $0.leavesAuthorizationsPending = true }, names: names, within: .seconds(3))
    }

    /// RFC 8555 §8.2: a challenge that is tried again shows its error while it is processing.
    @Test func anErrorIsShownAsItAppearsAndInTheMessageOfATimeout() async throws {
        let bench = try failing {
            $0.leavesAuthorizationsPending = true
            $0.keepsTrying = true
        }
        await #expect { try await bench.flow().issue(try Bench.request()) } throws: { error in
            guard case .timedOut(_, _, let problems)? = error as? IssuanceError else { return false }
            return problems.map(\.identifier.value) == ["www.example.org"] && "\(error)".contains("connection refused")
        }
        #expect(bench.eventNames.filter { $0 == "challenge-problem" }.count == 1)
        // The time is over, but the order is not: the next run resumes it.
        #expect(try await bench.store.journalNames().count == 1)
        #expect(bench.ca.log.count < 200)
    }

    /// Authorizations are fetched only if the order stays pending.
    @Test func aCAThatTakesAMomentIsAskedForItsOrderAlone() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.pendingPolls = 3
        let bench = try Bench(behaviour)
        _ = try await bench.flow().issue(try Bench.request())
        #expect(bench.ca.log.filter { $0.hasPrefix("POST /authz/") }.count == 1)
    }

    @Test func aSlowCAIsAskedForAuthorizationsNowAndThen() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.pendingPolls = 40
        let bench = try Bench(behaviour)
        _ = try await bench.flow().issue(try Bench.request((0..<10).map { "n\($0).example.org" }))
        // All are proven at the first fetch: none is fetched again.
        #expect(bench.ca.log.filter { $0.hasPrefix("POST /authz/") }.count == 20)
    }
}
