import ACME
import ACMEClient
import CertificateStore
import Issuance
import Synchronization
import TestSupport
import Testing

/// What a user is told about earlier failures, and what to do.
@Suite struct HintTests {
    private func problem(_ type: String, _ count: Int, status: Int) -> HTTPResponse {
        let body = #"{"type":"urn:ietf:params:acme:error:\#(type)","detail":"no","status":\#(status)}"#
        return HTTPResponse(
            status: status, headers: ["Content-Type": "application/problem+json", "Replay-Nonce": "none-\(count)"], body: Array(body.utf8))
    }

    /// If an order is refused as unauthorized, the account itself may be closed; a CA may show the account, or refuse
    /// that too.
    @Test(arguments: [(true, true), (true, false), (false, false)])
    func anOrderOfADeactivatedAccountSaysSo(isClosed: Bool, isShown: Bool) async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.showsClosedAccounts = isShown
        behaviour.intercept = { request, count in
            request.url.path == "/new-order" ? problem("unauthorized", count, status: 403) : nil
        }
        let bench = try Bench(behaviour)
        if isClosed { bench.ca.close(bench.account) }
        await #expect { try await bench.flow().issue(try Bench.request()) } throws: { error in
            guard case .accountClosed(_, _, _, _)? = error as? IssuanceError else {
                return !isClosed && (error as? ACMEClientError)?.problem?.kind == .unauthorized
            }
            let hint = (error as? IssuanceError)?.hint ?? ""
            return isClosed && "\(error)".contains("deactivated at the CA") && hint.hasSuffix("--directory https://ca.test/dir --key NAME")
        }
        #expect(bench.keys.names.isEmpty)
    }

    @Test func aCertificateWhoseKeyIsGoneIsSaidToNeedANewOne() async throws {
        let bench = try Bench()
        let certificate = try await bench.flow().issue(try Bench.request()).certificate
        try await bench.keys.deleteKey(named: certificate.metadata.key.name)
        await #expect { try await bench.flow().renew(certificate.name) } throws: { error in
            guard case .certificateKeyMissing(_, certificate.name)? = error as? IssuanceError else { return false }
            return (error as? IssuanceError)?.hint?.contains("--new-key") == true
        }
        let renewed = try await bench.flow().renew(certificate.name) { $0.newKey = true }
        #expect(renewed.certificate.metadata.generation == 2)
    }

    @Test func anOrderThatFailedIsNotCalledInterrupted() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.intercept = { request, count in
            request.url.path.hasPrefix("/finalize") ? problem("badCSR", count, status: 400) : nil
        }
        let bench = try Bench(behaviour)
        await #expect(throws: ACMEClientError.self) { try await bench.flow().issue(try Bench.request()) }
        bench.ca.change { $0.intercept = nil }
        _ = try await bench.flow().issue(try Bench.request())
        let ends = bench.events.withLock { events in
            events.compactMap { event -> EarlierEnd? in
                if case .resumed(_, _, let end) = event { return end }
                return nil
            }
        }
        #expect(ends == [.failure])
    }

    @Test func chainsThatTheCAOffersAreNamed() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.alternateChain = true
        let bench = try Bench(behaviour)
        var request = try Bench.request()
        request.preferredRoot = "Nope"
        _ = try await bench.flow().issue(request)
        let warnings = bench.events.withLock { events in
            events.compactMap { event -> String? in
                if case .warning(let text) = event { return text }
                return nil
            }
        }
        #expect(warnings.count == 1)
        let offer = try #require(warnings.first?.split(separator: "it offers ").last)
        #expect(offer.split(separator: ", ").count == 2, "\(offer)")
    }

    @Test func aNonceThatIsRefusedIsTold() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.noncesToRefuse = 1
        let bench = try Bench(behaviour)
        _ = try await bench.flow().issue(try Bench.request())
        #expect(bench.eventNames.filter { $0 == "nonce-refused" }.count == 1)
    }
}
