import ACME
import AgentInterface
import AuditTrail
import Crypto
import Foundation
import JOSE
import Testing
import TokenProtocol
import Varlink

@testable import AgentClient
@testable import AgentService

@Suite struct AgentServiceTests {
    @Test func everyMethodOfTheInterfaceIsReadAndNoOther() throws {
        let interface = try VarlinkInterface(parsing: AgentInterfaceText.text)
        #expect(interface.name == AgentInterfaceText.name)
        #expect(Set(interface.methods.map(\.name)) == Set(AgentCall.methods))
    }

    /// Replies match the published interface text.
    @Test func repliesAreAsTheInterfaceDescribesThem() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let client = try await agent.client()
        _ = try await client.accountKey()
        _ = try await client.createKey(named: "web-1", usage: .certificate, algorithm: .p256)
        let interface = try VarlinkInterface(parsing: AgentInterfaceText.text)
        let connection = try await VarlinkConnection.connect(to: try #require(VarlinkAddress(path: agent.socket)))
        let identifiers = #""identifiers":[{"type":"dns","value":"www.example.org"}]"#
        let signing = #""key":"account-1","url":"https://localhost:14000/x","nonce":"bm8","account":"https://localhost:14000/a""#
        let calls = [
            ("GetStatus", "{}"), ("ListKeys", "{}"), ("DescribeKey", #"{"name":"web-1"}"#), ("SignPostAsGet", "{\(signing)}"),
            ("SignNewOrder", "{\(signing),\(identifiers)}"), ("SignFinalize", #"{\#(signing),\#(identifiers),"certificateKey":"web-1"}"#),
            ("SignCertificateRequest", #"{"key":"web-1",\#(identifiers)}"#), ("ReadAudit", #"{"last":2}"#),
            ("SignNewAccount", #"{"key":"account-1","url":"https://localhost:14000/x","nonce":"bm8"}"#),
            ("RetireKey", #"{"name":"web-1"}"#),
            ("SignRevocation", #"{\#(signing),"certificate":"MAA"}"#), ("DeleteKey", #"{"name":"web-1"}"#),
        ]
        for (name, parameters) in calls {
            let method = try #require(interface.methods.first { $0.name == name })
            let reply = try await connection.call("\(interface.name).\(name)", parameters: Array(parameters.utf8))
            #expect(throws: Never.self, "\(name)") { try interface.check(reply.parameters, against: method.reply) }
        }
        await connection.close()
    }

    @Test func aKeyIsMadeListedUsedRetiredAndDestroyed() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let client = try await agent.client()
        let key = try await client.accountKey()
        #expect(key.usage == .account && key.algorithm == .p256 && key.state == .active)
        #expect(key.directory == AgentFixture.directory)
        #expect(try await client.keys() == [key])
        #expect(try await client.key(named: "account-1") == key)
        let signed = try await client.postAsGet().request
        let public256 = try P256.Signing.PublicKey(derRepresentation: key.publicKey.spki)
        let signature = try P256.Signing.ECDSASignature(rawRepresentation: try #require(Base64URL.decode(signed.signature)))
        #expect(public256.isValidSignature(signature, for: signed.signedBytes))
        #expect(try await client.retireKey(named: "account-1").state == .retired)
        await #expect(throws: AgentError.self) { try await client.postAsGet() }
        try await client.deleteKey(named: "account-1")
        #expect(try await client.keys().isEmpty)
        await #expect(throws: AgentError.keyNotFound(name: "account-1")) { try await client.key(named: "account-1") }
    }

    @Test func intentComesBeforeOutcomeAndTheTrailVerifies() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let client = try await agent.client()
        _ = try await client.accountKey()
        _ = try await client.createKey(named: "web-1", usage: .certificate, algorithm: .p256)
        let identifiers = [try Identifier(argument: "www.example.org")]
        let reply = try await client.sign(
            SigningCall(
                key: "account-1", url: ACMEURL("https://localhost:14000/finalize/1"), nonce: "bm9uY2U",
                account: ACMEURL("https://localhost:14000/account/1"),
                request: .finalize(CertificateRequest(key: "web-1", identifiers: identifiers))))
        #expect(reply.certificateRequest?.isEmpty == false)
        let entries = try agent.trail.map { try AuditEntry(line: Array($0.utf8)).record }
        let finalization = entries.filter { $0.operation == "finalize" }
        #expect(finalization.map(\.kind) == [.intent, .outcome, .intent, .outcome])
        #expect(finalization.map(\.key) == ["web-1", "web-1", "account-1", "account-1"])
        #expect(finalization[0].identifiers == ["www.example.org"])
        #expect(finalization.allSatisfy { $0.grant == "all" && $0.uid == geteuid() })
        let lines = try await {
            var lines: [String] = []
            for try await line in client.audit(last: 1_000, follow: false) { lines.append(line) }
            return lines
        }()
        #expect(lines == agent.trail)
    }

    @Test func whatNoGrantCoversIsRefusedAndWrittenDown() async throws {
        let agent = try AgentFixture(
            grants: """
                [[grant]]
                name = "web"
                users = [USER]
                keys = ["account-1", "web-1"]
                operations = ["issue", "account", "create-key"]
                identifiers = ["*.example.org"]
                cas = ["https://localhost:*"]
                """)
        defer { agent.end() }
        let client = try await agent.client()
        _ = try await client.accountKey()
        func order(_ name: String, url: String = "https://localhost:14000/new-order") async throws {
            _ = try await client.sign(
                SigningCall(
                    key: "account-1", url: ACMEURL(url), nonce: "bm9uY2U", account: ACMEURL("https://localhost:14000/account/1"),
                    request: .newOrder(NewOrder(identifiers: [try Identifier(argument: name)]))))
        }
        try await order("www.example.org")
        for name in ["example.org", "a.b.example.org", "www.evil-example.org", "*.example.org", "192.0.2.1"] {
            do {
                try await order(name)
                Issue.record("\(name) was signed")
            } catch let error as AgentError {
                guard case .refused(let reason, _, let hint, _) = error else {
                    Issue.record("\(error)")
                    continue
                }
                #expect(reason == "identifier-refused")
                #expect(hint?.contains("web") == true)
            }
        }
        await #expect(throws: AgentError.self) { try await order("www.example.org", url: "https://other.example/new-order") }
        await #expect(throws: AgentError.self) { try await order("www.example.org", url: "https://localhost:15000/new-order") }
        await #expect(throws: AgentError.self) { try await client.deleteKey(named: "account-1") }
        #expect(agent.trail.filter { $0.contains(#""kind":"refusal""#) }.count == 8)
        #expect(agent.token.signatures == 1)
    }

    /// An order of a name that is granted must not end in a request for another.
    @Test func aRequestForANameOutsideTheGrantIsNotMade() async throws {
        let agent = try AgentFixture(
            grants: """
                [[grant]]
                name = "web"
                users = [USER]
                keys = ["account-1", "web-1"]
                operations = ["issue", "create-key", "sign-certificate-request"]
                identifiers = ["*.example.org"]
                cas = ["https://localhost:*"]
                """)
        defer { agent.end() }
        let client = try await agent.client()
        _ = try await client.accountKey()
        _ = try await client.createKey(named: "web-1", usage: .certificate, algorithm: .p256)
        let own = try Identifier(argument: "www.example.org")
        let more = [own, try Identifier(argument: "www.example.com")]
        func finalize(_ identifiers: [Identifier]) async throws {
            _ = try await client.sign(
                SigningCall(
                    key: "account-1", url: ACMEURL("https://localhost:14000/finalize/1"), nonce: "bm9uY2U",
                    account: ACMEURL("https://localhost:14000/account/1"),
                    request: .finalize(CertificateRequest(key: "web-1", identifiers: identifiers))))
        }
        await #expect(throws: AgentError.self) { try await finalize(more) }
        await #expect(throws: AgentError.self) { _ = try await client.certificateRequest(key: "web-1", identifiers: more) }
        #expect(agent.trail.filter { $0.contains("identifier-not-granted") && $0.contains("www.example.com") }.count == 2)
        #expect(agent.token.signatures == 0)
        try await finalize([own])
        _ = try await client.certificateRequest(key: "web-1", identifiers: [own])
        #expect(agent.token.signatures == 3)
    }

    /// A refused caller who could fill the disk would stop everybody's signatures.
    @Test func aFloodOfRefusalsIsCountedAndNotRecordedOneByOne() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything.replacing(#"keys = ["*"]"#, with: #"keys = ["mine-*"]"#))
        defer { agent.end() }
        let client = try await agent.client()
        for _ in 0..<(RefusalBudget.Bounds().perUser + 50) {
            await #expect(throws: AgentError.self) { try await client.postAsGet() }
        }
        #expect(agent.trail.filter { $0.contains(#""kind":"refusal""#) }.count == RefusalBudget.Bounds().perUser)
    }

    @Test func aKeyThatIsNotGrantedLooksLikeOneThatIsNotThere() async throws {
        let token = FakeToken()
        let agent = try AgentFixture(
            grants: """
                [[grant]]
                name = "others"
                users = [4242]
                keys = ["*"]
                operations = ["issue", "account", "administer"]
                identifiers = ["*"]
                cas = ["https://localhost:*"]
                [[grant]]
                name = "mine"
                users = [USER]
                keys = ["mine-*"]
                operations = ["issue", "administer"]
                identifiers = ["*"]
                cas = ["https://localhost:*"]
                """, token: token)
        defer { agent.end() }
        let client = try await agent.client()
        for name: KeyName in ["there-is-none", "account-1"] {
            await #expect(throws: AgentError.keyNotFound(name: name.rawValue)) { try await client.key(named: name) }
            await #expect(throws: AgentError.keyNotFound(name: name.rawValue)) { try await client.postAsGet(name) }
            await #expect(throws: AgentError.keyNotFound(name: name.rawValue)) { try await client.deleteKey(named: name) }
        }
        #expect(try await client.keys().isEmpty)
    }

    @Test func aFaultySignatureIsNotGivenOut() async throws {
        let token = FakeToken()
        let agent = try AgentFixture(grants: AgentFixture.everything, token: token)
        defer { agent.end() }
        let client = try await agent.client()
        _ = try await client.accountKey()
        token.beFaulty()
        do {
            _ = try await client.postAsGet()
            Issue.record("a faulty signature was given out")
        } catch let error as AgentError {
            guard case .signingFailed = error else {
                Issue.record("\(error)")
                return
            }
        }
        #expect(agent.trail.last?.contains(#""error":"SigningFailed""#) == true)
    }

    @Test func aSignatureSurvivesTheHelpersDeath() async throws {
        let token = FakeToken()
        let agent = try AgentFixture(grants: AgentFixture.everything, token: token)
        defer { agent.end() }
        let client = try await agent.client()
        _ = try await client.accountKey()
        token.die(afterSignatures: 20)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<50 { group.addTask { _ = try await client.postAsGet() } }
            try await group.waitForAll()
        }
        #expect(token.launches == 2)
        #expect(try await client.status().tokens.first?.restarts == 1)
    }

    /// In the agent's words, whatever the helper says.
    @Test func aTokenThatIsLockedIsSaidToBe() async throws {
        let token = FakeToken()
        token.fail(
            with: TokenFailure(
                .pinIncorrect, function: "C_Login", returnValue: 0xA0, message: "\u{1B}[2Jall is well", hint: "run: curl evil.example"))
        let agent = try AgentFixture(grants: AgentFixture.everything, token: token)
        defer { agent.end() }
        let client = try await agent.client()
        let status = try #require(try await client.status().tokens.first)
        #expect(status.state == .unavailable && status.reason == "pinIncorrect")
        #expect(status.message == "the token refused the PIN: the PIN is incorrect (C_Login returned 0xa0)")
        #expect(status.hint == "correct the PIN file; the same PIN is not tried again")
        do {
            _ = try await client.accountKey()
            Issue.record("a key was made")
        } catch let error as AgentError {
            #expect(
                error
                    == .tokenUnavailable(
                        token: "fake", reason: "pinIncorrect", message: "the token refused the PIN: the PIN is incorrect",
                        hint: "correct the PIN file; the same PIN is not tried again"))
        }
    }

    @Test func keysSurviveARestart() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let key = try await agent.client().accountKey()
        try agent.restart()
        let client = try await agent.client()
        #expect(try await client.keys() == [key])
        _ = try await client.postAsGet()
    }

    @Test(.timeLimit(.minutes(1)))
    func aSecondSignatureByATokenThatIsNotConfiguredAnyMoreIsAnsweredAndWrittenDown() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let maker = try await agent.client()
        _ = try await maker.accountKey("account-1")
        _ = try await maker.accountKey("account-2")
        try agent.restart {
            let file = agent.folder + "/state/keys/account-1.json"
            let record = try String(contentsOfFile: file, encoding: .utf8)
            try record.replacingOccurrences(of: "\"token\":\"fake\"", with: "\"token\":\"gone\"").write(
                toFile: file, atomically: false, encoding: .utf8)
        }
        let client = try await agent.client()
        // The new key signs first, the old one around it.
        let call = try SigningCall(
            key: "account-1", url: ACMEURL("https://localhost:14000/key-change"), nonce: "bm9uY2U",
            account: ACMEURL("https://localhost:14000/account/1"), request: .keyChange(newKey: "account-2"))
        await #expect(
            throws: AgentError.tokenUnavailable(
                token: "gone", reason: "notConfigured", message: "the key's token is not configured", hint: nil)
        ) { try await client.sign(call) }
        let ends = agent.trail.suffix(4).map {
            $0.contains("\"kind\":\"intent\"") ? "intent" : $0.contains("\"signed\"") ? "signed" : "failed"
        }
        #expect(ends == ["intent", "signed", "intent", "failed"])
    }

