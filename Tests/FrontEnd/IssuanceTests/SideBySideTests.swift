import ACME
import ACMEClient
import CertificateStore
import JOSE
import Synchronization
import TestSupport
import Testing

@testable import Issuance

/// What an issuance does concurrently, and what happens to the rest if one part fails.
@Suite struct SideBySideTests {
    @Test func aTokenThatTakesItsTimeForAKeyHoldsNothingUp() async throws {
        let bench = try Bench()
        // The key is made only after the CA was told that the challenge is ready.
        let keys = KeysInTheMaking(base: bench.keys) {
            for _ in 0..<5_000 where bench.solver.presented == 0 { try await Task.sleep(for: .milliseconds(2)) }
            #expect(bench.solver.presented == 1)
        }
        _ = try await bench.flow(keys: keys).issue(try Bench.request())
        #expect(bench.keys.names == ["www.example.org"])
    }

    @Test func aKeyThatFailsEndsTheOrderThatWasPlacedMeanwhile() async throws {
        let bench = try Bench()
        struct Failed: Error {}
        let keys = KeysInTheMaking(base: bench.keys) {
            for _ in 0..<5_000 where bench.solver.presented == 0 { try await Task.sleep(for: .milliseconds(2)) }
            throw Failed()
        }
        await #expect(throws: Failed.self) { try await bench.flow(keys: keys).issue(try Bench.request()) }
        #expect(bench.solver.isEmpty)
        #expect(!bench.ca.log.contains { $0.hasPrefix("POST /finalize/") })
        // Once the key can be made, that very order is resumed.
        _ = try await bench.flow().issue(try Bench.request())
        #expect(bench.ca.orderCount == 1)
    }

    /// Both have seen that it is due; the second checks again once it has the lock.
    @Test func aCertificateThatAnotherRunHasRenewedIsNotRenewedAgain() async throws {
        let bench = try Bench()
        let first = try await bench.flow().issue(try Bench.request()).certificate
        try await bench.time.sleep(for: .seconds(first.metadata.notAfter - first.metadata.notBefore))
        let isDue: @Sendable (StoredCertificate?, OrderJournal?) -> Bool = { stored, journal in
            journal != nil || stored.map { RenewalRule($0).isDue(bench.time.unixTime()) } == true
        }
        let request = try IssuanceFlow.renewalRequest(for: first)
        #expect(try await bench.flow().issue(request, ifStill: isDue)?.certificate.metadata.generation == 2)
        #expect(try await bench.flow().issue(request, ifStill: isDue) == nil)
        #expect(bench.ca.orderCount == 2)
        #expect(try await bench.store.certificate(named: first.name)?.metadata.generation == 2)
    }

    @Test func stepsThatAreRecordedSideBySideAreAllWritten() async throws {
        let bench = try Bench()
        let request = try Bench.request()
        let keeper = JournalKeeper(
            store: bench.store,
            journal: OrderJournal(
                name: request.name, directory: try bench.ca.directory, identifiers: request.identifiers, accountKey: "account", started: 0))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 1...50 {
                group.addTask {
                    if number.isMultiple(of: 2) {
                        try await keeper.record(.installed(generation: number))
                    } else {
                        await keeper.note([.installed(generation: number)])
                    }
                }
            }
            try await group.waitForAll()
        }
        try await keeper.write()
        let written = try #require(try await bench.store.journal(named: request.name))
        #expect(Set(written.steps) == Set((1...50).map { JournalStep.installed(generation: $0) }))
        #expect(await written == keeper.journal)
    }
}

/// Keys that each wait for something before they are made.
private struct KeysInTheMaking: KeyProvider {
    let base: SoftwareKeys
    let before: @Sendable () async throws -> Void

    func key(named name: KeyName) async throws -> ManagedKey? { try await base.key(named: name) }
    func createKey(named name: KeyName, algorithm: KeyAlgorithm, purpose: KeyPurpose) async throws -> ManagedKey {
        try await before()
        return try await base.createKey(named: name, algorithm: algorithm, purpose: purpose)
    }
    func retireKey(named name: KeyName) async throws { try await base.retireKey(named: name) }
    func deleteKey(named name: KeyName) async throws { try await base.deleteKey(named: name) }
    func signer(for key: ManagedKey) async throws -> any AccountSigner { try await base.signer(for: key) }
}
