import ACME
import ACMEClient
import CertificateStore
import JOSE
import Synchronization
import TestSupport
import Testing

@testable import Issuance

/// A final refusal leaves nothing behind: no key in the token, no challenge, no journal that a timer would retry
/// forever.
@Suite struct RefusalTests {
    private func expectNothing(_ bench: Bench, _ comment: Comment) async throws {
        #expect(bench.keys.names.isEmpty, comment)
        #expect(bench.solver.isEmpty, comment)
        #expect(try await bench.store.journalNames().isEmpty, comment)
    }

    @Test(arguments: [ACME.Operation.newOrder, .postAsGet, .respondToChallenge, .finalize])
    func anOrderThatPolicyRefusesLeavesNoKeyAndNoJournal(_ operation: ACME.Operation) async throws {
        let bench = try Bench()
        let signer = RefusingSigner(base: bench.accountKey, operation: operation)
        var request = try Bench.request()
        request.key = "wanted"
        await #expect(throws: Refused.self) { try await bench.flow(signer: signer).issue(request) }
        try await expectNothing(bench, "\(operation)")
        // The key of a refused order is not even made.
        if operation == .newOrder { #expect(bench.keys.made == 0 && bench.ca.orderCount == 0) }
        _ = try await bench.flow().issue(request)
        #expect(bench.keys.names == ["wanted"])
    }

    @Test(arguments: ["rejectedIdentifier", "unsupportedIdentifier", "invalidProfile"])
    func anOrderThatTheCARefusesLeavesNoKeyAndNoJournal(_ type: String) async throws {
        let bench = try Bench(Self.refusing(type, status: 403))
        await #expect(throws: ACMEClientError.self) { try await bench.flow().issue(try Bench.request()) }
        try await expectNothing(bench, "\(type)")
        #expect(bench.keys.made == 0)
    }

    /// A refusal is final, whatever its type; an answer that only means "not now" is not.
    @Test(arguments: [("unauthorized", 403, true), ("malformed", 400, true), ("rateLimited", 429, false), ("serverInternal", 500, false)])
    func anOrderThatTheCAPutsOffIsTriedAgainByTheNextRun(_ type: String, _ status: Int, isFinal: Bool) async throws {
        let bench = try Bench(Self.refusing(type, status: status))
        await #expect(throws: ACMEClientError.self) { try await bench.flow().issue(try Bench.request()) }
        #expect(bench.keys.made == 0)
        #expect(try await bench.store.journalNames().isEmpty == isFinal)
    }

    @Test func aRefusedRenewalLeavesTheKeyInUseAlone() async throws {
        let bench = try Bench()
        let first = try await bench.flow().issue(try Bench.request())
        let signer = RefusingSigner(base: bench.accountKey, operation: .finalize)
        await #expect(throws: Refused.self) { try await bench.flow(signer: signer).renew(first.certificate.name) }
        await #expect(throws: Refused.self) { try await bench.flow(signer: signer).renew(first.certificate.name) { $0.newKey = true } }
        #expect(bench.keys.names == ["www.example.org"] && bench.keys.retired.isEmpty)
        #expect(try await bench.store.journalNames().isEmpty)
        // The certificate is still due, so the next run orders it anew.
        _ = try await bench.flow().renew(first.certificate.name)
        #expect(try await bench.store.certificate(named: first.certificate.name)?.metadata.generation == 2)
    }

    /// A key that already existed belongs to somebody, whatever happens to the order.
    @Test func aKeyThatWasThereBeforeStays() async throws {
        let bench = try Bench()
        _ = try await bench.keys.createKey(named: "mine", algorithm: .p256, purpose: .certificate)
        var request = try Bench.request()
        request.key = "mine"
        let signer = RefusingSigner(base: bench.accountKey, operation: .finalize)
        await #expect(throws: Refused.self) { try await bench.flow(signer: signer).issue(request) }
        #expect(bench.keys.names == ["mine"])
        #expect(try await bench.store.journalNames().isEmpty)
    }

    /// A refused order deletes no key that another certificate now needs, or that somebody else made under the name.
    @Test func aKeyThatThisOrderDidNotMakeStays() async throws {
        let bench = try Bench()
        // A run that announced the key and was interrupted before it made it.
        var request = try Bench.request()
        request.key = "shared"
        try await bench.store.write(
            OrderJournal(
                name: request.name, directory: try bench.ca.directory, identifiers: request.identifiers, accountKey: "account",
                started: 0, steps: [.intentKey(name: "shared", isNew: true)]))
        _ = try await bench.keys.createKey(named: "shared", algorithm: .p256, purpose: .certificate)
        let signer = RefusingSigner(base: bench.accountKey, operation: .newOrder)
        await #expect(throws: Refused.self) { try await bench.flow(signer: signer).issue(request) }
        #expect(bench.keys.names == ["shared"])
        #expect(try await bench.store.journalNames().isEmpty)
    }

    /// The CA may have issued the certificate that it says it refuses.
    @Test func aCAsWordAboutAFinalizedOrderCostsNoKey() async throws {
        let bench = try Bench(Self.refusing("rejectedIdentifier", status: 403, at: "/finalize"))
        await #expect(throws: ACMEClientError.self) { try await bench.flow().issue(try Bench.request()) }
        #expect(bench.keys.names == ["www.example.org"])
    }

    /// Replacing a key that two certificates use keeps it for the other one.
    @Test(arguments: [IssuanceRequest.OldKey.retire, .delete])
    func anOldKeyThatAnotherCertificateNeedsIsLeftAlone(_ choice: IssuanceRequest.OldKey) async throws {
        let bench = try Bench()
        for name in ["one.example.org", "two.example.org"] {
            var request = try Bench.request([name])
            request.key = "both"
            _ = try await bench.flow().issue(request)
        }
        _ = try await bench.flow().renew(try CertificateName("one.example.org")) {
            $0.newKey = true
            $0.oldKey = choice
        }
        #expect(bench.keys.names.contains("both") && bench.keys.retired.isEmpty)
    }

    /// If the grants already rule out a key, the CA is not contacted.
    @Test func aKeyThatIsKnownToBeRefusedIsAskedForBeforeTheOrder() async throws {
        let bench = try Bench()
        let keys = RefusedKeys(base: bench.keys, isKnown: true)
        await #expect(throws: Refused.self) { try await bench.flow(keys: keys).issue(try Bench.request()) }
        #expect(bench.ca.orderCount == 0)
        try await expectNothing(bench, "known")
    }

    /// A rate of new keys is temporary, and nothing is left that a timer would resume.
    @Test func aRateOfKeysThatIsUsedUpShowsBeforeTheOrder() async throws {
        let bench = try Bench()
        let keys = RefusedKeys(base: bench.keys, isKnown: true, refusal: NotNow())
        await #expect(throws: NotNow.self) { try await bench.flow(keys: keys).issue(try Bench.request()) }
        #expect(bench.ca.orderCount == 0)
        try await expectNothing(bench, "a first order")
        let first = try await bench.flow().issue(try Bench.request())
        await #expect(throws: NotNow.self) { try await bench.flow(keys: keys).renew(first.certificate.name) { $0.newKey = true } }
        #expect(bench.ca.orderCount == 1 && bench.keys.names == ["www.example.org"] && bench.keys.retired.isEmpty)
        #expect(try await bench.store.journalNames().isEmpty)
    }

    /// Unlike a refusal, it passes: the next run goes on with what was begun.
    @Test func anOrderWhoseRateIsUsedUpStaysOpen() async throws {
        let bench = try Bench()
        let signer = RefusingSigner(base: bench.accountKey, operation: .newOrder, refusal: NotNow())
        await #expect(throws: NotNow.self) { try await bench.flow(signer: signer).issue(try Bench.request()) }
        #expect(bench.keys.made == 0 && bench.ca.orderCount == 0)
        #expect(try await bench.store.journalNames().count == 1)
        _ = try await bench.flow().issue(try Bench.request())
        #expect(bench.keys.made == 1 && bench.ca.orderCount == 1)
    }

    @Test func aKeyThatIsRefusedLeavesNoJournal() async throws {
        let bench = try Bench()
        let keys = RefusedKeys(base: bench.keys, isKnown: false)
        await #expect(throws: Refused.self) { try await bench.flow(keys: keys).issue(try Bench.request()) }
        try await expectNothing(bench, "not known")
    }

    /// A key that may already have a certificate is kept: the refusal may be a mistake that is corrected later.
    @Test func anOrderBehindFinalizeIsKept() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.tamper = { request, response in
            guard request.url.path.hasPrefix("/order/") || request.url.path.hasPrefix("/finalize/") else { return response }
            let text = String(decoding: response.body, as: UTF8.self).replacing("\"valid\"", with: "\"processing\"")
            return HTTPResponse(status: response.status, headers: response.headers, body: Array(text.utf8))
        }
        let bench = try Bench(behaviour)
        await #expect(throws: IssuanceError.self) { try await bench.flow().issue(try Bench.request()) }
        let signer = RefusingSigner(base: bench.accountKey, operation: .postAsGet)
        await #expect(throws: Refused.self) { try await bench.flow(signer: signer).issue(try Bench.request()) }
        #expect(bench.keys.names == ["www.example.org"])
        bench.ca.change { $0.tamper = nil }
        let outcome = try await bench.flow().issue(try Bench.request())
        #expect(outcome.certificate.metadata.generation == 1)
        #expect(bench.keys.made == 1)
    }

