import ACME
import CertificateStore
import Synchronization
import TestSupport
import Testing

@testable import Issuance

/// SIGKILL before and after every step of an issuance: the next run ends with a certificate, and nothing is left
/// behind.
@Suite struct CutOffTests {
    @Test func aFirstIssuanceMayBeCutOffAnywhere() async throws {
        var limit = 0
        while true {
            let bench = try Bench()
            let killSwitch = KillSwitch(after: limit)
            let request = try Bench.request(["www.example.org", "a.example.org"])
            let result = await Swift.Result { try await bench.flow(killedBy: killSwitch).issue(request) }
            if case .success = result {
                #expect(limit > 30)
                return
            }
            #expect(killSwitch.isDead)
            let ordersBefore = bench.ca.orderCount
            let knewOrder = try await bench.store.journal(named: request.name)?.order != nil
            let certificate = try await bench.flow().issue(request).certificate
            try await expectNothingLeft(bench, request.name, certificate, "cut off after \(limit)")
            if knewOrder { #expect(bench.ca.orderCount == ordersBefore, "a known order is resumed, cut off after \(limit)") }
            #expect(bench.keys.names == ["www.example.org"], "one key, cut off after \(limit)")
            limit += 1
        }
    }

    @Test func aRenewalWithANewKeyMayBeCutOffAnywhere() async throws {
        var limit = 0
        while true {
            let bench = try Bench()
            let request = try Bench.request()
            _ = try await bench.flow().issue(request)
            let killSwitch = KillSwitch(after: limit)
            let result = await Swift.Result { try await bench.flow(killedBy: killSwitch).renew(request.name) { $0.newKey = true } }
            if case .success = result { return }
            let interrupted = try await bench.store.journal(named: request.name) != nil
            let before = try await bench.store.certificate(named: request.name)?.metadata.generation
            let outcome = try await bench.flow().renew(request.name) { $0.newKey = true }
            try await expectNothingLeft(bench, request.name, outcome.certificate, "cut off after \(limit)")
            let active = Set(bench.keys.names).subtracting(bench.keys.retired)
            #expect(active == [outcome.key.name.rawValue], "cut off after \(limit)")
            if interrupted, before == 1 { #expect(outcome.key.name.rawValue == "www.example.org-2", "cut off after \(limit)") }
            limit += 1
        }
    }

    @Test func anotherWishBehindACutOffLeavesNoKeyBehind() async throws {
        var limit = 0
        while true {
            let bench = try Bench()
            let killSwitch = KillSwitch(after: limit)
            let request = try Bench.request()
            let result = await Swift.Result { try await bench.flow(killedBy: killSwitch).issue(request) }
            if case .success = result { return }
            var other = try Bench.request(["www.example.org", "more.example.org"])
            other.key = KeyName("wanted")
            let outcome = try await bench.flow().issue(other)
            #expect(outcome.key.name.rawValue == "wanted")
            #expect(try outcome.certificate.chain.identifiers().count == 2)
            let active = Set(bench.keys.names).subtracting(bench.keys.retired)
            #expect(active == ["wanted"], "cut off after \(limit)")
            limit += 1
        }
    }

    @Test func aDeployHookRunsForEachGenerationThatWasInstalled() async throws {
        var limit = 0
        while true {
            let bench = try Bench()
            let deployed = Mutex<[Int]>([])
            let hook: IssuanceFlow.DeployHook = { certificate in deployed.withLock { $0.append(certificate.metadata.generation) } }
            let request = try Bench.request()
            let result = await Swift.Result {
                try await bench.flow(killedBy: KillSwitch(after: limit), deploy: hook).issue(request)
            }
            if case .success = result { return }
            let outcome = try await bench.flow(deploy: hook).issue(request)
            #expect(deployed.withLock { $0 }.contains(outcome.certificate.metadata.generation), "cut off after \(limit)")
            limit += 1
        }
    }

    private func expectNothingLeft(_ bench: Bench, _ name: CertificateName, _ certificate: StoredCertificate, _ comment: Comment)
        async throws
    {
        #expect(bench.solver.isEmpty, comment)
        #expect(try await bench.store.journal(named: name) == nil, comment)
        let stored = try await bench.store.certificate(named: name)
        #expect(stored?.metadata.generation == certificate.metadata.generation, comment)
        #expect(stored?.isDeployed == true, comment)
    }
}

extension Result where Failure == any Error {
    fileprivate init(_ work: () async throws -> Success) async {
        do { self = .success(try await work()) } catch { self = .failure(error) }
    }
}
