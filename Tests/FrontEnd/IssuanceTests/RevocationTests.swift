import ACME
import CertificateStore
import TestSupport
import Testing

@testable import Issuance

/// Revocations that are interrupted or repeated.
@Suite struct RevocationTests {
    @Test func aCompromisedKeyIsNeverLeftInUseWhereverTheRevocationIsCutOff() async throws {
        var limit = 0
        while true {
            let bench = try Bench()
            let name = try await bench.flow().issue(try Bench.request()).certificate.name
            let killSwitch = KillSwitch(after: limit)
            var isDone = false
            do {
                try await bench.flow(killedBy: killSwitch).revoke(name, reason: .keyCompromise)
                isDone = true
            } catch {}
            if bench.ca.revocations.count == 1 {
                #expect(bench.keys.retired == ["www.example.org"], "cut off after \(limit)")
            }
            if isDone { return #expect(limit > 4) }
            // The same command again: it may find the certificate revoked, and leaves a key that signs nothing.
            do { try await bench.flow().revoke(name, reason: .keyCompromise) } catch IssuanceError.alreadyRevoked {}
            #expect(bench.keys.retired == ["www.example.org"], "cut off after \(limit)")
            #expect(bench.ca.revocations.count == 1, "cut off after \(limit)")
            #expect(try await bench.store.certificate(named: name)?.isRevoked == true, "cut off after \(limit)")
            limit += 1
        }
    }

    @Test func theKeyOfACertificateThatIsRevokedAlreadyIsRetired() async throws {
        let bench = try Bench()
        let name = try await bench.flow().issue(try Bench.request()).certificate.name
        try await bench.flow().revoke(name, reason: .superseded)
        #expect(bench.keys.retired.isEmpty)
        await #expect(throws: IssuanceError.self) { try await bench.flow().revoke(name, reason: .keyCompromise) }
        #expect(bench.keys.retired == ["www.example.org"])
        #expect(bench.ca.revocations.count == 1)
    }

    @Test func aRetiredKeySignsTheRevocationOfItsCertificate() async throws {
        let bench = try Bench()
        let name = try await bench.flow().issue(try Bench.request()).certificate.name
        try await bench.flow().revoke(name, reason: .keyCompromise, byCertificateKey: true)
        #expect(bench.ca.revocations.count == 1)
        #expect(bench.keys.retired == ["www.example.org"])
    }

    @Test func theKeyOfTheCertificateRevokesItWithoutAnAccount() async throws {
        let bench = try Bench()
        let name = try await bench.flow().issue(try Bench.request()).certificate.name
        let accounts = AccountFlow(store: bench.store, keys: bench.keys, transport: bench.ca, time: bench.time)
        let directory = try bench.ca.directory
        #expect(try await bench.store.account(at: directory) == nil)
        let flow = IssuanceFlow(
            issuer: try await accounts.issuer(at: directory, revokingBy: "www.example.org"), store: bench.store, keys: bench.keys,
            solvers: [], time: bench.time)
        try await flow.revoke(name, reason: nil, byCertificateKey: true)
        #expect(bench.ca.revocations.count == 1)
        #expect(try await bench.store.certificate(named: name)?.isRevoked == true)
    }
}
