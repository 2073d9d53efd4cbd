import ACME
import ACMEClient
import CertificateStore
import DurableFile
import JOSE
import Synchronization
import TestSupport
import Testing

@testable import Issuance

/// A failed order is not an interrupted one: no timer tries it again, and nothing of it is left.
@Suite struct EndedOrderTests {
    private func expectNothing(_ bench: Bench, _ comment: Comment) async throws {
        #expect(bench.keys.names.isEmpty, comment)
        #expect(bench.solver.isEmpty, comment)
        #expect(try await bench.store.journalNames().isEmpty, comment)
        let folders = (try? DurableFile.names(in: bench.store.folder + "/certificates")) ?? []
        #expect(folders.isEmpty, comment)
    }

    /// A CA whose authorizations cannot be fetched at the moment.
    private static let busy: @Sendable (HTTPRequest, Int) -> HTTPResponse? = { request, _ in
        request.url.path.hasPrefix("/authz/") ? HTTPResponse(status: 503, headers: ["Retry-After": "100000"]) : nil
    }

    @Test func aFailedValidationLeavesNothing() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.refusals = ["www.example.org": "connection refused"]
        let bench = try Bench(behaviour)
        await #expect(throws: IssuanceError.self) { try await bench.flow().issue(try Bench.request()) }
        try await expectNothing(bench, "validation")
    }

    /// The token is still making the key when the order fails: the key is not left in the token.
    @Test func aKeyInTheMakingIsTakenBack() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.refusals = ["www.example.org": "connection refused"]
        behaviour.leavesOrdersPending = true
        let bench = try Bench(behaviour)
        let keys = SlowKeys(base: bench.keys) { bench.eventNames.contains("failed") }
        await #expect { try await bench.flow(keys: keys).issue(try Bench.request()) } throws: { error in
            guard case .notProven? = error as? IssuanceError else { return false }
            return true
        }
        #expect(bench.keys.made == 1)
        try await expectNothing(bench, "slow key")
    }

    /// A user who no longer has grants: the timer does not retry forever.
    @Test func anOrderWhoseKeyMayNotEvenBeSeenIsOver() async throws {
        let bench = try Bench()
        bench.ca.change { $0.intercept = Self.busy }
        await #expect(throws: ACMEClientError.self) { try await bench.flow().issue(try Bench.request()) }
        await #expect(throws: NoKeys.Refused.self) { try await bench.flow(keys: NoKeys()).issue(try Bench.request()) }
        #expect(try await bench.store.journal(named: try CertificateName("www.example.org"))?.hasFailed == true)
        bench.ca.change { $0.intercept = nil }
        let outcome = try await bench.flow().issue(try Bench.request())
        #expect(outcome.wasResumed && bench.ca.orderCount == 1)
    }

    /// No flow can be created for it: the account is gone.
    @Test func anOrderWithoutAnAccountIsOver() async throws {
        let bench = try Bench(), name = try CertificateName("www.example.org")
        bench.ca.change { $0.intercept = Self.busy }
        await #expect(throws: ACMEClientError.self) { try await bench.flow().issue(try Bench.request()) }
        func hasFailed(after error: any Error) async throws -> Bool? {
            await IssuanceFlow.endOrder(named: name, at: try bench.ca.directory, in: bench.store, after: error)
            return try await bench.store.journal(named: name)?.hasFailed
        }
        #expect(try await hasFailed(after: CancellationError()) == false)
        #expect(try await hasFailed(after: IssuanceError.timedOut(waitingFor: "x", after: .seconds(1))) == false)
        // The second CA's failure is not about an order at the first one.
        let gone = IssuanceError.noAccount(directory: try bench.ca.directory), other = try ACMEURL("https://other.example/dir")
        await IssuanceFlow.endOrder(named: name, at: other, in: bench.store, after: gone)
        #expect(try await bench.store.journal(named: name)?.hasFailed == false)
        #expect(try await hasFailed(after: gone) == true)
    }

    @Test func aSolverThatFailsLeavesNothing() async throws {
        let bench = try Bench()
        let solver = BrokenSolver(base: bench.solver, failsAtCleanUp: false)
        await #expect(throws: IssuanceError.self) { try await bench.flow(solvers: [solver]).issue(try Bench.request()) }
        try await expectNothing(bench, "solver")
    }

    /// A challenge that could not be removed stays recorded for the next request for the certificate; the order is
    /// over.
    @Test func aChallengeThatStaysIsRememberedAndTheOrderIsOver() async throws {
        let bench = try Bench()
        let solver = BrokenSolver(base: bench.solver, failsAtCleanUp: true)
        await #expect(throws: IssuanceError.self) { try await bench.flow(solvers: [solver]).issue(try Bench.request()) }
        let journal = try #require(try await bench.store.journal(named: try CertificateName("www.example.org")))
        #expect(journal.hasFailed && journal.challengesToCleanUp.count == 1)
        #expect(bench.keys.names.isEmpty)
        let outcome = try await bench.flow().issue(try Bench.request())
        #expect(outcome.certificate.metadata.generation == 1 && bench.solver.isEmpty)
        #expect(try await bench.store.journalNames().isEmpty)
    }

    /// Policy lets its user make keys and delete none: what is left is listed, and the next order uses it.
    @Test func aKeyThatCannotBeDeletedIsNotForgotten() async throws {
        let bench = try Bench(), keys = UndeletableKeys(base: bench.keys), name = try CertificateName("www.example.org")
        let solver = BrokenSolver(base: bench.solver, failsAtCleanUp: false)
        await #expect(throws: IssuanceError.self) {
            try await bench.flow(solvers: [solver], keys: keys).issue(try Bench.request())
        }
        let journal = try #require(try await bench.store.journal(named: name))
        #expect(journal.hasFailed && journal.key == "www.example.org" && bench.keys.names == ["www.example.org"])
        let outcome = try await bench.flow(keys: keys).issue(try Bench.request())
        #expect(outcome.key.name == "www.example.org" && bench.keys.made == 1)
        #expect(try await bench.store.journalNames().isEmpty)
        // The same for a renewal with a new key: keys do not pile up.
        for _ in 0..<2 {
            await #expect(throws: IssuanceError.self) {
                try await bench.flow(solvers: [solver], keys: keys).renew(name) { $0.newKey = true }
            }
            #expect(bench.keys.names == ["www.example.org", "www.example.org-2"])
        }
        // Nobody wants the certificate any more.
        #expect(try await bench.store.journalNames() == [name])
        try await bench.flow(keys: keys).revoke(name, reason: .superseded)
        #expect(try await bench.store.journalNames().isEmpty)
    }

    /// A renewal keeps the key: that of a failed order is used only where a new one is wanted, or needed.
    @Test(arguments: [false, true]) func aFailedOrderDoesNotChangeTheKeyLater(isLost: Bool) async throws {
        let bench = try Bench(), keys = UndeletableKeys(base: bench.keys), name = try CertificateName("www.example.org")
        _ = try await bench.flow(keys: keys).issue(try Bench.request())
        bench.ca.change { $0.refusals = ["www.example.org": "connection refused"] }
        await #expect(throws: IssuanceError.self) { try await bench.flow(keys: keys).renew(name) { $0.newKey = true } }
        let journal = try #require(try await bench.store.journal(named: name))
        #expect(journal.hasFailed && journal.order != nil && !journal.isFinalizing && journal.key == "www.example.org-2")
        bench.ca.change { $0.refusals = [:] }
        if isLost { try await bench.keys.retireKey(named: "www.example.org") }
        let outcome = try await bench.flow(keys: keys).renew(name)
        #expect(outcome.key.name == (isLost ? "www.example.org-2" : "www.example.org") && bench.keys.made == 2)
        #expect(bench.keys.retired == (isLost ? ["www.example.org"] : []))
        #expect(try await bench.store.journalNames().isEmpty)
    }

    @Test(arguments: ["retired", "missing"])
    func aKeyThatCannotBeUsedLeavesNoJournal(_ state: String) async throws {
        let bench = try Bench()
        _ = try await bench.keys.createKey(named: "mine", algorithm: .p256, purpose: .certificate)
        try await bench.keys.retireKey(named: "mine")
        var request = try Bench.request()
        request.key = "mine"
        if state == "missing" {
            // Announced as an existing key, and deleted since.
            try await bench.keys.deleteKey(named: "mine")
            request.key = nil
            _ = try await bench.flow().issue(request)
            try await bench.keys.deleteKey(named: "www.example.org")
            await #expect(throws: IssuanceError.self) { try await bench.flow().renew(request.name) }
        } else {
            await #expect(throws: IssuanceError.self) { try await bench.flow().issue(request) }
            #expect(bench.ca.orderCount == 0)
        }
        #expect(try await bench.store.journalNames().isEmpty)
    }

    /// The CA may have issued the certificate nevertheless: the key stays, and so does the record of what it is for.
    @Test func anOrderThatFailsAtFinalizeKeepsItsKeyAndIsOver() async throws {
        let bench = try Bench()
        bench.ca.change { $0.certifiesAnotherKey = true }
        await #expect(throws: StoreError.self) { try await bench.flow().issue(try Bench.request()) }
        let name = try CertificateName("www.example.org")
        #expect(try await bench.store.journal(named: name)?.hasFailed == true)
        #expect(bench.keys.names == ["www.example.org"])
        #expect(try await KeyUse("www.example.org", in: bench.store).users.isEmpty)
        bench.ca.change { $0.certifiesAnotherKey = false }
        let outcome = try await bench.flow().issue(try Bench.request())
        #expect(outcome.key.name == "www.example.org" && bench.keys.made == 1)
        #expect(try await bench.store.journalNames().isEmpty)
    }

    /// A failing network, a busy CA or an unreachable agent: the order stays open.
    @Test func whatWasCutOffIsKept() async throws {
        let bench = try Bench()
        bench.ca.change { $0.intercept = Self.busy }
        await #expect(throws: ACMEClientError.self) { try await bench.flow().issue(try Bench.request()) }
        #expect(try await bench.store.journal(named: try CertificateName("www.example.org"))?.hasFailed == false)
    }

    /// `issue` is interrupted, then `revoke`: a timer does not replace what the user no longer wants.
    @Test func whatIsRevokedHasNoOrderThatATimerResumes() async throws {
        let bench = try Bench()
        let first = try await bench.flow().issue(try Bench.request())
        bench.ca.change { $0.intercept = Self.busy }
        await #expect(throws: ACMEClientError.self) { try await bench.flow().renew(first.certificate.name) { $0.newKey = true } }
        #expect(try await bench.store.journalNames().count == 1)
        bench.ca.change { $0.intercept = nil }
        try await bench.flow().revoke(first.certificate.name, reason: .superseded)
        #expect(try await bench.store.journalNames().isEmpty)
        #expect(bench.keys.names == ["www.example.org"])
    }

    /// Only its own last steps are left: the hook does not run for a revoked certificate.
    @Test func aRevokedCertificateIsNotDeployed() async throws {
        let bench = try Bench()
        struct Broken: Error {}
        await #expect(throws: IssuanceError.self) { try await bench.flow(deploy: { _ in throw Broken() }).issue(try Bench.request()) }
        let name = try CertificateName("www.example.org")
        try await bench.flow().revoke(name, reason: .superseded)
        let deployed = Mutex<[Int]>([])
        let outcome = try await bench.flow(deploy: { certificate in deployed.withLock { $0.append(certificate.metadata.generation) } })
            .issue(try Bench.request())
        #expect(outcome.certificate.metadata.generation == 2 && deployed.withLock { $0 } == [2])
    }
}

