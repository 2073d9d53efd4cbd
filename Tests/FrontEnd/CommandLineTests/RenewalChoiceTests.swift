import ACME
import CertificateStore
import TestSupport
import Testing

@testable import acme_agent

/// What `renew` and its timer take on.
@Suite struct RenewalChoiceTests {
    private func journal(_ steps: [JournalStep]) throws -> OrderJournal {
        OrderJournal(
            name: try CertificateName("www.example.org"), directory: try ACMEURL("https://ca.example/dir"),
            identifiers: [try Identifier(argument: "www.example.org")], accountKey: "account", started: 0, steps: steps)
    }

    @Test func aTimerResumesWhatWasCutOffAndLeavesWhatFailed() throws {
        let cutOff = try journal([.intentKey(name: "www", isNew: true)])
        let failed = try journal([.intentKey(name: "www", isNew: true), .finalized, .failed])
        for force in [false, true] {
            #expect(Renew.isToDo(nil, cutOff, isNamed: false, force: force, now: 0))
            #expect(Renew.isToDo(nil, cutOff, isNamed: true, force: force, now: 0))
            #expect(!Renew.isToDo(nil, failed, isNamed: false, force: force, now: 0))
            #expect(Renew.isToDo(nil, failed, isNamed: true, force: force, now: 0))
        }
    }
}
