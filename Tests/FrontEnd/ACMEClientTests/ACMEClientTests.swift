import ACME
import JOSE
import Synchronization
import TestSupport
import Testing

@testable import ACMEClient

/// A client with an account at a CA in memory.
private struct Conversation {
    let time = VirtualTime()
    let ca: FakeCA
    let client: ACMEClient
    let signer = SoftwareSigner()

    init(_ behaviour: FakeCA.Behaviour = .init(), observer: (@Sendable (ACMEClientEvent) -> Void)? = nil) throws {
        ca = FakeCA(time: time, behaviour: behaviour)
        client = ACMEClient(
            directory: try ca.directory, transport: ca, signer: signer, account: try ca.addAccount(signer.publicKey), time: time,
            observer: observer)
    }

    func order() async throws -> ACMEResource<Order> {
        try await client.newOrder(NewOrder(identifiers: [try Identifier(argument: "www.example.org")]))
    }
}

@Suite struct ACMEClientTests {
    @Test func aNonceOfEveryResponseIsUsedAndNewNonceAskedOnce() async throws {
        let conversation = try Conversation()
        let order = try await conversation.order()
        for _ in 0..<5 { _ = try await conversation.client.order(order.url) }
        #expect(conversation.ca.log.prefix(3) == ["GET /dir", "HEAD /nonce", "POST /new-order"])
        #expect(conversation.ca.log.filter { $0 == "HEAD /nonce" }.count == 1)
        #expect(conversation.client.requestCount == 8)
    }

    @Test func aClientThatWasWarmedUpAsksNothingTwice() async throws {
        let conversation = try Conversation()
        conversation.client.warmUp()
        _ = try await conversation.order()
        #expect(conversation.ca.log == ["GET /dir", "HEAD /nonce", "POST /new-order"])
    }