/// A token that completes a key later, even if nobody waits for it any longer.
private struct SlowKeys: KeyProvider {
    let base: SoftwareKeys
    let isTime: @Sendable () -> Bool

    func key(named name: KeyName) async throws -> ManagedKey? { try await base.key(named: name) }
    func createKey(named name: KeyName, algorithm: KeyAlgorithm, purpose: KeyPurpose) async throws -> ManagedKey {
        let making = Task {
            for _ in 0..<5_000 where !isTime() { try await Task.sleep(for: .milliseconds(2)) }
            return try await base.createKey(named: name, algorithm: algorithm, purpose: purpose)
        }
        for _ in 0..<5_000 where !isTime() { try await Task.sleep(for: .milliseconds(2)) }
        // A cancelled caller does not learn of the key.
        try await Task.sleep(for: .milliseconds(500))
        return try await making.value
    }
    func retireKey(named name: KeyName) async throws { try await base.retireKey(named: name) }
    func deleteKey(named name: KeyName) async throws { try await base.deleteKey(named: name) }
    func signer(for key: ManagedKey) async throws -> any AccountSigner { try await base.signer(for: key) }
}

/// An agent that deletes no key.
struct UndeletableKeys: KeyProvider {
    let base: SoftwareKeys

    func key(named name: KeyName) async throws -> ManagedKey? { try await base.key(named: name) }
    func createKey(named name: KeyName, algorithm: KeyAlgorithm, purpose: KeyPurpose) async throws -> ManagedKey {
        try await base.createKey(named: name, algorithm: algorithm, purpose: purpose)
    }
    func retireKey(named name: KeyName) async throws { try await base.retireKey(named: name) }
    func deleteKey(named name: KeyName) async throws { throw NoKeys.Refused() }
    func signer(for key: ManagedKey) async throws -> any AccountSigner { try await base.signer(for: key) }
}

