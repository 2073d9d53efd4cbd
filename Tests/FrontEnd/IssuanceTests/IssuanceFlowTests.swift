import ACME
import ACMEClient
import CertificateStore
import JOSE
import Synchronization
import TestSupport
import Testing

@testable import Issuance

@Suite struct IssuanceFlowTests {
    @Test func oneNameTakesNineRequestsAndNoSleepButPolls() async throws {
        let bench = try Bench()
        let outcome = try await bench.flow().issue(try Bench.request())
        #expect(outcome.certificate.metadata.generation == 1)
        #expect(try outcome.certificate.chain.identifiers() == [try Identifier(argument: "www.example.org")])
        #expect(!outcome.wasResumed)
        #expect(bench.ca.log.count <= 9)
        #expect(bench.solver.isEmpty)
        #expect(try await bench.store.journalNames().isEmpty)
        #expect(bench.eventNames.contains("key-created"))
        // The key is made concurrently with these.
        #expect(
            bench.eventNames.filter { !["signed", "asking", "key-created"].contains($0) } == [
                "order-created", "authorization-pending", "challenge-presented", "challenge-answered", "validated",
                "finalized", "downloaded", "installed",
            ])
    }

    @Test func nineRequestsAlsoWhereTheCATakesItsTimeToMakeTheCertificate() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.processingPolls = 0
        behaviour.tamper = { request, response in
            // Like Pebble: the answer to finalize says "processing", the next poll "valid".
            guard request.url.path.hasPrefix("/finalize/") else { return response }
            let text = String(decoding: response.body, as: UTF8.self).replacing("\"valid\"", with: "\"processing\"")
            return HTTPResponse(status: response.status, headers: response.headers, body: Array(text.utf8))
        }
        let bench = try Bench(behaviour)
        _ = try await bench.flow().issue(try Bench.request())
        #expect(bench.ca.log.count == 9)
    }

    @Test func tenNamesTakeAtMost27Requests() async throws {
        let bench = try Bench()
        _ = try await bench.flow().issue(try Bench.request((0..<10).map { "n\($0).example.org" }))
        #expect(bench.ca.log.count <= 27)
        #expect(bench.solver.presented == 10)
        #expect(bench.solver.isEmpty)
    }

    @Test func aHundredNamesKeepToTheirShareOfNonces() async throws {
        let bench = try Bench()
        _ = try await bench.flow().issue(try Bench.request((0..<100).map { "n\($0).example.org" }))
        #expect(bench.ca.log.filter { $0 == "HEAD /nonce" }.count <= 6)
    }

    @Test func validAuthorizationsAreReused() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.proven = ["www.example.org", "a.example.org"]
        let bench = try Bench(behaviour)
        _ = try await bench.flow().issue(try Bench.request(["www.example.org", "a.example.org", "b.example.org"]))
        #expect(bench.solver.presented == 1)
        #expect(bench.ca.log.filter { $0.hasPrefix("POST /chall/") }.count == 1)
    }

    @Test func anOrderThatIsReadyAtOnceAsksForNoAuthorization() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.proven = ["www.example.org"]
        let bench = try Bench(behaviour)
        _ = try await bench.flow().issue(try Bench.request())
        #expect(!bench.ca.log.contains { $0.hasPrefix("POST /authz/") })
        #expect(bench.ca.log.count <= 5)
    }

    @Test func eachFailedNameIsShownWithTheCAsReason() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.refusals = ["a.example.org": "connection refused", "b.example.org": "404 from there"]
        let bench = try Bench(behaviour)
        await #expect { try await bench.flow().issue(try Bench.request(["www.example.org", "a.example.org", "b.example.org"])) } throws: {
            error in
            let text = "\(error)"
            return text.contains("a.example.org: connection refused") && text.contains("b.example.org: 404 from there")
                && !text.contains("www.example.org:")
        }
        #expect(bench.solver.isEmpty)
        #expect(bench.eventNames.filter { $0 == "failed" }.count == 2)
        // The next run starts a new order with the same key.
        bench.ca.change { $0.refusals = [:] }
        let outcome = try await bench.flow().issue(try Bench.request(["www.example.org", "a.example.org", "b.example.org"]))
        #expect(bench.keys.names == [outcome.key.name.rawValue])
        #expect(bench.ca.orderCount == 2)
    }

    @Test func aSlowCAIsPolledInGrowingStepsAndItsRetryAfterObeyed() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.processingPolls = 4
        let bench = try Bench(behaviour)
        _ = try await bench.flow().issue(try Bench.request())
        let free = bench.time.slept
        #expect(free.count >= 4 && free.count <= 6)

        behaviour.retryAfter = "2"
        let obedient = try Bench(behaviour)
        _ = try await obedient.flow().issue(try Bench.request())
        #expect(obedient.time.slept.filter { $0 == .seconds(2) }.count >= 4)
    }

    @Test func aHostileRetryAfterEndsInsteadOfHanging() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.processingPolls = 3
        behaviour.retryAfter = "1000000000"
        let bench = try Bench(behaviour)
        await #expect(throws: IssuanceError.self) { try await bench.flow().issue(try Bench.request()) }
        #expect(bench.time.uptime() < .seconds(600))
    }

    @Test func anEndlessOrderEndsAtTheDeadline() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.processingPolls = .max
        let bench = try Bench(behaviour)
        await #expect { try await bench.flow().issue(try Bench.request()) } throws: { error in
            guard case .timedOut? = error as? IssuanceError else { return false }
            return true
        }
        #expect(bench.ca.log.count < 120)
    }

    @Test func orderNotReadyIsFetchedAgain() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.notReady = 2
        let bench = try Bench(behaviour)
        _ = try await bench.flow().issue(try Bench.request())
        #expect(bench.ca.finalizationCount == 1)
        bench.ca.change { $0.notReady = .max }
        await #expect(throws: IssuanceError.self) { try await bench.flow().renew(try CertificateName("www.example.org")) }
    }

    @Test func aHostileChainIsNotInstalled() async throws {
        let key = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIDm\n-----END PRIVATE KEY-----\n"
        func bench(_ change: (inout FakeCA.Behaviour) -> Void) throws -> Bench {
            var behaviour = FakeCA.Behaviour()
            change(&behaviour)
            return try Bench(behaviour)
        }
        let hostile = [
            try bench { $0.certifiesAnotherKey = true },
            try bench { $0.certifiedNames = ["www.example.org", "evil.example.org"] },
            try bench { $0.certifiedNames = ["www.example.com"] },
            try bench { behaviour in
                behaviour.tamper = { request, response in
                    guard request.url.path.hasPrefix("/cert/") else { return response }
                    return HTTPResponse(status: 200, headers: response.headers, body: response.body + Array(key.utf8))
                }
            },
            try bench { behaviour in
                behaviour.tamper = { request, response in
                    guard request.url.path.hasPrefix("/cert/") else { return response }
                    return HTTPResponse(status: 200, headers: response.headers, body: Array("<html>".utf8))
                }
            },
        ]
        for bench in hostile {
            await #expect { try await bench.flow().issue(try Bench.request()) } throws: { error in
                (error as? StoreError)?.reason == .chainRefused
            }
            #expect(try await bench.store.certificateNames().isEmpty)
            // Once the CA behaves, the next run ends with a certificate for the same key.
            bench.ca.change { $0 = .init() }
            let outcome = try await bench.flow().issue(try Bench.request())
            #expect(bench.keys.names == [outcome.key.name.rawValue])
        }
    }

    @Test func aChainOfAHundredMegabytesIsCutOff() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.tamper = { request, response in
            guard request.url.path.hasPrefix("/cert/") else { return response }
            return HTTPResponse(status: 200, headers: response.headers, body: [UInt8](repeating: 65, count: 100_000_000))
        }
        let bench = try Bench(behaviour)
        await #expect { try await bench.flow().issue(try Bench.request()) } throws: { error in
            guard case .transport(let cause)? = error as? ACMEClientError else { return false }
            return cause.kind == .tooLarge
        }
    }

    @Test func thePreferredRootsChainIsTaken() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.alternateChain = true
        let bench = try Bench(behaviour)
        var request = try Bench.request()
        request.preferredRoot = "Fake Root B"
        let outcome = try await bench.flow().issue(request)
        #expect(outcome.certificate.chain.certificates.contains { "\($0.issuer)".contains("Fake Root B") })
        request.preferredRoot = "No Such Root"
        request.name = try CertificateName("other")
        _ = try await bench.flow().issue(request)
        #expect(bench.eventNames.contains("warning"))
    }

    /// The certificate is issued: an unmet preference is no reason to lose it.
    @Test(arguments: ["https://elsewhere.test/alternate/0", "https://ca.test/alternate/77", "https://ca.test/alternate/0"])
    func anAlternateChainThatIsNotToBeHadIsPassedOver(alternate: String) async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.tamper = { request, response in
            // The last of the three exists, but is for another key.
            if request.url.path == "/alternate/0" {
                return HTTPResponse(status: response.status, headers: response.headers, body: ForeignChain.pem)
            }
            guard request.url.path.hasPrefix("/cert/") else { return response }
            let fields = response.headers.fields + [(name: "Link", value: "<\(alternate)>;rel=\"alternate\"")]
            return HTTPResponse(status: response.status, headers: HTTPFields(fields), body: response.body)
        }
        let bench = try Bench(behaviour)
        var request = try Bench.request()
        request.preferredRoot = "Fake Root B"
        let signer = HomeSigner(base: bench.accountKey)
        let outcome = try await bench.flow(signer: signer).issue(request)
        #expect(outcome.certificate.chain.certificates.contains { $0.issuerCommonNames.contains("Fake Root A") })
        #expect(bench.eventNames.contains("warning"))
        #expect(bench.ca.finalizationCount == 1)
    }

    /// draft-ietf-acme-profiles: a client requests only listed profiles.
    @Test(arguments: [["classic", "shortlived"], [], nil] as [[String]?]) func aProfileThatTheCADoesNotListIsRefusedBeforeOrdering(
        profiles: [String]?
    ) async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.profiles = profiles
        let bench = try Bench(behaviour)
        var request = try Bench.request()
        request.profile = "tlsserver"
        await #expect { try await bench.flow().issue(request) } throws: { error in
            let text = "\(error) \((error as? IssuanceError)?.hint ?? "")"
            return text.contains("\"tlsserver\"") && (profiles?.allSatisfy { text.contains($0) } ?? true)
        }
        #expect(!bench.ca.log.contains("POST /new-order"))
        #expect(bench.keys.names.isEmpty)
        #expect(try await bench.store.journalNames().isEmpty)
    }

    @Test func theOrdersOwnProfileIsStored() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.profiles = ["classic", "shortlived"]
        behaviour.defaultProfile = "classic"
        let bench = try Bench(behaviour)
        let outcome = try await bench.flow().issue(try Bench.request())
        #expect(outcome.certificate.metadata.profile == "classic")
        // Nobody requested it: if it is gone later, the CA chooses again.
        bench.ca.change {
            $0.profiles = ["new"]
            $0.defaultProfile = "new"
        }
        let renewed = try await bench.flow().renew(outcome.certificate.name)
        #expect(renewed.certificate.metadata.profile == "new")
        #expect(bench.eventNames.contains("warning"))
    }

    /// Like a CA with a root of an unknown kind.
    @Test func aChainWithSomethingUnreadableIsInstalledWithAWarning() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.tamper = { request, response in
            guard request.url.path.hasPrefix("/cert/") else { return response }
            let block = "-----BEGIN CERTIFICATE-----\nMAYwBAICAAE=\n-----END CERTIFICATE-----\n"
            return HTTPResponse(status: response.status, headers: response.headers, body: response.body + Array(block.utf8))
        }
        let bench = try Bench(behaviour)
        let outcome = try await bench.flow().issue(try Bench.request())
        #expect(outcome.certificate.chain.der.count == 3)
        #expect(bench.eventNames.contains("warning"))
    }

    @Test func aWildcardWantsDNS() async throws {
        let bench = try Bench()
        await #expect { try await bench.flow().issue(try Bench.request(["*.example.org"])) } throws: { error in
            guard case .noSolver(_, let offered)? = error as? IssuanceError else { return false }
            return offered == nil && "\(error)".hasSuffix("nothing was ordered")
        }
        #expect(bench.ca.orderCount == 0 && bench.keys.names.isEmpty)
        #expect(try await bench.store.journalNames().isEmpty)
        let dns = MemorySolver(.dns01)
        let ca = FakeCA(time: bench.time) { _, _, token in dns.answer(token) ?? bench.solver.answer(token) }
        let client = ACMEClient(
            directory: try ca.directory, transport: ca, signer: bench.accountKey, account: try ca.addAccount(bench.accountKey.publicKey),
            time: bench.time)
        let flow = IssuanceFlow(
            issuer: try ACMEIssuer(client: client), store: bench.store, keys: bench.keys, solvers: [bench.solver, dns], time: bench.time)
        let outcome = try await flow.issue(try Bench.request(["*.example.org", "example.org"]))
        #expect(outcome.certificate.name.rawValue == "wildcard_.example.org")
        #expect(dns.presented == 1 && bench.solver.presented == 1)
    }

    @Test func aRenewalKeepsTheKeyUnlessANewOneIsAskedFor() async throws {
        let bench = try Bench()
        let first = try await bench.flow().issue(try Bench.request())
        let name = first.certificate.name
        let second = try await bench.flow().renew(name)
        #expect(second.key.name == first.key.name && second.certificate.metadata.generation == 2)
        let third = try await bench.flow().renew(name) { $0.newKey = true }
        #expect(third.key.name.rawValue == "www.example.org-2")
        #expect(bench.keys.retired == ["www.example.org"])
        let fourth = try await bench.flow().renew(name) {
            $0.newKey = true
            $0.oldKey = .delete
        }
        #expect(fourth.key.name.rawValue == "www.example.org-3")
        #expect(bench.keys.names == ["www.example.org", "www.example.org-3"])
    }

    @Test func aLostReplacesIsNoReasonToHaveNoCertificate() async throws {
        let bench = try Bench()
        var request = try Bench.request()
        request.replaces = "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE"
        _ = try await bench.flow().issue(request)
        #expect(bench.ca.orderCount == 1)
    }

    @Test func aFailedDeployHookRunsAgain() async throws {
        let bench = try Bench()
        struct Broken: Error {}
        await #expect { try await bench.flow(deploy: { _ in throw Broken() }).issue(try Bench.request()) } throws: { error in
            guard case .deployFailed? = error as? IssuanceError else { return false }
            return true
        }
        let requests = bench.ca.log.count
        // A run that does not know the hook does not pass over it.
        await #expect { try await bench.flow().issue(try Bench.request()) } throws: { error in
            guard case .deployFailed? = error as? IssuanceError else { return false }
            return true
        }
        #expect(try await bench.store.certificate(named: try CertificateName("www.example.org"))?.isDeployed == false)
        let deployed = Mutex(0)
        let outcome = try await bench.flow(deploy: { _ in deployed.withLock { $0 += 1 } }).issue(try Bench.request())
        #expect(deployed.withLock { $0 } == 1)
        #expect(outcome.wasResumed)
        #expect(bench.ca.log.count == requests)
        #expect(try await bench.store.certificate(named: outcome.certificate.name)?.isDeployed == true)
    }

    @Test func withoutRoomForTheJournalNothingIsMadeOrSigned() async throws {
        let bench = try Bench()
        await #expect { try await bench.flow(onFullDisk: true).issue(try Bench.request()) } throws: {
            ($0 as? StoreError)?.reason == .storageFull
        }
        #expect(bench.keys.names.isEmpty && bench.ca.log.isEmpty)
        // Neither at a renewal, which makes no key.
        _ = try await bench.flow().issue(try Bench.request())
        bench.ca.clearLog()
        await #expect(throws: StoreError.self) { try await bench.flow(onFullDisk: true).renew(try CertificateName("www.example.org")) }
        #expect(bench.ca.log.isEmpty)
    }

    @Test func twoRunsForOneNameDoNotMeet() async throws {
        let bench = try Bench()
        let lock = try await bench.store.lock(try CertificateName("www.example.org"))
        await #expect { try await bench.flow().issue(try Bench.request()) } throws: { ($0 as? StoreError)?.reason == .locked }
        lock.release()
        _ = try await bench.flow().issue(try Bench.request())
    }

    @Test func cancellationCleansUp() async throws {
        let bench = try Bench()
        let stuck = StuckSolver(base: bench.solver)
        let flow = try bench.flow(solvers: [stuck])
        let task = Task { try await flow.issue(try Bench.request()) }
        for _ in 0..<5000 where bench.solver.isEmpty { try await Task.sleep(for: .milliseconds(2)) }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(bench.solver.isEmpty)
        #expect(try await bench.store.journal(named: try CertificateName("www.example.org"))?.challengesToCleanUp.isEmpty == true)
    }

    @Test func revocationByAccountAndByCertificateKey() async throws {
        let bench = try Bench()
        let first = try await bench.flow().issue(try Bench.request())
        try await bench.flow().revoke(first.certificate.name, reason: .superseded)
        #expect(bench.ca.revocations == [first.certificate.chain.leafDER])
        await #expect { try await bench.flow().revoke(first.certificate.name, reason: nil) } throws: { error in
            guard case .alreadyRevoked? = error as? IssuanceError else { return false }
            return true
        }
        let second = try await bench.flow().renew(first.certificate.name)
        try await bench.flow().revoke(second.certificate.name, reason: .keyCompromise, byCertificateKey: true)
        #expect(bench.ca.revocations.count == 2)
    }

    /// The next certificate must not use a compromised key again.
    @Test func aCompromisedKeyIsNotUsedAgain() async throws {
        let bench = try Bench()
        let first = try await bench.flow().issue(try Bench.request())
        try await bench.flow().revoke(first.certificate.name, reason: .keyCompromise)
        let renewed = try await bench.flow().renew(first.certificate.name)
        #expect(renewed.certificate.chain.spki != first.certificate.chain.spki)
        #expect(renewed.certificate.metadata.key.name != first.certificate.metadata.key.name)
    }
}