    private static func refusing(_ type: String, status: Int, at path: String = "/new-order") -> FakeCA.Behaviour {
        var behaviour = FakeCA.Behaviour()
        behaviour.intercept = { request, count in
            guard request.url.path.hasPrefix(path) else { return nil }
            let body = #"{"type":"urn:ietf:params:acme:error:\#(type)","detail":"no","status":\#(status)}"#
            return HTTPResponse(
                status: status, headers: ["Content-Type": "application/problem+json", "Replay-Nonce": "n\(count)"], body: Array(body.utf8))
        }
        return behaviour
    }
}

private struct Refused: PolicyRefusal {
    var isPolicyRefusal: Bool { true }
}

/// A rate that is used up.
private struct NotNow: PolicyRefusal {
    var isPolicyRefusal: Bool { false }
}

/// An agent whose policy allows every operation but one.
private struct RefusingSigner: AccountSigner {
    let base: SoftwareSigner
    let operation: ACME.Operation
    var refusal: any PolicyRefusal = Refused()

    var keyName: KeyName { base.keyName }
    var publicKey: PublicKey { base.publicKey }

    func sign(_ request: ACMERequest, url: ACMEURL, nonce: String, account: ACMEURL?) async throws -> FlattenedJWS {
        guard request.operation != operation else { throw refusal }
        return try await base.sign(request, url: url, nonce: nonce, account: account)
    }
}

private struct RefusedKeys: KeyProvider {
    let base: SoftwareKeys
    /// Whether it is announced beforehand.
    let isKnown: Bool
    var refusal: any PolicyRefusal = Refused()

    func key(named name: KeyName) async throws -> ManagedKey? { try await base.key(named: name) }
    func mayCreateKey(named name: KeyName) async -> Bool { !isKnown }
    func createKey(named name: KeyName, algorithm: KeyAlgorithm, purpose: KeyPurpose) async throws -> ManagedKey { throw refusal }
    func retireKey(named name: KeyName) async throws { throw Refused() }
    func deleteKey(named name: KeyName) async throws { throw Refused() }
    func signer(for key: ManagedKey) async throws -> any AccountSigner { try await base.signer(for: key) }
}
