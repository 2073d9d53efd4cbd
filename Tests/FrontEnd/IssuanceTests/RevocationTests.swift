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

    /// A certificate that was replaced is valid until it expires.
    @Test func anEarlierCertificateIsRevokedByItsSerialNumber() async throws {
        let bench = try Bench()
        let first = try await bench.flow().issue(try Bench.request()).certificate
        let second = try await bench.flow().renew(first.name).certificate
        func revoke(_ serial: String) async throws { try await bench.flow().revoke(first.name, reason: .superseded, serial: serial) }
        let serial = first.metadata.serial.uppercased()
        // As openssl(1) prints it.
        try await revoke(stride(from: 0, to: serial.count, by: 2).map { serial.dropFirst($0).prefix(2) }.joined(separator: ":"))
        #expect(bench.ca.revocations.count == 1)
        // The one in use is another, and stays in use.
        #expect(try await bench.store.certificate(named: first.name)?.isRevoked == false)
        for serial in ["00", "", "zz", second.metadata.serial + "00"] {
            let error = await #expect(throws: IssuanceError.self, "\(serial)") { try await revoke(serial) }
            #expect(error?.hint == "stored are: \(first.metadata.serial), \(second.metadata.serial)")
        }
        try await revoke("0x00 " + second.metadata.serial)
        #expect(bench.ca.revocations.count == 2)
        #expect(try await bench.store.certificate(named: first.name)?.isRevoked == true)
        // An expired one needs no revocation.
        try await bench.time.sleep(for: .seconds(first.metadata.notAfter - bench.time.unixTime() + 1))
        await #expect(throws: IssuanceError.self) { try await revoke(first.metadata.serial) }
        #expect(bench.ca.revocations.count == 2)
    }

    /// Renewals keep the key: with an earlier certificate's key the current one's is compromised.
    @Test func theCurrentCertificateWithTheCompromisedKeyIsNamed() async throws {
        for isNewKey in [false, true] {
            let bench = try Bench()
            let first = try await bench.flow().issue(try Bench.request()).certificate
            let second = try await bench.flow().renew(first.name) { $0.newKey = isNewKey }.certificate
            #expect((first.metadata.key.fingerprint == second.metadata.key.fingerprint) == !isNewKey)
            try await bench.flow().revoke(first.name, reason: .keyCompromise, serial: first.metadata.serial)
            let warnings = bench.events.withLock { events in
                events.compactMap { event -> String? in
                    guard case .warning(let text) = event, text.hasPrefix("an earlier certificate was revoked") else { return nil }
                    return text
                }
            }
            let end =
                isNewKey
                ? "stays valid"
                : "has the same key, which is compromised: acme-agent revoke \(first.name) --serial \(second.metadata.serial) "
                    + "--reason keyCompromise"
            #expect(warnings == ["an earlier certificate was revoked; the current one \(end)"])
        }
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
