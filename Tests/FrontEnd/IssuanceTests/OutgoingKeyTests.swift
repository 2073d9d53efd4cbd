import ACME
import CertificateStore
import JOSE
import TestSupport
import Testing

@testable import Issuance

/// A replaced key stays active until servers have loaded the new certificate.
@Suite struct OutgoingKeyTests {
    private static let grace = Duration.seconds(3_600)
    private let name: CertificateName

    init() throws { name = try CertificateName("www.example.org") }

    /// A bench whose certificate has just got a new key.
    private func renewed(_ choice: IssuanceRequest.OldKey = .retire) async throws -> Bench {
        let bench = try Bench()
        _ = try await bench.flow().issue(try Bench.request())
        _ = try await bench.flow(grace: Self.grace).renew(name) {
            $0.newKey = true
            $0.oldKey = choice
        }
        return bench
    }

    private func settle(_ bench: Bench, keys: (any KeyProvider)? = nil) async throws {
        let outgoing = OutgoingKeys(
            store: bench.store, keys: keys ?? bench.keys, time: bench.time,
            observer: { event in bench.events.withLock { $0.append(event) } })
        for key in try await OutgoingKeys.due(in: bench.store, at: bench.time.unixTime(), observer: { _ in }) { await outgoing.settle(key) }
    }

    private func warnings(_ bench: Bench) -> [String] {
        bench.events.withLock { events in
            events.compactMap { event -> String? in
                if case .warning(let text) = event { return text }
                return nil
            }
        }
    }

    @Test(arguments: [IssuanceRequest.OldKey.retire, .delete])
    func aReplacedKeyIsEndedWhenItsTimeIsOver(_ choice: IssuanceRequest.OldKey) async throws {
        let bench = try await renewed(choice)
        #expect(bench.eventNames.contains("key-outgoing"))
        try await bench.time.sleep(for: Self.grace - .seconds(1))
        try await settle(bench)
        #expect(bench.keys.retired.isEmpty && bench.keys.names.contains("www.example.org"))
        try await bench.time.sleep(for: .seconds(1))
        try await settle(bench)
        #expect(choice == .retire ? bench.keys.retired == ["www.example.org"] : !bench.keys.names.contains("www.example.org"))
        #expect(bench.keys.names.contains("www.example.org-2"))
        #expect(try await bench.store.outgoingKeys { _ in }.isEmpty)
    }

