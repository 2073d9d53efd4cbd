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

    /// A file that was made before the request is not what the CA sends back for it.
    @Test(arguments: [(1, false), (3, true)]) func anEarlierFileDoesNotAnswerARequest(age: Int64, isStillAwaited: Bool) async throws {
        let (awaited, _) = try await requests.request(try wish())
        try await bench.time.sleep(for: .seconds(60))
        let file = arrival(try answer(awaited.key, age: age))
        let (stored, isNew) = try await requests.install(file)
        #expect(isNew && stored.metadata.generation == 1)
        #expect(try await bench.store.awaited(named: name) == (isStillAwaited ? awaited : nil))
        let isTold = bench.events.withLock { events in
            events.contains { if case .warning(let text) = $0 { text.contains("another one is still awaited") } else { false } }
        }
        #expect(isTold == isStillAwaited)
        // The second time it says no more than the first time.
        #expect(try await !requests.install(file).isNew)
        #expect(try await bench.store.awaited(named: name) == (isStillAwaited ? awaited : nil))
        // What comes back does.
        _ = try await requests.install(arrival(try answer(awaited.key)))
        #expect(try await bench.store.awaited(named: name) == nil)
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

    /// Its first file lacked the intermediate, or had a wrong one.
    @Test func anotherChainForTheSameCertificateIsStored() async throws {
        let (awaited, _) = try await requests.request(try wish())
        let chain = try answer(awaited.key)
        _ = try await requests.install(arrival([chain[0]]))
        let whole = try await requests.install(arrival(chain))
        #expect(whole.isNew && whole.certificate.metadata.generation == 2 && whole.certificate.chain.der == chain)
        // The certificate alone takes nothing away.
        let alone = try await requests.install(arrival([chain[0]]))
        #expect(!alone.isNew && alone.certificate.chain.der == chain)
    }

    /// The old key is in use until the hooks have succeeded, and goes then, whoever runs them.
    @Test(arguments: [false, true]) func theOldKeyGoesAfterAFailedHook(again: Bool) async throws {
        struct Broken: Error {}
        _ = try await requests.request(try wish())
        _ = try await requests.install(arrival(try answer("intranet")))
        var new = try wish([])
        new.newKey = true
        _ = try await requests.request(new)
        var second = arrival(try answer("intranet-2"))
        second.deploy = { _ in throw Broken() }
        await #expect(throws: IssuanceError.self) { try await requests.install(second) }
        #expect(try await bench.store.outgoingKeys { _ in }.isEmpty)
        if again {
            let stored = try await requests.deployAgain(name, { _ in }, .retire, grace: .seconds(3_600))
            #expect(stored?.isDeployed == true)
            #expect(try await requests.deployAgain(name, { _ in throw Broken() }, .retire, grace: .zero) == nil)
        } else {
            second.deploy = { _ in }
            let (stored, isNew) = try await requests.install(second)
            #expect(!isNew && stored.isDeployed)
        }
        #expect(try await bench.store.outgoingKeys { _ in }.map(\.key.name) == ["intranet"])
    }

    /// Cut off after any step, also without hooks, the next run with the same file lets the old key go.
    @Test func theOldKeyGoesAfterACrash() async throws {
        for steps in 0... {
            let bench = try Bench()
            _ = try await bench.keys.createKey(named: "first", algorithm: .p256, purpose: .certificate)
            _ = try await bench.keys.createKey(named: "second", algorithm: .p256, purpose: .certificate)
            func file(_ key: KeyName) throws -> [[UInt8]] {
                let csr = try bench.keys.software(key).certificateRequest([try Identifier(argument: "a.example.org")])
                return try ReceivedCertificates.read(try authority.issue(csr: csr, now: bench.time.unixTime()))
            }
            let whole = CertificateRequests(store: bench.store, keys: bench.keys, time: bench.time)
            _ = try await whole.install(arrival(try file("first"), key: "first"))
            let second = arrival(try file("second"), key: "second"), killSwitch = KillSwitch(after: steps)
            let cut = CertificateRequests(
                store: KillableStore(base: bench.store, killSwitch), keys: KillableKeys(base: bench.keys, killSwitch), time: bench.time)
            let outcome = try? await cut.install(second)
            let (stored, _) = try await whole.install(second)
            #expect(stored.metadata.key.name == "second" && stored.isDeployed, "\(steps)")
            #expect(try await bench.store.outgoingKeys { _ in }.map(\.key.name) == ["first"], "\(steps)")
            if outcome != nil {
                #expect(steps > 8)
                break
            }
        }
    }

    /// What an ACME CA renews stays so, unless the user says otherwise.
    @Test func anACMERenewalDoesNotEndUnsaid() async throws {
        _ = try await bench.flow().issue(try Bench.request(["a.example.org"]))
        let www = try CertificateName("a.example.org"), key = try #require(await bench.store.certificate(named: www)).metadata.key.name
        func install(_ change: (inout CertificateRequests.Arrival) -> Void = { _ in }) async throws -> StoredCertificate {
            var arrival = CertificateRequests.Arrival(
                name: www, certificates: try answer(key, ["a.example.org"]), oldKeyGrace: .zero)
            change(&arrival)
            return try await requests.install(arrival).certificate
        }
        let refused = await #expect(throws: IssuanceError.self) { try await install() }
        #expect(refused?.description.contains("is renewed by the ACME CA") == true, "\(String(describing: refused))")
        #expect(try await bench.store.certificate(named: www)?.metadata.generation == 1)
        let directory = try bench.ca.directory
        #expect(try await install { $0.directory = directory }.metadata.directory == directory)
        #expect(try await install { $0.endsRenewal = true }.metadata.directory == nil)
    }

    /// The CA that renews it is changed with the file that is installed, with and without its key.
    @Test func whoRenewsItIsChangedLater() async throws {
        _ = try await requests.request(try wish())
        var file = arrival(try answer("intranet"))
        _ = try await requests.install(file)
        let directory = try bench.ca.directory
        file.directory = directory
        let adopted = try await requests.install(file)
        #expect(adopted.isNew && adopted.certificate.metadata.directory == directory)
        #expect(try await !requests.install(file).isNew)
        // Without a word about it nothing changes.
        file.directory = nil
        #expect(try await requests.install(file).certificate.metadata.directory == directory)
        file.endsRenewal = true
        #expect(try await requests.install(file).certificate.metadata.directory == nil)
    }

    @Test func aRequestIsNotMetByAnEarlierFile() async throws {
        let (first, _) = try await requests.request(try wish())
        let old = try answer(first.key)
        _ = try await requests.install(arrival(old))
        try await bench.time.sleep(for: .seconds(10 * 86_400))
        let (second, _) = try await requests.request(try wish())
        #expect(second.key == first.key)
        #expect(try await !requests.install(arrival(old)).isNew)
        #expect(try await bench.store.awaited(named: name) == second)
        // Both in one file, in any order: the later one counts, and the other is no part of its chain.
        let new = try answer(second.key)
        for certificates in [[old[0]] + new, new + [old[0]]] {
            let (stored, _) = try await requests.install(arrival(certificates))
            #expect(stored.chain.der == new)
        }
        #expect(try await bench.store.awaited(named: name) == nil)
        // One that is not valid yet does not hide the one that is.
        let future = try answer(second.key, age: -2)
        let spki = try bench.keys.software(second.key).publicKey.spki
        #expect(try ReceivedCertificates.chain(future + new, for: spki, time: bench.time.unixTime()).leafDER == new[0])
    }

    /// Names of other kinds are the CA's business, if the user takes the certificate as it is.
    @Test func otherNamesAreTakenIfTheUserSaysSo() async throws {
        let (awaited, _) = try await requests.request(try wish(["a.example.org"]))
        let csr = try bench.keys.software(awaited.key).certificateRequest([try Identifier(argument: "a.example.org")])
        var file = arrival(
            try ReceivedCertificates.read(
                try authority.issue(csr: csr, now: bench.time.unixTime(), names: ["a.example.org", "under_score.example.org"])))
        await #expect(throws: StoreError.self) { try await requests.install(file) }
        file.acceptsNames = true
        let (stored, _) = try await requests.install(file)
        #expect(stored.metadata.identifiers.map(\.value) == ["a.example.org"])
        #expect(
            bench.events.withLock { events in
                events.contains { if case .warning(let text) = $0 { text.contains("\"under_score.example.org\"") } else { false } }
            })
        // Installed already: no question any more.
        file.acceptsNames = false
        #expect(try await !requests.install(file).isNew)
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
        // As CAs and programs hand them over.
        let text = String(decoding: parsed.exported(as: .pem), as: UTF8.self), der = parsed.exported(as: .p7b)
        let inner = try #require(der.firstRange(of: [0x06, 0x09, 0x2A])).lowerBound
        for (what, form) in [
            ("printed", Array(("Certificate:\n    Data: -----\nsubject=CN = x\n" + text + "\nbye\n").utf8)),
            ("starts with a zero", Array(("0 s:CN = x\n" + text).utf8)),
            ("byte order mark", [0xEF, 0xBB, 0xBF] + Array(text.utf8)), ("CRLF", Array(text.replacing("\n", with: "\r\n").utf8)),
            ("X509", Array(text.replacing(" CERTIFICATE-", with: " X509 CERTIFICATE-").utf8)),
            ("CMS", Array(JOSE.PEM.encode(der, label: "CMS").utf8)), ("empty line", Array(("\n" + p7b).utf8)),
            ("PKCS #7 as a certificate", Array(JOSE.PEM.encode(der, label: "CERTIFICATE").utf8)),
            ("indefinite length", [0x30, 0x80] + der[inner...] + [0, 0]),
        ] as [(String, [UInt8])] {
            #expect((try? ReceivedCertificates.read(form)) == chain, "\(what)")
        }
        for bytes: [UInt8] in [
            [], [0x30], [0x30, 0x80], [0x30, 0x80, 0, 0], Array("text".utf8), [0x30, 3, 2, 1, 5], Array(parsed.leafDER.dropLast()),
            [0x30, 0x80] + der[inner...], Array(text.utf8.dropLast(10)), Array(JOSE.PEM.encode([0x30, 0], label: "PKCS7").utf8),
        ] {
            #expect(throws: StoreError.self) { try ReceivedCertificates.read(bytes) }
        }
        for label in ["PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "CERTIFICATE REQUEST"] {
            let other = Array(JOSE.PEM.encode([0x30, 0], label: label).utf8)
            let fault = #expect(throws: StoreError.self) { try ReceivedCertificates.read(Array(text.utf8) + other) }
            #expect(fault?.message == "the file is refused: it has a PEM block \"\(label)\"; only certificates are allowed")
        }
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
