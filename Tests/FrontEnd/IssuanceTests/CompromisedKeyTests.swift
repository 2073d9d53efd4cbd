import ACME
import CertificateStore
import JOSE
import TestSupport
import Testing

@testable import Issuance

/// A compromised key gets no certificate again, even if the agent does not let this user retire it.
@Suite struct CompromisedKeyTests {
    /// A bench whose certificate is revoked for a compromised key that stays active.
    private func compromised() async throws -> Bench {
        let bench = try Bench()
        let first = try await bench.flow().issue(try Bench.request())
        try await bench.flow(keys: NoRetiring(base: bench.keys)).revoke(first.certificate.name, reason: .keyCompromise)
        #expect(bench.keys.retired.isEmpty && bench.ca.revocations.count == 1)
        #expect(try await bench.store.isCompromised(first.key.fingerprint))
        return bench
    }

    @Test func theNextCertificateHasAnotherKey() async throws {
        let bench = try await compromised()
        #expect(try await bench.flow().issue(try Bench.request()).key.name == "www.example.org-2")
        #expect(try await bench.flow().renew(try CertificateName("www.example.org")).key.name == "www.example.org-2")
    }

    private func warnings(_ bench: Bench) -> [String] {
        bench.events.withLock { events in
            events.compactMap { event -> String? in
                if case .warning(let text) = event { return text }
                return nil
            }
        }
    }

    @Test func aWarningSaysThatTheAgentStillSigns() async throws {
        let bench = try await compromised()
        let warnings = warnings(bench)
        #expect(warnings.contains { $0.contains("acme-agent keys retire www.example.org") }, "\(warnings)")
    }