    @Test func oneNameIsOneKeyAndOneKeyOneName() async throws {
        let token = FakeToken()
        let planted = token.plant(label: "old")
        let agent = try AgentFixture(grants: AgentFixture.everything, token: token)
        defer { agent.end() }
        let client = try await agent.client()
        _ = try await client.accountKey()
        await #expect(throws: AgentError.keyExists(name: "account-1")) { try await client.accountKey() }
        let adopted = try await client.adoptKey(named: "web-1", uri: "pkcs11:object=old", usage: .certificate)
        #expect(adopted.publicKey.spki == planted.reference.spki)
        // What the token says about itself, not what the caller wrote.
        #expect(adopted.uri.hasPrefix("pkcs11:token=fake;object=old;id=") && adopted.uri.hasSuffix(";type=private"), "\(adopted.uri)")
        await #expect(throws: AgentError.self) {
            try await client.adoptKey(
                named: "account-2", uri: "pkcs11:object=old", usage: .account, directory: ACMEURL(AgentFixture.directory))
        }
        await #expect(throws: AgentError.self) {
            try await client.adoptKey(named: "web-2", uri: "pkcs11:object=none", usage: .certificate)
        }
        #expect(try await client.keys().map(\.name.rawValue) == ["account-1", "web-1"])
    }

    /// The hint says what a person must do next.
    @Test func mistakesAboutTokensURIsAndTheTrailHaveHints() async throws {
        let withoutTrail = AgentFixture.everything.replacingOccurrences(of: ", \"read-audit\"", with: "")
        let agent = try AgentFixture(grants: withoutTrail)
        defer { agent.end() }
        let client = try await agent.client()
        let noToken = await #expect(throws: AgentError.self) {
            try await client.createKey(named: KeyName("web-1"), usage: .certificate, algorithm: .p256, token: "nosuch")
        }
        #expect(noToken?.message == "no token named \"nosuch\" is configured; there is \"fake\"")
        #expect(noToken?.hint?.contains("acme-agent status") == true)
        let noKey = await #expect(throws: AgentError.self) {
            try await client.adoptKey(named: KeyName("web-2"), uri: "pkcs11:object=none", usage: .certificate)
        }
        #expect(noKey?.message == "the URI names no private key in the token")
        #expect(noKey?.hint?.contains("--list-objects") == true)
        let noTrail = await #expect(throws: AgentError.self) { for try await _ in client.audit(last: 1, follow: false) {} }
        #expect(noTrail?.hint?.contains("\"read-audit\"") == true, "\(String(describing: noTrail))")
    }

    @Test func oneKeyGetsOneNameHoweverManyAskForItAtOnce() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        _ = agent.token.plant(label: "old-key")
        var clients: [AgentClient] = []
        for _ in 0..<(KeyAdministration.makingPerUser - 1) { clients.append(try await agent.client()) }
        let maker = try await agent.client()
        func adopted(_ uri: String, as prefix: String) async -> [KeyDescription] {
            await withTaskGroup(of: KeyDescription?.self) { group in
                for (index, client) in clients.enumerated() {
                    group.addTask {
                        try? await client.adoptKey(named: KeyName("\(prefix)-\(index)"), uri: uri, usage: .certificate)
                    }
                }
                var keys: [KeyDescription] = []
                for await key in group { if let key { keys.append(key) } }
                return keys
            }
        }
        #expect(await adopted("pkcs11:object=old-key", as: "taken").count == 1)
        // A key in creation is in the token before it has its name.
        for round in 0..<10 {
            async let made = maker.accountKey("account-\(round)")
            let stolen = await adopted("pkcs11:object=account-\(round)", as: "stolen-\(round)")
            #expect(try await made.usage == .account)
            #expect(stolen.isEmpty)
        }
    }

    @Test func aTrailOfLongRecordsIsReadWhole() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let orderer = try await agent.client()
        _ = try await orderer.accountKey()
        // Records of about 150 KiB each, 5 MiB in all: more than a connection buffers for its client. One is an intent;
        // the others are written without the work that an order of 700 names is in a debug build.
        let label = String(repeating: "a", count: 60)
        let names = try (0..<700).map { try Identifier(argument: "\(label).\(label).n\($0).other.example") }
        _ = try await orderer.sign(
            SigningCall(
                key: "account-1", url: ACMEURL("https://localhost:14000/new-order"), nonce: "bm9uY2U",
                account: ACMEURL("https://localhost:14000/account/1"), request: .newOrder(NewOrder(identifiers: names))))
        try agent.restart {
            let log = try AuditLog(path: agent.folder + "/state/audit/audit.jsonl")
            var record = AuditRecord(.event)
            record.detail = String(repeating: "\(label).example ", count: 2_200)
            for _ in 0..<35 { _ = try log.record(record) }
            try log.close()
        }
        let client = try await agent.client()
        let written = agent.trail.count
        var seen = 0
        for try await _ in client.audit(last: 1_000, follow: true) {
            seen += 1
            if seen == written { break }
        }
        #expect(seen >= 37)
        // What does not fit in one reply is refused, and the connection stays open.
        let other = try await agent.client()
        do {
            for try await _ in other.audit(last: 1_000, follow: false) {}
            Issue.record("all of it was in one reply")
        } catch let error as AgentError {
            guard case .invalidRequest("last", _, _) = error else {
                Issue.record("\(error)")
                return
            }
        }
        _ = try await other.status()
        // Nor is more asked for than one reply could have, or than a search should be for.
        for (last, follow) in [(10_001, false), (250_001, true)] {
            await #expect { for try await _ in other.audit(last: last, follow: follow) {} } throws: { error in
                guard case .invalidRequest("last", _, _)? = error as? AgentError else { return false }
                return true
            }
        }
        var first: String?
        for try await line in other.audit(last: 250_000, follow: true) {
            first = line
            break
        }
        #expect(first?.contains("\"kind\":\"genesis\"") == true, "\(first ?? "")")
    }

    @Test func aKeyWhoseMakingWasCutOffGetsItsName() async throws {
        let token = FakeToken()
        let agent = try AgentFixture(grants: AgentFixture.everything, token: token)
        defer { agent.end() }
        _ = try await agent.client().accountKey()
        // The state that a daemon leaves when it dies between the token's work and the second write.
        let path = agent.folder + "/state/keys/account-1.json"
        let text = try String(contentsOfFile: path, encoding: .utf8)
            // Even in an earlier version's format.
            .replacing(#""version":2"#, with: #""version":1"#).replacing(#","weaknesses":[]"#, with: "")
            .replacing(#""state":"active""#, with: #""state":"creating""#)
            .replacing(/"spki":"[^"]*"/, with: #""spki":"""#).replacing(/"uri":"[^"]*"/, with: #""uri":"""#)
        try text.write(toFile: path, atomically: false, encoding: .utf8)
        try agent.restart()
        let client = try await agent.client()
        for _ in 0..<200 where try await client.keys().isEmpty { try await Task.sleep(for: .milliseconds(10)) }
        #expect(try await client.keys().map(\.name.rawValue) == ["account-1"])
        _ = try await client.postAsGet()
    }

    @Test func aSecondDaemonOnTheSocketDoesNotStart() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let client = try await agent.client()
        let error = #expect(throws: ListenError.self) { try SocketPath(agent.socket, mode: 0o660) }
        #expect(error?.description == "another acme-agentd listens on \(agent.socket)")
        #expect(error?.hint?.contains("(process \(getpid()))") == true)
        // Not even if somebody removes the lock file.
        unlink(agent.socket + ".lock")
        let unlocked = #expect(throws: ListenError.self) { try SocketPath(agent.socket, mode: 0o660) }
        #expect(unlocked?.description == "another acme-agentd listens on \(agent.socket)")
        unlink(agent.socket + ".lock")
        #expect(throws: ListenError.self) { try SocketPath.lockIfThere(agent.socket) }
        _ = try await client.status()
    }

    @Test func manyIdleConnectionsHoldUpNobody() async throws {
        let agent = try AgentFixture(grants: AgentFixture.everything)
        defer { agent.end() }
        let client = try await agent.client()
        _ = try await client.accountKey()
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        limit.rlim_cur = limit.rlim_max
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        var idle: [AgentClient] = []
        for _ in 0..<2_000 { idle.append(try await AgentClient.connect(socket: agent.socket)) }
        _ = try await client.postAsGet()
        #expect(idle.count == 2_000)
        for connection in idle { await connection.close() }
    }
}
