import ACME
import ACMEClient
import CertificateStore
import Foundation
import JOSE
import TestSupport
import Testing

@testable import Issuance

/// An option that cannot take effect is refused before anything is ordered, and does not affect an earlier order.
@Suite struct UselessWishTests {
    private func expectRefusal(_ bench: Bench, _ request: IssuanceRequest, hint: String) async throws {
        let orders = bench.ca.orderCount, keys = bench.keys.names
        await #expect { try await bench.flow().issue(request) } throws: { error in
            guard case .noEffect(let reason, let said)? = error as? IssuanceError else { return false }
            return said.contains(hint) && reason.contains("nothing was ordered")
        }
        #expect(bench.ca.orderCount == orders && bench.keys.names == keys)
    }

    private func cutOff(_ bench: Bench, _ request: IssuanceRequest) async throws {
        bench.ca.change {
            $0.intercept = { request, _ in
                request.url.path.hasPrefix("/authz/") ? HTTPResponse(status: 503, headers: ["Retry-After": "100000"]) : nil
            }
        }
        await #expect(throws: ACMEClientError.self) { try await bench.flow().issue(request) }
        bench.ca.change { $0.intercept = nil }
    }

    @Test func anotherTypeThanThatOfTheKey() async throws {
        let bench = try Bench()
        _ = try await bench.flow().issue(try Bench.request())
        var request = try Bench.request()
        request.keyAlgorithm = .p384
        request.isKeyAlgorithmWanted = true
        try await expectRefusal(bench, request, hint: "--new-key")
        request.key = "www.example.org"
        try await expectRefusal(bench, request, hint: "--new-key")
        request.key = nil
        request.newKey = true
        #expect(try await bench.flow().issue(request).key.name.rawValue == "www.example.org-2")
    }

    @Test func theKeyOfAnAccount() async throws {
        let bench = try Bench()
        _ = try await bench.keys.createKey(
            named: "account-x", algorithm: .p256, purpose: .account(directory: try bench.ca.directory))
        var request = try Bench.request()
        request.key = "account-x"
        try await expectRefusal(bench, request, hint: "keys list")
        #expect(try await bench.store.journalNames().isEmpty)
    }

    @Test func aNewKeyByTheNameOfOneThatIsThere() async throws {
        let bench = try Bench()
        _ = try await bench.keys.createKey(named: "mine", algorithm: .p256, purpose: .certificate)
        var request = try Bench.request()
        request.key = "mine"
        request.newKey = true
        try await expectRefusal(bench, request, hint: "--new-key")
        // The same for the order for this key, which stays open.
        request.newKey = false
        try await cutOff(bench, request)
        request.newKey = true
        try await expectRefusal(bench, request, hint: "forget --order www.example.org")
        #expect(try await bench.store.journal(named: request.name)?.hasFailed == false)
        request.newKey = false
        let outcome = try await bench.flow().issue(request)
        #expect(outcome.wasResumed && bench.ca.orderCount == 1)
    }

    /// The key that was made for an order is its new one.
    @Test func aNewKeyThatWasMadeForTheOrder() async throws {
        let bench = try Bench()
        var request = try Bench.request()
        request.newKey = true
        try await cutOff(bench, request)
        request.key = "www.example.org"
        #expect(try await bench.flow().issue(request).wasResumed)
    }

    @Test func aNewKeyForACertificateWhoseHookIsStillToRun() async throws {
        struct HookFailed: Error {}
        let bench = try Bench()
        _ = try await bench.flow().issue(try Bench.request())
        await #expect(throws: IssuanceError.self) { try await bench.flow(deploy: { _ in throw HookFailed() }).issue(try Bench.request()) }
        var request = try Bench.request()
        request.newKey = true
        await #expect(throws: IssuanceError.self) {
            try await bench.flow(deploy: { if $0.metadata.generation == 3 { throw HookFailed() } }).issue(request)
        }
        #expect(try await bench.store.certificate(named: request.name)?.metadata.key.name.rawValue == "www.example.org-2")
        // Repeated, only the hook runs.
        let outcome = try await bench.flow(deploy: { _ in }).issue(request)
        #expect(outcome.key.name.rawValue == "www.example.org-2" && bench.ca.orderCount == 3)
    }

    // MARK: Must staple

    private func stapled(_ bench: Bench) -> [Bool] {
        bench.events.withLock { events in
            events.compactMap { event in
                if case .signed(.finalize(let request), _, _) = event { request.mustStaple } else { nil }
            }
        }
    }

    @Test func mustStapleIsInTheJournalAndInTheRenewal() async throws {
        let bench = try Bench()
        var request = try Bench.request()
        request.mustStaple = true
        try await cutOff(bench, request)
        #expect(try await bench.store.journal(named: request.name)?.mustStaple == true)
        #expect(try await bench.flow().issue(request).wasResumed)
        let renewed = try await bench.flow().renew(request.name)
        #expect(renewed.certificate.chain.leaf.mustStaple)
        #expect(stapled(bench) == [true, true])
        // The user no longer wants it.
        _ = try await bench.flow().issue(try Bench.request())
        #expect(try await bench.store.certificate(named: request.name)?.chain.leaf.mustStaple == false)
    }

    @Test func anOrderForAnotherTLSFeatureIsNotResumed() async throws {
        let bench = try Bench()
        try await cutOff(bench, try Bench.request())
        var request = try Bench.request()
        request.mustStaple = true
        let outcome = try await bench.flow().issue(request)
        #expect(!outcome.wasResumed && outcome.certificate.chain.leaf.mustStaple && bench.keys.made == 1)
    }

    // MARK: Folders and programs

    @Test func whatChallengesNeedIsLookedAtBeforeOrdering() async throws {
        let bench = try Bench()
        let folder = bench.folder
        try folder.write("file", "")
        try FileManager.default.createDirectory(atPath: folder.file("blocked"), withIntermediateDirectories: true)
        try folder.write("blocked/.well-known", "")
        func hook(_ path: String) -> DNS01Hook {
            DNS01Hook(program: ExternalProgram(path: path, environment: ProgramEnvironment([]), timeout: .seconds(1)))
        }
        let solvers: [any ChallengeSolver] = [
            HTTP01Webroot(root: folder.file("none")), HTTP01Webroot(root: folder.file("file")), HTTP01Webroot(root: folder.file("blocked")),
            hook(folder.file("none")), hook(folder.file("file")), hook(folder.path),
        ]
        for (number, solver) in solvers.enumerated() {
            await #expect("\(number)") { try await bench.flow(solvers: [solver]).issue(try Bench.request()) } throws: { error in
                guard case .solver? = error as? IssuanceError else { return false }
                return true
            }
        }
        #expect(bench.ca.orderCount == 0 && bench.keys.made == 0)
        #expect(try await bench.store.journalNames().isEmpty)
    }
}