    @Test func aKeyThatIsNamedIsRefusedBeforeAnythingIsOrdered() async throws {
        let bench = try await compromised()
        var request = try Bench.request()
        request.key = "www.example.org"
        let orders = bench.ca.orderCount
        for name in ["www.example.org", "other.example.org"] {
            request.name = try CertificateName(name)
            let named = request
            await #expect { try await bench.flow().issue(named) } throws: { error in
                guard case .keyCompromised("www.example.org", of: named.name)? = error as? IssuanceError else { return false }
                return true
            }
        }
        #expect(bench.ca.orderCount == orders)
        request.name = try CertificateName("www.example.org")
        request.newKey = true
        #expect(try await bench.flow().issue(request).key.name == "www.example.org-2")
    }

    @Test func anotherCertificateWithTheKeyGetsAnotherOne() async throws {
        let bench = try Bench()
        let first = try await bench.flow().issue(try Bench.request())
        var request = try Bench.request(["mail.example.org"])
        request.key = first.key.name
        let second = try await bench.flow().issue(request)
        #expect(second.key.fingerprint == first.key.fingerprint)
        try await bench.flow(keys: NoRetiring(base: bench.keys)).revoke(first.certificate.name, reason: .keyCompromise)
        let renewed = try await bench.flow().renew(second.certificate.name)
        #expect(renewed.key.fingerprint != first.key.fingerprint)
    }

    @Test func aForgottenCertificatesKeyIsRemembered() async throws {
        let bench = try await compromised()
        let name = try CertificateName("www.example.org")
        try await bench.store.removeCertificate(named: name)
        #expect(try await bench.flow().issue(try Bench.request()).key.name == "www.example.org-2")
    }

    /// The CA was down when the compromise was reported, and a timer replaced the certificate before the next try.
    @Test func theReportIsStillAboutTheReplacedCertificate() async throws {
        let bench = try Bench()
        let first = try await bench.flow().issue(try Bench.request()), name = first.certificate.name
        try await bench.store.markCompromised(CompromisedKey(key: first.certificate.metadata.key, reported: bench.time.unixTime()))
        let second = try await bench.flow().renew(name)
        #expect(warnings(bench).contains { $0.contains("is not revoked: acme-agent revoke www.example.org --reason keyCompromise") })
        try await bench.flow().revoke(name, reason: .keyCompromise)
        #expect(bench.ca.revocations == [first.certificate.chain.leafDER])
        #expect(try await bench.store.certificate(named: name)?.isRevoked == false)
        #expect(try await !bench.store.isCompromised(second.key.fingerprint))
        #expect(!bench.keys.retired.contains(second.key.name.rawValue))
        // The next report is about the current one.
        try await bench.flow().revoke(name, reason: .keyCompromise)
        #expect(bench.ca.revocations.last == second.certificate.chain.leafDER)
        #expect(try await bench.store.certificate(named: name)?.isRevoked == true)
        await #expect(throws: IssuanceError.self) { try await bench.flow().revoke(name, reason: .keyCompromise) }
        #expect(bench.ca.revocations.count == 2)
    }

    @Test func anInterruptedOrderForTheKeyIsNotResumed() async throws {
        let bench = try await compromised()
        let request = try Bench.request()
        try await bench.store.write(
            OrderJournal(
                name: request.name, directory: try bench.ca.directory, identifiers: request.identifiers, accountKey: "account",
                account: bench.account, started: bench.time.unixTime(), replacing: 1,
                steps: [.intentKey(name: "www.example.org", isNew: false), .orderCreated(try ACMEURL("https://ca.test/order/0"))]))
        let outcome = try await bench.flow().issue(request)
        #expect(outcome.key.name == "www.example.org-2" && !outcome.wasResumed)
    }

    @Test func aKeyThatWasMadeForAnOrderAndIsCompromisedMeanwhileIsNotUsed() async throws {
        let bench = try Bench()
        let request = try Bench.request()
        let key = try await bench.keys.createKey(named: "www.example.org", algorithm: .p256, purpose: .certificate)
        try await bench.store.markCompromised(
            CompromisedKey(key: KeyReference(name: key.name, fingerprint: key.fingerprint), reported: bench.time.unixTime()))
        try await bench.store.write(
            OrderJournal(
                name: request.name, directory: try bench.ca.directory, identifiers: request.identifiers, accountKey: "account",
                account: bench.account, started: bench.time.unixTime(),
                steps: [.intentKey(name: key.name, isNew: true), .keyMade(fingerprint: key.fingerprint)]))
        let outcome = try await bench.flow().issue(request)
        #expect(outcome.key.fingerprint != key.fingerprint)
    }

    /// A key is known by its fingerprint, not by its name.
    @Test func anotherKeyWithTheNameIsUsed() async throws {
        let bench = try await compromised()
        try await bench.keys.deleteKey(named: "www.example.org")
        let other = try await bench.keys.createKey(named: "www.example.org", algorithm: .p256, purpose: .certificate)
        #expect(try await bench.flow().issue(try Bench.request()).key.fingerprint == other.fingerprint)
        // Nor is it retired for the other's sake.
        let name = try CertificateName("old.example.org")
        var request = try Bench.request(["old.example.org"])
        request.key = "old"
        let first = try await bench.flow().issue(request)
        try await bench.keys.deleteKey(named: "old")
        _ = try await bench.keys.createKey(named: "old", algorithm: .p256, purpose: .certificate)
        try await bench.flow().revoke(name, reason: .keyCompromise)
        #expect(bench.keys.retired.isEmpty)
        #expect(try await bench.store.isCompromised(first.key.fingerprint))
    }

    @Test func otherReasonsLeaveTheKeyInUse() async throws {
        let bench = try Bench()
        let first = try await bench.flow().issue(try Bench.request())
        try await bench.flow().revoke(first.certificate.name, reason: .superseded)
        #expect(try await bench.flow().issue(try Bench.request()).key.fingerprint == first.key.fingerprint)
    }
}

/// An agent whose grants have no `retire-key`.
private struct NoRetiring: KeyProvider {
    struct Refused: PolicyRefusal {
        var isPolicyRefusal: Bool { true }
    }
    let base: SoftwareKeys

    func key(named name: KeyName) async throws -> ManagedKey? { try await base.key(named: name) }
    func createKey(named name: KeyName, algorithm: KeyAlgorithm, purpose: KeyPurpose) async throws -> ManagedKey {
        try await base.createKey(named: name, algorithm: algorithm, purpose: purpose)
    }
    func retireKey(named name: KeyName) async throws { throw Refused() }
    func deleteKey(named name: KeyName) async throws { try await base.deleteKey(named: name) }
    func signer(for key: ManagedKey) async throws -> any AccountSigner { try await base.signer(for: key) }
}