/// An agent that grants its caller nothing.
private struct NoKeys: KeyProvider {
    struct Refused: PolicyRefusal {
        var isPolicyRefusal: Bool { true }
    }

    func key(named name: KeyName) async throws -> ManagedKey? { throw Refused() }
    func createKey(named name: KeyName, algorithm: KeyAlgorithm, purpose: KeyPurpose) async throws -> ManagedKey { throw Refused() }
    func retireKey(named name: KeyName) async throws { throw Refused() }
    func deleteKey(named name: KeyName) async throws { throw Refused() }
    func signer(for key: ManagedKey) async throws -> any AccountSigner { throw Refused() }
}

/// A program that cannot be run.
private struct BrokenSolver: ChallengeSolver {
    let base: MemorySolver
    let failsAtCleanUp: Bool
    var type: ChallengeType { base.type }
    func canSolve(_ identifier: Identifier) -> Bool { true }
    func target(of identifier: Identifier, _ keyAuthorization: KeyAuthorization) -> String { base.target(of: identifier, keyAuthorization) }
    func present(_ answer: ChallengeAnswer) async throws {
        try await base.present(answer)
        throw IssuanceError.solver(answer.identifier, reason: "the hook failed", hint: nil)
    }
    func cleanUp(_ answer: ChallengeAnswer) async throws {
        if failsAtCleanUp { throw IssuanceError.solver(answer.identifier, reason: "the hook failed", hint: nil) }
        try await base.cleanUp(answer)
    }
}
