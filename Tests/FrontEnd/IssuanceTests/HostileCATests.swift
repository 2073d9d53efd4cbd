import ACME
import ACMEClient
import CertificateStore
import JOSE
import Synchronization
import TestSupport
import Testing

@testable import Issuance

/// A CA whose answers are well-formed but misleading.
@Suite struct HostileCATests {
    private static func problem(_ status: Int, _ type: String) -> HTTPResponse {
        let body = #"{"type":"urn:ietf:params:acme:error:\#(type)","detail":"no","status":\#(status)}"#
        return HTTPResponse(status: status, headers: ["Content-Type": "application/problem+json"], body: Array(body.utf8))
    }

    /// Every order gets the URL of the first one, which says that it is ready.
    private static let reusesOrderURL: @Sendable (HTTPRequest, HTTPResponse) -> HTTPResponse = { request, response in
        if request.url.path == "/order/0" {
            let text = String(decoding: response.body, as: UTF8.self).replacing(#""status":"valid""#, with: #""status":"ready""#)
            return HTTPResponse(status: response.status, headers: response.headers, body: Array(text.utf8))
        }
        guard request.url.path == "/new-order" else { return response }
        let others = response.headers.fields.filter { $0.name != "Location" }
        return HTTPResponse(
            status: response.status, headers: HTTPFields(others + [(name: "Location", value: "https://ca.test/order/0")]),
            body: response.body)
    }

    // MARK: What counts as renewed

    /// An installed certificate is identified by its generation, not by a URL that the CA reuses.
    @Test(arguments: [false, true]) func anOrderURLThatIsGivenOutAgainIsNoRenewal(_ isRevoked: Bool) async throws {
        let bench = try Bench()
        let first = try await bench.flow().issue(try Bench.request()).certificate
        if isRevoked { try await bench.flow().revoke(first.name, reason: .superseded) }
        bench.ca.change {
            $0.tamper = Self.reusesOrderURL
            $0.intercept = { request, _ in request.url.path.hasPrefix("/finalize/") ? Self.problem(500, "serverInternal") : nil }
        }
        let deployed = Mutex<[Int]>([])
        let hook: IssuanceFlow.DeployHook = { certificate in deployed.withLock { $0.append(certificate.metadata.generation) } }
        for _ in 0..<2 {
            await #expect { try await bench.flow(deploy: hook).renew(first.name) } throws: { ($0 as? ACMEClientError)?.isOutage == true }
            #expect(deployed.withLock { $0.isEmpty })
            #expect(try await bench.store.journal(named: first.name)?.hasFailed == false)
        }
        bench.ca.change { $0 = .init() }
        let outcome = try await bench.flow(deploy: hook).renew(first.name)
        #expect(outcome.certificate.metadata.generation == 2 && deployed.withLock { $0 } == [2])
        #expect(outcome.certificate.metadata.serial != first.metadata.serial && !outcome.certificate.isRevoked)
        #expect(bench.keys.names == ["www.example.org"])
    }

    @Test func theSameCertificateIsNoRenewal() async throws {
        let bench = try Bench()
        let first = try await bench.flow().issue(try Bench.request()).certificate
        let pem = first.chain.fullChainPEM
        bench.ca.change {
            $0.tamper = { request, response in
                guard request.url.path.hasPrefix("/cert/") else { return response }
                return HTTPResponse(status: response.status, headers: response.headers, body: pem)
            }
        }
        await #expect { try await bench.flow().renew(first.name) } throws: { error in
            guard case .unexpectedAnswer(let reason)? = error as? IssuanceError else { return false }
            return reason.contains(first.metadata.serial)
        }
        #expect(try await bench.store.certificate(named: first.name)?.metadata.generation == 1)
        bench.ca.change { $0.tamper = nil }
        #expect(try await bench.flow().renew(first.name).certificate.metadata.generation == 2)
    }

