import ACME
import ACMEClient
import CertificateStore
import TestSupport
import Testing

@testable import Issuance

/// The names are the caller's: whatever the CA answers, nothing is presented for another one.
@Suite struct OrderAnswerTests {
    private func expectNothingPresented(_ behaviour: FakeCA.Behaviour, says text: String, sleeping: Bool = false) async throws {
        let bench = try Bench(behaviour)
        await #expect { try await bench.flow().issue(try Bench.request(["www.example.org", "a.example.org"])) } throws: { error in
            guard case .unexpectedAnswer(let reason)? = error as? IssuanceError else { return false }
            return reason.contains(text)
        }
        #expect(bench.solver.presented == 0)
        #expect(!bench.ca.log.contains { $0.hasPrefix("POST /chall/") })
        #expect(bench.time.slept.isEmpty)
        // Nothing is left for a timer to resume.
        #expect(bench.keys.names.isEmpty)
        #expect(try await bench.store.journalNames().isEmpty)
    }

    @Test(
        "An order for other names is refused",
        arguments: [
            (#"{"type":"dns","value":"a.example.org"}"#, #"{"type":"dns","value":"b.example.org"}"#, "b.example.org was not ordered"),
            (#"{"type":"dns","value":"a.example.org"}"#, #"{"type":"ip","value":"192.0.2.1"}"#, "a.example.org is missing"),
            (
                #"{"type":"dns","value":"a.example.org"}"#,
                #"{"type":"dns","value":"a.example.org"},{"type":"dns","value":"evil.example"}"#, "evil.example was not ordered"
            ),
            (#",{"type":"dns","value":"a.example.org"}"#, "", "a.example.org is missing"),
            (#"{"type":"dns","value":"www.example.org"},{"type":"dns","value":"a.example.org"}"#, "", "is missing"),
            (#""identifiers":"#, #""names":"#, "does not say which names"),
            (
                #""identifiers":[{"type":"dns","value":"www.example.org"},{"type":"dns","value":"a.example.org"}]"#, #""identifiers":null"#,
                "does not say"
            ),
        ])
    func orders(_ old: String, _ new: String, _ reason: String) async throws {
        try await expectNothingPresented(.rewriting("/new-order", old, new), says: reason)
    }

    @Test("An authorization for another name is refused", arguments: ["evil.example", "example.org", "192.0.2.1"])
    func authorizations(_ name: String) async throws {
        let type = name == "192.0.2.1" ? "ip" : "dns"
        try await expectNothingPresented(
            .rewriting("/authz/1", #""type":"dns","value":"a.example.org""#, #""type":"\#(type)","value":"\#(name)""#),
            says: "requires authorization of \(name)")
    }

    @Test("An authorization for a wildcard that was not ordered is refused")
    func wildcardNotOrdered() async throws {
        try await expectNothingPresented(
            .rewriting("/authz/1", #""status":"pending","challenges""#, #""status":"pending","wildcard":true,"challenges""#),
            says: "requires authorization of *.a.example.org")
    }

    @Test("A pending order without authorizations is an error at once", arguments: ["[]", "null", "absent"])
    func noAuthorizations(_ value: String) async throws {
        let old = #""authorizations":["https://ca.test/authz/0","https://ca.test/authz/1"]"#
        let new = value == "absent" ? #""x":1"# : #""authorizations":\#(value)"#
        try await expectNothingPresented(.rewriting("/new-order", old, new), says: "no authorization")
    }

    @Test("A later answer for other names is refused", arguments: ["/order/", "/finalize/"])
    func laterAnswers(_ path: String) async throws {
        let bench = try Bench(.rewriting(path, #""value":"www.example.org""#, #""value":"evil.example""#))
        await #expect(throws: IssuanceError.self) { try await bench.flow().issue(try Bench.request()) }
        #expect(try await bench.store.certificateNames().isEmpty)
    }

    @Test("A wildcard's authorization may leave out that it is one")
    func wildcardLeftOut() async throws {
        let dns = MemorySolver(.dns01)
        let time = VirtualTime()
        let ca = FakeCA(time: time, behaviour: .rewriting("/authz/", #","wildcard":true"#, "")) { _, _, token in dns.answer(token) }
        let bench = try Bench()
        let client = ACMEClient(
            directory: try ca.directory, transport: ca, signer: bench.accountKey, account: try ca.addAccount(bench.accountKey.publicKey),
            time: time)
        let flow = IssuanceFlow(
            issuer: try ACMEIssuer(client: client), store: bench.store, keys: bench.keys, solvers: [dns], time: time)
        let outcome = try await flow.issue(try Bench.request(["*.example.org"]))
        #expect(try outcome.certificate.chain.identifiers().map(\.value) == ["*.example.org"])
    }

    @Test(
        "newOrder's answer is kept: later answers need only their status",
        arguments: [["finalize"], ["identifiers"], ["authorizations"], ["finalize", "identifiers", "authorizations"]])
    func terseServer(_ omitted: [String]) async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.omittedFromOrders = Set(omitted)
        behaviour.processingPolls = 1
        let bench = try Bench(behaviour)
        let outcome = try await bench.flow().issue(try Bench.request(["www.example.org", "a.example.org"]))
        #expect(outcome.certificate.metadata.generation == 1)
    }

    @Test("newOrder's answer is in the journal too, so that an interrupted order can be resumed anywhere")
    func terseServerCutOff() async throws {
        var limit = 0
        while true {
            var behaviour = FakeCA.Behaviour()
            behaviour.omittedFromOrders = ["finalize", "identifiers", "authorizations"]
            let bench = try Bench(behaviour)
            let request = try Bench.request()
            if (try? await bench.flow(killedBy: KillSwitch(after: limit)).issue(request)) != nil { break }
            let knewOrder = try await bench.store.journal(named: request.name)?.order != nil
            let orders = bench.ca.orderCount
            _ = try await bench.flow().issue(request)
            if knewOrder { #expect(bench.ca.orderCount == orders, "cut off after \(limit)") }
            limit += 1
        }
        #expect(limit > 20)
    }

    @Test(
        "A challenge's answer that cannot be read changes nothing", arguments: [("{", "["), (#""status":"pending""#, #""status":"new""#)])
    func unreadableChallenge(_ old: String, _ new: String) async throws {
        let bench = try Bench(.rewriting("/chall/", old, new))
        _ = try await bench.flow().issue(try Bench.request())
    }

    @Test("A ready order has its finalize URL, or the error names the missing member")
    func noFinalize() async throws {
        let bench = try Bench(
            .rewriting("/new-order", #""finalize":"https://ca.test/finalize/0""#, #""finalize":null"#) {
                $0.omittedFromOrders = ["finalize"]
            })
        await #expect { try await bench.flow().issue(try Bench.request()) } throws: { "\($0)".contains("finalize") }
    }
}

extension FakeCA.Behaviour {
    /// A CA whose answers at a path have a text replaced.
    static func rewriting(
        _ path: String, _ old: String, _ new: String, _ change: (inout FakeCA.Behaviour) -> Void = { _ in }
    ) -> FakeCA.Behaviour {
        var behaviour = FakeCA.Behaviour()
        change(&behaviour)
        behaviour.tamper = { request, response in
            guard request.url.path.hasPrefix(path) else { return response }
            let text = String(decoding: response.body, as: UTF8.self)
            return HTTPResponse(status: response.status, headers: response.headers, body: Array(text.replacing(old, with: new).utf8))
        }
        return behaviour
    }
}
