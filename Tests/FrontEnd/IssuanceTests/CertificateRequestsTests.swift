import ACME
import CertificateStore
import Crypto
import Foundation
import JOSE
import SwiftASN1
import Synchronization
import TestSupport
import Testing
import X509

@testable import Issuance

/// Certificates of CAs without ACME: the request, and what comes back.
@Suite struct CertificateRequestsTests {
    private let bench: Bench, name: CertificateName
    private let authority = FakeAuthority()

    init() throws {
        bench = try Bench()
        name = try CertificateName("intranet")
    }

    private var requests: CertificateRequests {
        CertificateRequests(
            store: bench.store, keys: bench.keys, time: bench.time,
            observer: { [bench] event in bench.events.withLock { $0.append(event) } })
    }

    private func wish(_ names: [String] = ["a.example.org", "b.example.org"]) throws -> CertificateRequests.Wish {
        CertificateRequests.Wish(name: name, identifiers: try names.map { try Identifier(argument: $0) })
    }

    /// The chain that a CA makes, in its parts.
    private func answer(_ key: KeyName, _ names: [String] = ["a.example.org", "b.example.org"], age: Int64 = 0) throws -> [[UInt8]] {
        let csr = try bench.keys.software(key).certificateRequest(try names.map { try Identifier(argument: $0) })
        return try ReceivedCertificates.read(try authority.issue(csr: csr, now: bench.time.unixTime() - age * 86_400))
    }

    private func arrival(_ certificates: [[UInt8]], key: KeyName? = nil) -> CertificateRequests.Arrival {
        CertificateRequests.Arrival(name: name, certificates: certificates, key: key, oldKeyGrace: .seconds(3_600))
    }

    @Test func theSameRequestHasTheSameKey() async throws {
        let (first, key) = try await requests.request(try wish())
        #expect(first.key == "intranet" && first.fingerprint == key.fingerprint && bench.keys.made == 1)
        #expect(try await bench.store.awaited(named: name) == first)
        #expect(try await bench.store.awaitedNames() == [name])
        let (again, _) = try await requests.request(try wish([]))
        #expect(again.key == "intranet" && again.identifiers == first.identifiers && bench.keys.made == 1)
        // Its own new key is the new one.
        var new = try wish()
        new.newKey = true
        #expect(try await requests.request(new).awaited.key == "intranet" && bench.keys.made == 1)
        // It is in use.
        #expect(try await KeyUse("intranet", in: bench.store).users == ["the awaited certificate intranet"])
        // A run that was cut off after its record, and before its key.
        try await bench.keys.deleteKey(named: "intranet")
        #expect(try await requests.request(try wish()).awaited.key == "intranet" && bench.keys.made == 2)
    }

    @Test func aRequestThatGetsNoKeyLeavesNothing() async throws {
        var account = try wish()
        account.key = "account"
        _ = try await bench.keys.createKey(named: "account", algorithm: .p256, purpose: .account(directory: bench.ca.directory))
        await #expect(throws: IssuanceError.self) { try await requests.request(account) }
        #expect(try await bench.store.awaitedNames().isEmpty)
        await #expect(throws: IssuanceError.self) { try await requests.request(try wish([])) }
    }

    @Test func whatComesBackIsStoredInAnyOrder() async throws {
        let (awaited, _) = try await requests.request(try wish())
        let chain = try answer(awaited.key)
        let (stored, isNew) = try await requests.install(arrival(chain.reversed()))
        #expect(isNew && stored.metadata.generation == 1 && stored.metadata.directory == nil && stored.isDeployed)
        #expect(stored.chain.der == chain && stored.metadata.key.name == "intranet")
        #expect(try await bench.store.awaited(named: name) == nil)
        #expect(try await bench.store.certificate(named: name)?.metadata == stored.metadata)
        // Again, also after the request is gone: nothing changes.
        let again = try await requests.install(arrival(chain))
        #expect(!again.isNew && again.certificate.metadata.generation == 1)
        // The next one, with a new key: the old one goes later.
        var new = try wish([])
        new.newKey = true
        let (next, _) = try await requests.request(new)
        #expect(next.key == "intranet-2" && next.identifiers == stored.metadata.identifiers)
        let second = try await requests.install(arrival(try answer("intranet-2")))
        #expect(second.isNew && second.certificate.metadata.generation == 2)
        #expect(try await bench.store.outgoingKeys { _ in }.map(\.key.name) == ["intranet"])
    }

    @Test func aHookThatFailsRunsAgainWithTheSameFile() async throws {
        struct Broken: Error {}
        let (awaited, _) = try await requests.request(try wish())
        let calls = Mutex(0)
        var arrival = arrival(try answer(awaited.key))
        arrival.deploy = { _ in
            let count = calls.withLock { count in
                count += 1
                return count
            }
            if count == 1 { throw Broken() }
        }
        await #expect(throws: IssuanceError.self) { try await requests.install(arrival) }
        #expect(try await bench.store.certificate(named: name)?.isDeployed == false)
        let (stored, isNew) = try await requests.install(arrival)
        #expect(!isNew && stored.isDeployed && stored.metadata.generation == 1 && calls.withLock { $0 } == 2)
    }