/// Never becomes visible; ends only by cancellation.
private struct StuckSolver: ChallengeSolver {
    let base: MemorySolver
    var type: ChallengeType { base.type }
    func canSolve(_ identifier: Identifier) -> Bool { true }
    func target(of identifier: Identifier, _ keyAuthorization: KeyAuthorization) -> String { base.target(of: identifier, keyAuthorization) }
    func present(_ answer: ChallengeAnswer) async throws { try await base.present(answer) }
    func waitUntilVisible(_ answer: ChallengeAnswer) async throws { try await Task.sleep(for: .seconds(3600)) }
    func cleanUp(_ answer: ChallengeAnswer) async throws { try await base.cleanUp(answer) }
}

/// A chain for an unknown key.
private enum ForeignChain {
    static let pem: [UInt8] = {
        let csr = try? SoftwareKey().certificateRequest([Identifier(argument: "www.example.org")])
        return (try? csr.map { try FakeAuthority().issue(csr: $0, now: 1_800_000_000, root: 1) }) ?? []
    }()
}

/// An agent that signs for only one CA.
private struct HomeSigner: AccountSigner {
    struct Refused: PolicyRefusal {
        var isPolicyRefusal: Bool { true }
    }
    let base: SoftwareSigner

    var keyName: KeyName { base.keyName }
    var publicKey: PublicKey { base.publicKey }

    func sign(_ request: ACMERequest, url: ACMEURL, nonce: String, account: ACMEURL?) async throws -> FlattenedJWS {
        guard url.host == "ca.test" else { throw Refused() }
        return try await base.sign(request, url: url, nonce: nonce, account: account)
    }
}