    @Test func requestsSideBySideShareOneNonce() async throws {
        let conversation = try Conversation()
        let order = try await conversation.order()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<20 { group.addTask { _ = try await conversation.client.order(order.url) } }
            try await group.waitForAll()
        }
        #expect(conversation.ca.log.filter { $0 == "HEAD /nonce" }.count == 1)
        #expect(conversation.client.requestCount == 23)
    }

    @Test func badNonceIsTriedAgainWithTheNonceOfThatResponse() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.noncesToRefuse = 60
        let conversation = try Conversation(behaviour)
        _ = try await conversation.order()
        // A directory, one nonce, 60 refusals, one success: no other newNonce.
        #expect(conversation.client.requestCount == 63)
        #expect(conversation.time.slept.isEmpty)
    }

    @Test func badNonceWithoutAFreshNonceFetchesOne() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.noncesToRefuse = 2
        behaviour.withholdsNonces = true
        let conversation = try Conversation(behaviour)
        _ = try await conversation.order()
        #expect(conversation.ca.log.filter { $0 == "HEAD /nonce" }.count == 3)
    }

    @Test func aCAThatRefusesItsNoncesForEverEnds() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.noncesToRefuse = .max
        let conversation = try Conversation(behaviour)
        await #expect { try await conversation.order() } throws: { error in
            guard case .noncesExhausted(let attempts, _)? = error as? ACMEClientError else { return false }
            return attempts == RetryPolicy.maximumNonceAttempts
        }
        // The slot is free again: the next request works.
        conversation.ca.change { $0.noncesToRefuse = 0 }
        _ = try await conversation.order()
    }

    @Test func aRateLimitIsWaitedForWhenTheCASaysHowLong() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.intercept = { request, count in
            guard request.url.path == "/new-order", count <= 3 else { return nil }
            return HTTPResponse(
                status: 429, headers: ["Content-Type": "application/problem+json", "Retry-After": "7", "Replay-Nonce": "spare"],
                body: Array(#"{"type":"urn:ietf:params:acme:error:rateLimited","detail":"slow down"}"#.utf8))
        }
        let conversation = try Conversation(behaviour)
        // "spare" is not one of the CA's nonces: the client gets a badNonce for it and continues.
        _ = try await conversation.order()
        #expect(conversation.time.slept == [.seconds(7)])
    }

    @Test(arguments: ["1000000000", "999999999999999999999", "Fri, 31 Dec 9999 23:59:59 GMT"])
    func aRetryAfterBeyondAllPatienceIsAnError(value: String) async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.intercept = { request, _ in
            guard request.url.path == "/new-order" else { return nil }
            return HTTPResponse(status: 503, headers: ["Retry-After": value])
        }
        let conversation = try Conversation(behaviour)
        await #expect(throws: ACMEClientError.self) { try await conversation.order() }
        #expect(conversation.time.slept.isEmpty)
    }

    @Test(arguments: ["-5", "soon", "", "1e3", "Fri, 31 Dec 1999 23:59:59 GMT"])
    func aBusyCAIsTriedAgainAFewTimesWhateverItsRetryAfter(value: String) async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.intercept = { request, count in
            guard request.url.path == "/new-order", count < 5 else { return nil }
            return HTTPResponse(status: 503, headers: ["Retry-After": value, "Replay-Nonce": "x"])
        }
        let conversation = try Conversation(behaviour)
        _ = try await conversation.order()
        #expect(conversation.time.slept.allSatisfy { $0 > .zero && $0 <= .seconds(10) })
    }

    @Test func aProblemReachesTheCallerWithItsSubproblems() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.intercept = { request, _ in
            guard request.url.path == "/new-order" else { return nil }
            let body = #"""
                {"type":"urn:ietf:params:acme:error:malformed","detail":"some names","subproblems":[
                {"type":"urn:ietf:params:acme:error:rejectedIdentifier","detail":"forbidden by policy",
                "identifier":{"type":"dns","value":"www.example.org"}}]}
                """#
            return HTTPResponse(status: 403, headers: ["Content-Type": "application/problem+json"], body: Array(body.utf8))
        }
        let conversation = try Conversation(behaviour)
        await #expect { try await conversation.order() } throws: { error in
            let text = "\(error)"
            return text.contains("www.example.org: forbidden by policy") && (error as? ACMEClientError)?.problem?.kind == .malformed
        }
    }

    @Test func redirectsAreNotFollowed() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.intercept = { request, _ in HTTPResponse(status: 302, headers: ["Location": request.url.text]) }
        let conversation = try Conversation(behaviour)
        await #expect { try await conversation.client.directory() } throws: { error in
            guard case .redirect(302, _, _)? = error as? ACMEClientError else { return false }
            return true
        }
        #expect(conversation.client.requestCount == 1)
    }

    @Test(arguments: ["text/html", "application/problem+json", ""])
    func aDocumentOfAnotherTypeIsRefused(type: String) async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.tamper = { _, response in HTTPResponse(status: response.status, headers: ["Content-Type": type], body: response.body) }
        let conversation = try Conversation(behaviour)
        await #expect { try await conversation.client.directory() } throws: { error in
            guard let error = error as? ACMEClientError else { return false }
            return error.description.contains("application/json") && error.hint == "is this the URL of an ACME directory?"
        }
    }

    /// The user chooses only the directory's URL.
    @Test func anAnswerOfAnotherTypeIsNoMistakeInTheDirectorysURL() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.tamper = { request, response in
            guard request.url.path == "/new-order" else { return response }
            let others = response.headers.fields.filter { $0.name != "Content-Type" }
            return HTTPResponse(
                status: response.status, headers: HTTPFields(others + [(name: "Content-Type", value: "text/html")]), body: response.body)
        }
        let conversation = try Conversation(behaviour)
        await #expect { try await conversation.order() } throws: { error in
            guard case .unexpectedContentType? = error as? ACMEClientError else { return false }
            return (error as? ACMEClientError)?.hint == nil
        }
    }

    /// The agent never signs for another server: this is reported as the CA's mistake.
    @Test func aDirectoryWhoseURLsAreElsewhereIsTheCAsMistake() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.tamper = { request, response in
            guard request.url.path == "/dir" else { return response }
            let text = String(decoding: response.body, as: UTF8.self)
            let body = text.replacing("https://ca.test/new-order", with: "https://other.test/new-order")
            return HTTPResponse(status: response.status, headers: response.headers, body: Array(body.utf8))
        }
        let conversation = try Conversation(behaviour)
        await #expect { try await conversation.order() } throws: { error in
            guard case .invalidDocument? = error as? ACMEClientError else { return false }
            return "\(error)".contains("https://other.test/new-order")
        }
        #expect(!conversation.ca.log.contains("POST /new-order"))
    }

    @Test func aFailureToFetchTheDirectoryIsNotRemembered() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.intercept = { _, count in count == 1 ? HTTPResponse(status: 404) : nil }
        let conversation = try Conversation(behaviour)
        await #expect(throws: ACMEClientError.self) { try await conversation.client.directory() }
        _ = try await conversation.client.directory()
    }

    /// RFC 9110 §10.2.2, RFC 8288 §3.1: both may be relative to the request's URL.
    @Test(arguments: ["/order/0", "order/0", "./x/../order/0", "//ca.test/order/0", "https://ca.test/order/0"])
    func aRelativeLocationIsResolved(location: String) async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.tamper = { request, response in
            guard request.url.path == "/new-order" else { return response }
            let fields = response.headers.fields.filter { $0.name != "Location" }
            return HTTPResponse(
                status: response.status, headers: HTTPFields(fields + [(name: "Location", value: location)]), body: response.body)
        }
        let conversation = try Conversation(behaviour)
        #expect(try await conversation.order().url.text == "https://ca.test/order/0")
    }

    @Test func relativeLinksAreResolved() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.intercept = { request, count in
            guard request.url.path == "/cert/0" else { return nil }
            return HTTPResponse(
                status: 200,
                headers: [
                    "Content-Type": "application/pem-certificate-chain", "Replay-Nonce": "n\(count)",
                    "Link":
                        #"</cert/0/1>;rel="alternate", <2?x=1>;rel="alternate", <https://other.test/3>;rel="alternate", <ftp://x/>;rel="alternate""#,
                ], body: [])
        }
        let conversation = try Conversation(behaviour)
        let chain = try await conversation.client.certificate(try ACMEURL("https://ca.test/cert/0"))
        #expect(chain.alternates.map(\.text) == ["https://ca.test/cert/0/1", "https://ca.test/cert/2?x=1", "https://other.test/3"])
    }

    @Test func aMemberOfTheDirectoryIsRequiredWhenItIsUsed() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.tamper = { request, response in
            guard request.url.path == "/dir" else { return response }
            let text = String(decoding: response.body, as: UTF8.self)
                .replacing("revokeCert", with: "no-revocation").replacing("keyChange", with: "no-key-change")
            return HTTPResponse(status: response.status, headers: response.headers, body: Array(text.utf8))
        }
        let conversation = try Conversation(behaviour)
        _ = try await conversation.order()
        await #expect { try await conversation.client.revoke(Revocation(certificate: [1])) } throws: { "\($0)".contains("\"revokeCert\"") }
        await #expect { try await conversation.client.changeKey(to: "other") } throws: { "\($0)".contains("\"keyChange\"") }
    }

    /// A database that fails over, a proxy without a server behind it: with or without a problem document.
    @Test(arguments: [500, 502, 503, 504], [true, false]) func aCAThatIsDownIsAskedAgainWhereThatDoesNoHarm(
        status: Int, hasProblem: Bool
    ) async throws {
        let conversation = try Conversation()
        let order = try await conversation.order()
        let failures = Mutex(0)
        conversation.ca.change {
            $0.intercept = { request, count in
                guard
                    failures.withLock({
                        $0 += 1
                        return $0 <= 3
                    })
                else { return nil }
                let body = hasProblem ? #"{"type":"urn:ietf:params:acme:error:serverInternal"}"# : "<html>Bad Gateway</html>"
                return HTTPResponse(
                    status: status, headers: ["Content-Type": hasProblem ? "application/problem+json" : "text/html"], body: Array(body.utf8)
                )
            }
        }
        _ = try await conversation.client.order(order.url)
        #expect(conversation.time.slept.count == 3)
        // A directory is fetched again as well.
        failures.withLock { $0 = 0 }
        let client = ACMEClient(directory: try conversation.ca.directory, transport: conversation.ca, time: conversation.time)
        _ = try await client.directory()
    }

    @Test(arguments: [500, 502, 504]) func anOrderThatMayHaveBeenMadeIsNotMadeAgain(status: Int) async throws {
        let conversation = try Conversation()
        conversation.ca.change { $0.intercept = { request, _ in request.url.path == "/new-order" ? HTTPResponse(status: status) : nil } }
        await #expect(throws: ACMEClientError.self) { try await conversation.order() }
        #expect(conversation.ca.log.filter { $0 == "POST /new-order" }.count == 1)
    }

    @Test func aCAThatStaysDownEnds() async throws {
        let conversation = try Conversation()
        let order = try await conversation.order()
        conversation.ca.change { $0.intercept = { _, _ in HTTPResponse(status: 502) } }
        let start = conversation.time.uptime()
        await #expect(throws: ACMEClientError.self) { try await conversation.client.order(order.url) }
        #expect(conversation.time.uptime() - start < .seconds(30))
    }

    /// One deadline for all attempts of a request, however long each takes.
    @Test(arguments: [true, false]) func slowTriesDoNotAddUp(isBadNonce: Bool) async throws {
        let conversation = try Conversation()
        let order = try await conversation.order()
        let slow = SlowTransport(base: conversation.ca, time: conversation.time, delay: isBadNonce ? .seconds(2) : .seconds(60))
        if isBadNonce {
            conversation.ca.change { $0.noncesToRefuse = .max }
        } else {
            conversation.ca.change { $0.intercept = { _, _ in HTTPResponse(status: 504) } }
        }
        let client = ACMEClient(
            directory: try conversation.ca.directory, transport: slow, signer: conversation.signer, account: conversation.client.account,
            time: conversation.time)
        let start = conversation.time.uptime()
        await #expect(throws: ACMEClientError.self) { try await client.order(order.url) }
        #expect(conversation.time.uptime() - start <= .seconds(190))
    }

    @Test func aProblemWithoutDetailSaysStatusAndWhatWasAsked() async throws {
        let conversation = try Conversation()
        conversation.ca.change {
            $0.intercept = { request, _ in
                guard request.url.path == "/new-order" else { return nil }
                return HTTPResponse(
                    status: 403, headers: ["Content-Type": "application/problem+json"],
                    body: Array(#"{"type":"urn:ietf:params:acme:error:unauthorized"}"#.utf8))
            }
        }
        await #expect { try await conversation.order() } throws: { error in
            ["403", "https://ca.test/new-order", "unauthorized"].allSatisfy { "\(error)".contains($0) }
        }
    }

    @Test func anAccountThatIsAnsweredWithoutABodyIsAskedFor() async throws {
        let conversation = try Conversation()
        conversation.ca.change {
            $0.tamper = { request, response in
                guard request.url.path == "/new-account" else { return response }
                return HTTPResponse(
                    status: response.status, headers: HTTPFields(response.headers.fields.filter { $0.name != "Content-Type" }))
            }
        }
        let found = try await conversation.client.findAccount()
        #expect(found?.account.status == .valid && found?.url == conversation.client.account)
    }

    /// RFC 8555 §7.6 lets a client omit it; some CAs refuse that.
    @Test func aRevocationHasAReasonAlways() async throws {
        let reasons = Mutex<[RevocationReason?]>([])
        let conversation = try Conversation(observer: { event in
            if case .signed(.revokeCertificate(let revocation), _, _) = event { reasons.withLock { $0.append(revocation.reason) } }
        })
        try await conversation.client.revoke(Revocation(certificate: [0x30, 0x00]))
        try await conversation.client.revoke(Revocation(certificate: [0x30, 0x01], reason: .superseded))
        #expect(reasons.withLock { $0 } == [.unspecified, .superseded])
    }

    @Test func aBodyOverTheLimitIsRefused() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.intercept = { request, _ in
            request.url.path == "/cert/0"
                ? HTTPResponse(
                    status: 200, headers: ["Content-Type": "application/pem-certificate-chain"],
                    body: [UInt8](repeating: 65, count: request.responseLimit + 1)) : nil
        }
        let conversation = try Conversation(behaviour)
        await #expect { try await conversation.client.certificate(try ACMEURL("https://ca.test/cert/0")) } throws: { error in
            guard case .transport(let cause)? = error as? ACMEClientError else { return false }
            return cause.kind == .tooLarge
        }
    }

    @Test func aNonceThatIsNotBase64urlIsIgnored() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.tamper = { request, response in
            guard request.url.path == "/new-order" else { return response }
            let fields = response.headers.fields.filter { $0.name != "Replay-Nonce" }
            return HTTPResponse(
                status: response.status, headers: HTTPFields(fields + [(name: "Replay-Nonce", value: "a\r\nb")]), body: response.body)
        }
        let conversation = try Conversation(behaviour)
        let order = try await conversation.order()
        _ = try await conversation.client.order(order.url)
        #expect(conversation.ca.log.filter { $0 == "HEAD /nonce" }.count == 2)
    }

    @Test func aLostQuestionIsAskedAgainAndALostOrderIsNot() async throws {
        let failures = Mutex(0)
        var behaviour = FakeCA.Behaviour()
        behaviour.tamper = { _, response in response }
        let conversation = try Conversation(behaviour)
        let order = try await conversation.order()
        let flaky = FlakyTransport(base: conversation.ca) { _ in
            failures.withLock {
                $0 += 1
                return $0 <= 2
            }
        }
        let client = ACMEClient(
            directory: try conversation.ca.directory, transport: flaky, signer: conversation.signer, account: conversation.client.account,
            time: conversation.time)
        _ = try await client.order(order.url)
        let broken = ACMEClient(
            directory: try conversation.ca.directory, transport: FlakyTransport(base: conversation.ca) { $0.url.path == "/new-order" },
            signer: conversation.signer, account: conversation.client.account, time: conversation.time)
        let before = conversation.ca.orderCount
        await #expect(throws: ACMEClientError.self) {
            try await broken.newOrder(NewOrder(identifiers: [try Identifier(argument: "a.example.org")]))
        }
        #expect(conversation.ca.orderCount == before + 1)
    }

    @Test func accountsAreFoundByTheirKey() async throws {
        let time = VirtualTime()
        let ca = FakeCA(time: time)
        let client = ACMEClient(directory: try ca.directory, transport: ca, signer: SoftwareSigner(), time: time)
        #expect(try await client.findAccount() == nil as RegisteredAccount?)
        let made = try await client.newAccount(NewAccount(contact: [], termsOfServiceAgreed: true))
        #expect(made.isNew)
        let found = try await client.findAccount()
        #expect(found?.url == made.url)
        #expect(found?.isNew == false)
        #expect(client.account == made.url)
        #expect(try await client.fetchAccount().status == .valid)
    }

    @Test func withoutAnAccountNothingIsSent() async throws {
        let ca = FakeCA()
        let client = ACMEClient(directory: try ca.directory, transport: ca, signer: SoftwareSigner(), time: VirtualTime())
        await #expect { try await client.order(try ACMEURL("https://ca.test/order/0")) } throws: { error in
            guard case .noAccount? = error as? ACMEClientError else { return false }
            return true
        }
    }

    @Test func whatWasSignedByWhichKeyIsTold() async throws {
        let signed = Mutex<[String]>([])
        let conversation = try Conversation(observer: { event in
            if case .signed(let request, let url, let key) = event {
                signed.withLock { $0.append("\(key) \(request.operation.rawValue) \(url.path)") }
            }
        })
        _ = try await conversation.order()
        #expect(signed.withLock { $0 } == ["account new-order /new-order"])
    }
}

extension RegisteredAccount: Equatable {
    public static func == (left: RegisteredAccount, right: RegisteredAccount) -> Bool { left.url == right.url }
}

/// Loses responses: the request reaches the CA, but its answer is lost.
struct FlakyTransport: HTTPTransport {
    let base: any HTTPTransport
    let loses: @Sendable (HTTPRequest) -> Bool

    func send(_ request: HTTPRequest) async throws -> HTTPResponse {
        let response = try await base.send(request)
        if loses(request) { throw TransportError(.unreachable, origin: request.url.origin, detail: "lost") }
        return response
    }
}

/// Takes some virtual time for every answer.
struct SlowTransport: HTTPTransport {
    let base: any HTTPTransport
    let time: VirtualTime
    let delay: Duration

    func send(_ request: HTTPRequest) async throws -> HTTPResponse {
        try await time.sleep(for: delay)
        return try await base.send(request)
    }
}