    /// Servers still serve with the old key.
    @Test func aDeployHookThatFailsLeavesTheOldKeyAlone() async throws {
        let bench = try Bench()
        struct Broken: Error {}
        _ = try await bench.flow().issue(try Bench.request())
        for grace in [Self.grace, .zero] {
            await #expect(throws: IssuanceError.self) {
                try await bench.flow(deploy: { _ in throw Broken() }, grace: grace).renew(name) { $0.newKey = true }
            }
            #expect(bench.keys.retired.isEmpty)
            #expect(try await bench.store.outgoingKeys { _ in }.isEmpty)
        }
        // The hook's time, not the installation's, is when the old key begins to go.
        try await bench.time.sleep(for: Self.grace)
        _ = try await bench.flow(deploy: { _ in }, grace: Self.grace).renew(name) { $0.newKey = true }
        #expect(try await bench.store.outgoingKeys { _ in }.map(\.due) == [bench.time.unixTime() + 3_600])
    }

    @Test func aCompromisedKeyGoesAtOnce() async throws {
        let bench = try Bench()
        let first = try await bench.flow().issue(try Bench.request())
        try await bench.store.markCompromised(CompromisedKey(key: first.certificate.metadata.key, reported: bench.time.unixTime()))
        _ = try await bench.flow(grace: Self.grace).renew(name)
        #expect(bench.keys.retired == ["www.example.org"])
        #expect(try await bench.store.outgoingKeys { _ in }.isEmpty)
    }

    @Test func aKeyThatIsInUseAgainStays() async throws {
        let bench = try await renewed()
        let record = try #require(try await bench.store.outgoingKeys { _ in }.first)
        var request = try Bench.request(["mail.example.org"])
        request.key = "www.example.org"
        _ = try await bench.flow(grace: Self.grace).issue(request)
        #expect(try await bench.store.outgoingKeys { _ in }.isEmpty)
        // A run that was cut off before it removed the record.
        try await bench.store.markOutgoing(record)
        try await bench.time.sleep(for: Self.grace)
        try await settle(bench)
        #expect(bench.keys.retired.isEmpty)
        #expect(warnings(bench).contains { $0.contains("\"www.example.org\" is kept") }, "\(warnings(bench))")
        #expect(try await bench.store.outgoingKeys { _ in }.isEmpty)
    }

    /// The last renewal decides, also against an earlier one of the same key.
    @Test(arguments: [IssuanceRequest.OldKey.retire, .keep])
    func afterARollbackTheNextRenewalDecides(_ choice: IssuanceRequest.OldKey) async throws {
        let bench = try await renewed(.delete)
        var request = try Bench.request()
        request.key = "www.example.org"
        request.oldKey = .keep
        _ = try await bench.flow(grace: Self.grace).issue(request)
        #expect(try await bench.store.outgoingKeys { _ in }.isEmpty)
        try await bench.time.sleep(for: Self.grace - .seconds(1))
        _ = try await bench.flow(grace: Self.grace).renew(name) {
            $0.newKey = true
            $0.oldKey = choice
        }
        let records = try await bench.store.outgoingKeys { _ in }
        #expect(records.map(\.due) == (choice == .keep ? [] : [bench.time.unixTime() + 3_600]))
        #expect(records.allSatisfy { $0.fate == .retire })
        try await bench.time.sleep(for: .seconds(2))
        try await settle(bench)
        #expect(bench.keys.names.contains("www.example.org") && bench.keys.retired.isEmpty)
    }

    /// A grant may be off for a while: the agent then refuses, or does not show the key.
    @Test(arguments: [BrokenRetiring.Fault.refused, .failed, .hidden])
    func aKeyThatTheAgentDoesNotEndIsTriedAgainForAWeek(_ fault: BrokenRetiring.Fault) async throws {
        let bench = try await renewed()
        let keys = BrokenRetiring(base: bench.keys, fault: fault)
        try await bench.time.sleep(for: Self.grace + .seconds(7 * 86_400))
        try await settle(bench, keys: keys)
        #expect(try await bench.store.outgoingKeys { _ in }.count == 1)
        try await bench.time.sleep(for: .seconds(1))
        try await settle(bench, keys: keys)
        #expect(try await bench.store.outgoingKeys { _ in }.isEmpty)
        let said = warnings(bench).filter { $0.contains("acme-agent keys retire www.example.org") }
        #expect(said.count == (fault == .hidden ? 0 : 1), "\(warnings(bench))")
    }

    @Test func aKeyOfTheSameNameIsLeftAlone() async throws {
        let bench = try await renewed()
        try await bench.keys.deleteKey(named: "www.example.org")
        _ = try await bench.keys.createKey(named: "www.example.org", algorithm: .p256, purpose: .certificate)
        try await bench.time.sleep(for: Self.grace)
        try await settle(bench)
        #expect(bench.keys.retired.isEmpty)
        #expect(try await bench.store.outgoingKeys { _ in }.isEmpty)
    }

    @Test func aDamagedRecordHoldsUpNoOther() async throws {
        let bench = try await renewed()
        let record = try #require(try await bench.store.outgoingKeys { _ in }.first)
        for fingerprint in [String(repeating: "0", count: 64), record.key.fingerprint] {
            _ = try bench.folder.write("state/outgoing/\(fingerprint).json", "{")
        }
        _ = try await bench.flow(grace: Self.grace).renew(name) { $0.newKey = true }
        var seen = 0
        #expect(try await bench.store.outgoingKeys { _ in seen += 1 }.map(\.key.name) == ["www.example.org-2"])
        #expect(seen == 2)
        // The damaged record's own key can be replaced again.
        var request = try Bench.request()
        request.key = "www.example.org"
        _ = try await bench.flow(grace: Self.grace).issue(request)
        _ = try await bench.flow(grace: Self.grace).renew(name) { $0.newKey = true }
        #expect(try await bench.store.outgoingKeys { _ in }.contains { $0.key.name == "www.example.org" })
    }

    /// Wherever a renewal is killed, the next run leaves no old key active for ever.
    @Test func noKillLosesAnOldKey() async throws {
        var limit = 1
        while true {
            let bench = try Bench()
            _ = try await bench.flow().issue(try Bench.request())
            let killSwitch = KillSwitch(after: limit)
            let isOver = (try? await bench.flow(killedBy: killSwitch, grace: Self.grace).renew(name) { $0.newKey = true }) != nil
            if try await bench.store.certificate(named: name)?.metadata.key.name == "www.example.org-2" {
                let renewal = try await bench.flow(grace: Self.grace).issue(try Bench.request())
                #expect(renewal.key.name == "www.example.org-2")
                #expect(try await bench.store.outgoingKeys { _ in }.map(\.key.name) == ["www.example.org"], "killed after \(limit) steps")
            }
            if isOver { break }
            limit += 1
        }
        #expect(limit > 20)
    }
}

/// An agent that does not retire keys.
struct BrokenRetiring: KeyProvider {
    enum Fault: Sendable { case refused, failed, hidden }
    struct Failure: PolicyRefusal { var isPolicyRefusal: Bool }
    let base: SoftwareKeys
    let fault: Fault

    func key(named name: KeyName) async throws -> ManagedKey? { fault == .hidden ? nil : try await base.key(named: name) }
    func createKey(named name: KeyName, algorithm: KeyAlgorithm, purpose: KeyPurpose) async throws -> ManagedKey {
        try await base.createKey(named: name, algorithm: algorithm, purpose: purpose)
    }
    func retireKey(named name: KeyName) async throws { throw Failure(isPolicyRefusal: fault == .refused) }
    func deleteKey(named name: KeyName) async throws { try await base.deleteKey(named: name) }
    func signer(for key: ManagedKey) async throws -> any AccountSigner { try await base.signer(for: key) }
}