    @Test func whatDoesNotFitIsRefused() async throws {
        let (awaited, _) = try await requests.request(try wish())
        _ = try await bench.keys.createKey(named: "other", algorithm: .p256, purpose: .certificate)
        let good = try answer(awaited.key)
        func refusal(_ certificates: [[UInt8]], _ change: (inout CertificateRequests.Arrival) -> Void = { _ in }) async -> String {
            var arrival = arrival(certificates)
            change(&arrival)
            do {
                _ = try await requests.install(arrival)
                return "accepted"
            } catch { return "\(error)" }
        }
        #expect(await refusal(try answer("other")).contains("none of its certificates is for the key"))
        #expect(await refusal([good[1]]).contains("none of its certificates is for the key"))
        #expect(await refusal(try answer(awaited.key, ["a.example.org"])).contains("it is not for b.example.org"))
        #expect(
            await refusal(try answer(awaited.key, ["a.example.org", "b.example.org", "c.example.org"])).contains(
                "it is also for c.example.org"))
        let foreign = try ReceivedCertificates.read(
            try FakeAuthority().issue(
                csr: try bench.keys.software("other").certificateRequest([try Identifier(argument: "x.example")]),
                now: bench.time.unixTime()))
        #expect(await refusal([good[0], foreign[1]]).contains("was not issued by"))
        #expect(await refusal(try answer(awaited.key, age: 100)).contains("expired"))
        #expect(await refusal(good) { $0.key = "gone" }.contains("no longer has a key"))
        try await bench.keys.retireKey(named: "other")
        #expect(await refusal(try answer("other")) { $0.key = "other" }.contains("retired"))
        #expect(try await bench.store.certificate(named: name) == nil)
        #expect(try await bench.store.awaited(named: name) != nil)
        // With its own names, if the user says so.
        #expect(await refusal(try answer(awaited.key, ["c.example.org"])) { $0.acceptsNames = true } == "accepted")
        #expect(try await bench.store.certificate(named: name)?.metadata.identifiers.map(\.value) == ["c.example.org"])
    }

    /// The first renewal of an adopted certificate is a plain order.
    @Test func anAdoptedCertificateIsRenewedByACME() async throws {
        _ = try await bench.keys.createKey(named: "adopted", algorithm: .p256, purpose: .certificate)
        var adopted = arrival(try answer("adopted"), key: "adopted")
        let none = CertificateRequests.Arrival(name: try CertificateName("none"), certificates: adopted.certificates, oldKeyGrace: .zero)
        await #expect(throws: IssuanceError.self) { try await requests.install(none) }
        let directory = try bench.ca.directory
        adopted.directory = directory
        let (stored, _) = try await requests.install(adopted)
        #expect(stored.metadata.directory == directory && stored.metadata.account == nil)
        let outcome = try await bench.flow().renew(name)
        #expect(outcome.certificate.metadata.generation == 2 && outcome.certificate.metadata.key.name == "adopted")
        #expect(outcome.certificate.metadata.identifiers.map(\.value) == ["a.example.org", "b.example.org"])
    }

    @Test func formsOfCertificatesAreRead() async throws {
        let (awaited, _) = try await requests.request(try wish())
        let chain = try answer(awaited.key), parsed = try CertificateChain(der: chain)
        #expect(try ReceivedCertificates.read(parsed.leafDER) == [chain[0]])
        #expect(try ReceivedCertificates.read(parsed.exported(as: .p7b)) == chain)
        let p7b = JOSE.PEM.encode(parsed.exported(as: .p7b), label: "PKCS7")
        #expect(try ReceivedCertificates.read(Array(p7b.utf8)) == chain)
        #expect(try ReceivedCertificates.read(parsed.exported(as: .pem)) == chain)
        for bytes: [UInt8] in [[], [0x30], [0x30, 0x80], Array("text".utf8), [0x30, 3, 2, 1, 5], Array(parsed.leafDER.dropLast())] {
            #expect(throws: StoreError.self) { try ReceivedCertificates.read(bytes) }
        }
        let key = JOSE.PEM.encode([0x30, 0], label: "PRIVATE KEY")
        #expect(throws: StoreError.self) { try ReceivedCertificates.read(parsed.exported(as: .pem) + Array(key.utf8)) }
    }

    /// Earlier versions can still read all that they knew.
    @Test func onlyACertificateWithoutACAHasTheNewFormat() async throws {
        let folder = try TemporaryFolder(), store = FolderStore(folder: folder.path)
        let (awaited, key) = try await requests.request(try wish())
        for (name, directory, version) in [("acme", try ACMEURL("https://ca.example/dir"), 1), ("own", nil, 2)] as [(String, ACMEURL?, Int)]
        {
            let pem = try CertificateChain(der: try answer(awaited.key)).fullChainPEM
            let stored = try await store.install(
                NewCertificate(
                    name: try CertificateName(name), pem: pem, key: key.name, spki: key.publicKey.spki, identifiers: awaited.identifiers,
                    directory: directory, time: bench.time.unixTime()))
            let path = "certificates/\(name)/generations/1/metadata.json", text = try folder.read(path)
            #expect(text.hasPrefix("{\"version\":\(version),"))
            #expect(try await store.certificate(named: stored.name)?.metadata.directory == directory)
            try folder.write(path, text.replacing("\"version\":2", with: "\"version\":1"))
            if directory == nil { await #expect(throws: StoreError.self) { try await store.certificate(named: stored.name) } }
        }
    }
}