    /// A certificate that expires sooner is no renewal either, until the installed one expires even sooner.
    @Test func anEarlierEndIsNoRenewal() async throws {
        let bench = try Bench()
        let first = try await bench.flow().issue(try Bench.request()).certificate
        bench.ca.change { $0.certificateDays = 1 }
        await #expect { try await bench.flow().renew(first.name) } throws: { error in
            guard case .unexpectedAnswer(let reason)? = error as? IssuanceError else { return false }
            return reason.contains("before the installed one")
        }
        #expect(try await bench.store.certificate(named: first.name)?.metadata.generation == 1)
        try await bench.time.sleep(for: .seconds(first.metadata.notAfter - bench.time.unixTime() - 3_600))
        #expect(try await bench.flow().renew(first.name).certificate.metadata.generation == 2)
    }

    @Test(arguments: ["profile", "names", "key"]) func anEarlierEndThatWasAskedForIsInstalledWithAWarning(_ change: String) async throws {
        let bench = try Bench()
        let first = try await bench.flow().issue(try Bench.request()).certificate
        bench.ca.change {
            $0.certificateDays = 1
            $0.profiles = ["shortlived"]
        }
        let outcome = try await bench.flow().renew(first.name) { request in
            switch change {
            case "profile": request.profile = "shortlived"
            case "names": request.identifiers += (try? [Identifier(argument: "a.example.org")]) ?? []
            default: request.newKey = true
            }
        }
        #expect(outcome.certificate.metadata.generation == 2)
        #expect(bench.eventNames.contains("warning"))
    }

    // MARK: Waiting

    @Test(arguments: [["processing", "pending"], ["pending", "processing", "processing"]])
    func anOrderThatGoesInACircleEnds(_ states: [String]) async throws {
        let looks = Mutex(0)
        var behaviour = FakeCA.Behaviour()
        behaviour.tamper = { request, response in
            guard request.url.path.hasPrefix("/order/") || request.url.path.hasPrefix("/finalize/") else { return response }
            var text = String(decoding: response.body, as: UTF8.self)
            guard text.hasPrefix(#"{"status":"valid""#) else { return response }
            let look = looks.withLock { looks in
                looks += 1
                return looks
            }
            // So that the test ends if the program does not.
            if look > 3_000 { return HTTPResponse(status: 404) }
            text.replace(#"{"status":"valid""#, with: #"{"status":"\#(states[look % states.count])""#)
            return HTTPResponse(status: response.status, headers: response.headers, body: Array(text.utf8))
        }
        let bench = try Bench(behaviour)
        await #expect { try await bench.flow().issue(try Bench.request()) } throws: { error in
            guard case .timedOut? = error as? IssuanceError else { return false }
            return true
        }
        #expect(bench.ca.log.count < 600 && bench.time.uptime() < .seconds(1_000))
        // The certificate is issued, and the next run gets it.
        bench.ca.change { $0.tamper = nil }
        #expect(try await bench.flow().issue(try Bench.request()).certificate.metadata.generation == 1)
        #expect(bench.ca.orderCount == 1)
    }

    @Test func slowAlternateChainsDoNotHoldTheCertificateUp() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.tamper = { request, response in
            if request.url.path.hasPrefix("/alternate/") { return HTTPResponse(status: 503, headers: ["Retry-After": "60"]) }
            guard request.url.path.hasPrefix("/cert/") else { return response }
            let links = (0..<10).map { (name: "Link", value: "<https://ca.test/alternate/\($0)>;rel=\"alternate\"") }
            return HTTPResponse(status: response.status, headers: HTTPFields(response.headers.fields + links), body: response.body)
        }
        let bench = try Bench(behaviour)
        var request = try Bench.request()
        request.preferredRoot = "Fake Root B"
        #expect(try await bench.flow().issue(request).certificate.metadata.generation == 1)
        #expect(bench.time.uptime() < .seconds(30))
        #expect(bench.eventNames.contains("warning"))
    }

    /// For the right key and names, with the preferred root, but another certificate.
    @Test func anAlternateChainIsForTheVerySameCertificate() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.alternateChain = true
        behaviour.alternateIsOther = true
        let bench = try Bench(behaviour)
        var request = try Bench.request()
        request.preferredRoot = "Fake Root B"
        let certificate = try await bench.flow().issue(request).certificate
        #expect(certificate.chain.certificates.contains { $0.issuerCommonNames.contains("Fake Root A") })
        #expect(bench.eventNames.contains("warning"))
    }

    // MARK: URLs

    static let foreign = "https://evil.test/order/0"
    static let long = "https://ca.test/" + String(repeating: "a", count: 1_020)

    /// The CA's answer, where, in place of what, and whether a challenge is presented by then.
    @Test(
        arguments: [
            ("/new-order", "https://ca.test/finalize/0", foreign), ("/new-order", "https://ca.test/finalize/0", long),
            ("/new-order", "https://ca.test/finalize/0", "account"), ("/new-order", "https://ca.test/authz/0", foreign),
            ("/new-order", "https://ca.test/authz/0", "account"), ("/authz/", "https://ca.test/chall/0/http-01", foreign),
            ("/authz/", "https://ca.test/chall/0/http-01", "account"), ("/authz/", "https://ca.test/chall/0/http-01", long),
        ])
    func aURLThatNothingIsSignedForIsRefusedAtOnce(_ path: String, _ old: String, _ new: String) async throws {
        let bench = try Bench()
        bench.ca.change { $0 = .rewriting(path, old, new == "account" ? bench.account.text + "/" : new) }
        try await expectRefusal(bench)
    }

    @Test(arguments: [foreign, long, "account", "https://ca.test/new-order"])
    func anOrdersLocationMustBeOne(_ location: String) async throws {
        let bench = try Bench()
        let location = location == "account" ? bench.account.text : location
        bench.ca.change {
            $0.tamper = { request, response in
                guard request.url.path == "/new-order" else { return response }
                let others = response.headers.fields.filter { $0.name != "Location" }
                return HTTPResponse(
                    status: response.status, headers: HTTPFields(others + [(name: "Location", value: location)]), body: response.body)
            }
        }
        try await expectRefusal(bench)
        #expect(!bench.ca.log.contains { $0.hasPrefix("POST /authz/") })
    }

    private func expectRefusal(_ bench: Bench) async throws {
        await #expect { try await bench.flow().issue(try Bench.request()) } throws: { error in
            guard case .invalidDocument? = error as? ACMEClientError else { return false }
            return "\(error)".contains("https://ca.test/") || "\(error)".contains("longer than \(ACMEURL.maximumLength) bytes")
        }
        #expect(bench.solver.presented == 0 && bench.keys.names.isEmpty)
        #expect(try await bench.store.journalNames().isEmpty)
    }

    @Test func aCertificatesURLIsOfTheCA() async throws {
        let bench = try Bench(.rewriting("/finalize/", "https://ca.test/cert/0", "https://evil.test/cert/0"))
        await #expect { try await bench.flow().issue(try Bench.request()) } throws: { error in
            guard case .invalidDocument? = error as? ACMEClientError else { return false }
            return "\(error)".contains("certificate") && "\(error)".contains("evil.test")
        }
        bench.ca.change { $0.tamper = nil }
        #expect(try await bench.flow().issue(try Bench.request()).certificate.metadata.generation == 1)
    }

    @Test func oneNameUnderManyAuthorizationsIsNotPresentedAgainAndAgain() async throws {
        let list = (0..<50).map { #""https://ca.test/authz/0?\#($0)""# }.joined(separator: ",")
        let bench = try Bench(.rewriting("/new-order", #""https://ca.test/authz/0""#, list))
        await #expect { try await bench.flow().issue(try Bench.request()) } throws: { error in
            guard case .unexpectedAnswer(let reason)? = error as? IssuanceError else { return false }
            return reason.contains("50 authorizations")
        }
        #expect(bench.solver.presented == 0)
    }

    // MARK: Keys

    /// Killed after the token has made the key and before that could be recorded; then the order fails.
    @Test func aKeyThatAKilledRunHadMadeIsTakenBackWhenItsOrderFails() async throws {
        var found = false
        for limit in 0..<80 {
            let bench = try Bench()
            let killed = try? await bench.flow(killedBy: KillSwitch(after: limit)).issue(try Bench.request())
            guard killed == nil else { break }
            let journal = try await bench.store.journal(named: try CertificateName("www.example.org"))
            guard bench.keys.names == ["www.example.org"], journal?.isFinalizing == false else { continue }
            found = found || journal?.steps.contains { if case .keyMade = $0 { true } else { false } } == false
            bench.ca.change {
                $0.intercept = { request, _ in
                    ["/new-order", "/order/", "/authz/", "/finalize/"].contains { request.url.path.hasPrefix($0) }
                        ? Self.problem(403, "rejectedIdentifier") : nil
                }
            }
            await #expect(throws: ACMEClientError.self, "cut off after \(limit)") { try await bench.flow().issue(try Bench.request()) }
            #expect(bench.keys.names.isEmpty, "cut off after \(limit)")
            #expect(try await bench.store.journalNames().isEmpty, "cut off after \(limit)")
        }
        #expect(found)
    }

    /// Even if the next run wants other names and has the key for them.
    @Test func aKeyThatAKilledRunHadMadeForOtherNamesIsTakenBack() async throws {
        let bench = try Bench()
        var request = try Bench.request()
        try await bench.store.write(
            OrderJournal(
                name: request.name, directory: try bench.ca.directory, identifiers: request.identifiers, accountKey: "account",
                account: bench.account, started: 0, steps: [.intentKey(name: "www.example.org", isNew: true), .makingKey]))
        _ = try await bench.keys.createKey(named: "www.example.org", algorithm: .p256, purpose: .certificate)
        request.identifiers += [try Identifier(argument: "a.example.org")]
        bench.ca.change {
            $0.intercept = { request, _ in request.url.path == "/new-order" ? Self.problem(403, "rejectedIdentifier") : nil }
        }
        await #expect(throws: ACMEClientError.self) { try await bench.flow().issue(request) }
        #expect(bench.keys.names.isEmpty)
    }

    /// The name was taken between the check and the creation: the key is somebody else's.
    @Test(arguments: [true, false]) func aKeyThatSomebodyElseMadeMeanwhileStays(_ isHandedOut: Bool) async throws {
        let bench = try Bench()
        let keys = TakenKeys(base: bench.keys, isHandedOut: isHandedOut)
        bench.ca.change {
            $0.intercept = { request, _ in request.url.path.hasPrefix("/authz/") ? Self.problem(403, "rejectedIdentifier") : nil }
        }
        for _ in 0..<2 { _ = try? await bench.flow(keys: keys).issue(try Bench.request()) }
        #expect(bench.keys.names == ["www.example.org"])
    }
}

/// A provider in which somebody else makes each key a moment earlier.
private struct TakenKeys: KeyProvider {
    let base: SoftwareKeys
    /// Or it fails.
    let isHandedOut: Bool

    func key(named name: KeyName) async throws -> ManagedKey? { try await base.key(named: name) }
    func createKey(named name: KeyName, algorithm: KeyAlgorithm, purpose: KeyPurpose) async throws -> ManagedKey {
        var key = try await base.createKey(named: name, algorithm: algorithm, purpose: purpose)
        guard isHandedOut else { throw SoftwareKeyError.exists(name.rawValue) }
        key.isNew = false
        return key
    }
    func retireKey(named name: KeyName) async throws { try await base.retireKey(named: name) }
    func deleteKey(named name: KeyName) async throws { try await base.deleteKey(named: name) }
    func signer(for key: ManagedKey) async throws -> any AccountSigner { try await base.signer(for: key) }
}
