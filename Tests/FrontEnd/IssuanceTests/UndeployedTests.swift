import ACME
import ACMEClient
import CertificateStore
import Synchronization
import TestSupport
import Testing

@testable import Issuance

/// A certificate that is installed, but whose deploy hook fails.
@Suite struct UndeployedTests {
    private struct Broken: Error {}

    private static let broken: IssuanceFlow.DeployHook = { _ in throw Broken() }
    private let name: CertificateName

    init() throws { name = try CertificateName("www.example.org") }

    private func isHook(_ error: any Error) -> Bool {
        if case .deployFailed? = error as? IssuanceError { true } else { false }
    }

    /// A renewal with a new key, of which no server knows: the hook has failed.
    private func undeployed() async throws -> Bench {
        let bench = try Bench()
        _ = try await bench.flow().issue(try Bench.request())
        await #expect { try await bench.flow(deploy: Self.broken).renew(name) { $0.newKey = true } } throws: { isHook($0) }
        #expect(try await bench.store.certificate(named: name)?.metadata.generation == 2)
        return bench
    }

    private func replace(_ bench: Bench, _ deploy: @escaping IssuanceFlow.DeployHook) async throws -> IssuanceOutcome {
        try await bench.flow(deploy: deploy).renew(name) { $0.replacesUndeployed = true }
    }

    /// One server's hook fails for good. The others go on, and no key is lost that a server may still use.
    @Test func itIsReplacedWhenItIsDue() async throws {
        let bench = try await undeployed()
        // As long as it is not due, there is nothing to order.
        let orders = bench.ca.orderCount
        await #expect { try await bench.flow(deploy: Self.broken).renew(name) } throws: { isHook($0) }
        #expect(bench.ca.orderCount == orders)
        for generation in 3...4 {
            let deployed = Mutex<[Int]>([])
            await #expect {
                try await replace(bench) { stored in
                    deployed.withLock { $0.append(stored.metadata.generation) }
                    throw Broken()
                }
            } throws: { isHook($0) }
            #expect(deployed.withLock { $0 } == [generation - 1, generation])
            #expect(try await bench.store.certificate(named: name)?.metadata.generation == generation)
            #expect(bench.keys.retired.isEmpty && bench.keys.names == ["www.example.org", "www.example.org-2"])
        }
        // With yet another key: both of the earlier ones may be in use.
        await #expect {
            try await bench.flow(deploy: Self.broken).renew(name) {
                $0.replacesUndeployed = true
                $0.newKey = true
            }
        } throws: { isHook($0) }
        #expect(bench.keys.retired.isEmpty && bench.keys.names.count == 3)
        let requests = bench.ca.log.count
        let outcome = try await bench.flow(deploy: { _ in }).renew(name)
        #expect(outcome.certificate.metadata.generation == 5 && outcome.wasResumed && bench.ca.log.count == requests)
        #expect(outcome.wasInstalled)
        #expect(try await !bench.flow(deploy: { _ in }).renew(name).wasInstalled)
        #expect(bench.keys.retired == ["www.example.org", "www.example.org-2"])
        #expect(try await bench.store.journalNames().isEmpty)
    }

    /// The hook is not forgotten for an order that comes to nothing.
    @Test(arguments: [true, false]) func anOrderThatFailsLeavesTheHookToTheNextRun(isRefused: Bool) async throws {
        let bench = try await undeployed()
        let journal = try await bench.store.journal(named: name)
        bench.ca.change { behaviour in
            if isRefused {
                behaviour.refusals = ["www.example.org": "no such name"]
            } else {
                behaviour.intercept = { request, _ in
                    request.url.path == "/new-order" ? HTTPResponse(status: 503, headers: [:]) : nil
                }
            }
        }
        await #expect { try await replace(bench, Self.broken) } throws: { !isHook($0) }
        #expect(try await bench.store.journal(named: name)?.outgoingKeys == journal?.outgoingKeys)
        let orders = bench.ca.orderCount
        let outcome = try await bench.flow(deploy: { _ in }).renew(name)
        #expect(outcome.certificate.metadata.generation == 2 && bench.ca.orderCount == orders)
        #expect(try await bench.store.certificate(named: name)?.isDeployed == true)
        #expect(bench.keys.retired == ["www.example.org"])
    }

    /// Nor for a failed order that has left a key.
    @Test func aKeyThatIsLeftDoesNotHideTheHook() async throws {
        let bench = try await undeployed(), keys = UndeletableKeys(base: bench.keys)
        let journal = try #require(try await bench.store.journal(named: name))
        bench.ca.change { $0.refusals = ["www.example.org": "no such name"] }
        await #expect {
            try await bench.flow(deploy: Self.broken, keys: keys).renew(name) {
                $0.replacesUndeployed = true
                $0.newKey = true
            }
        } throws: { !isHook($0) }
        #expect(bench.keys.names.contains("www.example.org-3"))
        #expect(try await bench.store.journal(named: name) == journal)
        let orders = bench.ca.orderCount
        let outcome = try await bench.flow(deploy: { _ in }, keys: keys).renew(name)
        #expect(outcome.certificate.metadata.generation == 2 && bench.ca.orderCount == orders)
        #expect(try await bench.store.certificate(named: name)?.isDeployed == true)
    }
}
