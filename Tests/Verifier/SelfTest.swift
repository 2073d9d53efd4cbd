/// Shows that the verifier can fail: it gets replies that must not be, and must find each. Honest ones it must pass.
struct SelfTest {
    private let peer = Peer(user: 41_001, groups: [42_001])
    private let other = Peer(user: 41_002, groups: [42_002])
    private let honest: ForgingAgent
    private let grant = Grant(
        name: "web", users: [41_001], keys: ["acc", "web"],
        operations: ["issue", "deactivate-account", "deactivate-authorization", "sign-certificate-request", "sign-handshake"],
        identifiers: ["example.org", "*.example.org"], cas: ["https://ca.example"])
    private var problems: [String] = []
    private var passed = 0

    private init() throws(Finding) { honest = try ForgingAgent() }

    /// - Returns: What was not found, and how many replies were judged as they must be.
    static func run() throws(Finding) -> (problems: [String], passed: Int) {
        var test = try SelfTest()
        test.honestReplies()
        test.forgedRequests()
        test.forgedCertificateRequests()
        test.smallerPolicies()
        test.forgedRefusals()
        test.handshakes()
        test.grammars()
        test.values()
        test.growth()
        test.outages()
        test.ledgers()
        try test.trails()
        return (test.problems, test.passed)
    }

    // MARK: Calls

    private func names(_ names: [String]) -> JSON {
        .array(names.map { .members([("type", .string("dns")), ("value", .string($0))]) })
    }

    private func request(_ method: String, _ path: String, _ members: [(String, JSON)] = []) -> Call {
        var parameters = JSON.members([
            ("key", .string("acc")), ("url", .string("https://ca.example" + path)), ("nonce", .string("bm9uY2U")),
            ("account", .string(ForgingAgent.accountURL)),
        ])
        for (name, value) in members { parameters = parameters.with(name, value) }
        return Call(method: method, parameters: parameters)
    }

    private var order: Call { request("SignNewOrder", "/acme/new-order", [("identifiers", names(["www.example.org"]))]) }
    private var finalization: Call {
        request(
            "SignFinalize", "/acme/finalize/123/77",
            [("certificateKey", .string("web")), ("identifiers", names(["example.org", "www.example.org"]))])
    }
    private var deactivation: Call { request("SignAuthorizationDeactivation", "/acme/authz/123/88") }
    private var certificateRequest: Call {
        Call(method: "SignCertificateRequest", parameters: .members([("key", .string("web")), ("identifiers", names(["example.org"]))]))
    }

    private func handshake(_ content: [UInt8], key: String = "web", method: String = "SignHandshake") -> Call {
        Call(
            method: method,
            parameters: .members([
                ("key", .string(key)), ("content", .string(Base64URL.encode(content))), ("scheme", .string("ecdsa_secp256r1_sha256")),
            ]))
    }

    private var serverHandshake: Call {
        handshake(HandshakeGenerator.context("TLS 1.3, server CertificateVerify", [UInt8](repeating: 7, count: 32)))
    }

    // MARK: Judging

    private func keys(retired: String? = nil) -> [String: [KeyRecord?]] {
        func record(_ name: String, _ usage: KeyRecord.Usage, _ key: SoftwareKey, _ directory: String?) -> KeyRecord {
            KeyRecord(
                name: name, usage: usage, algorithm: "P-256", directory: directory, isRetired: name == retired, publicKey: key.publicKey)
        }
        return [
            "acc": [record("acc", .account, honest.account, "https://ca.example/directory")],
            "web": [record("web", .certificate, honest.certificate, nil)],
        ]
    }

    private func finding(
        _ call: Call, _ reply: Reply, _ peer: Peer? = nil, _ grant: Grant? = nil, retired: String? = nil
    ) -> Finding? {
        Judge(policies: [Policy(grants: [grant ?? self.grant])], states: keys(retired: retired), notFound: ("no key ", ""))
            .finding(call, peer ?? self.peer, reply)
    }

    mutating func mustPass(_ what: String, _ finding: Finding?) {
        if let finding { problems.append("\(what): was found, although it is right: \(finding)") } else { passed += 1 }
    }

    mutating func mustFind(_ what: String, _ finding: Finding?) {
        if finding == nil { problems.append("\(what): was not found") } else { passed += 1 }
    }

    // MARK: Replies

    private mutating func honestReplies() {
        for call in [order, finalization, deactivation, certificateRequest, serverHandshake] {
            mustPass(call.method, finding(call, honest.reply(call)))
        }
        mustPass("a refusal of another's key", finding(order, notFound("acc"), other))
    }

    private func notFound(_ name: String, _ words: String = "no key ") -> Reply {
        .error(Call.interface + "KeyNotFound", .members([("name", .string(name)), ("message", .string(words + name))]))
    }

    private mutating func forgedRequests() {
        func changed(_ change: (inout ForgingAgent) -> Void) -> Finding? {
            var agent = honest
            change(&agent)
            return finding(order, agent.reply(order))
        }
        mustFind("an order for another name", changed { $0.names = [Name(kind: .dns, value: "example.org")] })
        mustFind(
            "an order for one more name",
            changed { $0.names = [Name(kind: .dns, value: "www.example.org"), Name(kind: .dns, value: "mail.example.org")] })
        mustFind("another URL", changed { $0.header = [("url", .string("https://ca.example/acme/other"))] })
        mustFind("another CA's URL", changed { $0.header = [("url", .string("https://other.example/acme/new-order"))] })
        mustFind("another nonce", changed { $0.header = [("nonce", .string("b3RoZXI"))] })
        mustFind("no nonce", changed { $0.header = [("nonce", nil)] })
        mustFind("another account", changed { $0.header = [("kid", .string("https://ca.example/acme/acct/124"))] })
        mustFind("jwk in place of kid", changed { $0.header = [("kid", nil), ("jwk", $0.account.publicKey.jwk)] })
        mustFind("jwk beside kid", changed { $0.header = [("jwk", $0.account.publicKey.jwk)] })
        mustFind("another alg", changed { $0.header = [("alg", .string("none"))] })
        mustFind("one more member of the header", changed { $0.header = [("crit", .array([]))] })
        mustFind("one more member of the payload", changed { $0.payload = [("profile", .string("short"))] })
        mustFind("a payload that deactivates too", changed { $0.payload = [("status", .string("deactivated"))] })
        mustFind("a payload that was changed after it was signed", changed { $0.changesAfterwards = true })
        mustFind("another key's signature", changed { $0.signer = $0.certificate })
        mustFind("a retired key's signature", finding(order, honest.reply(order), retired: "acc"))
        var account = deactivation
        for path in ["/acme/acct/123", "/acme/acct/%3123", "/acme//acct/0123", "/acme/acct/123;x", "/acme/acct/124", "/acme/acct"] {
            account.parameters = account.parameters.with("url", .string("https://ca.example" + path))
            mustFind("a deactivation at \(path)", finding(account, honest.reply(account)))
        }
    }

    private mutating func forgedCertificateRequests() {
        func changed(_ call: Call, _ change: (inout ForgingAgent) -> Void) -> Finding? {
            var agent = honest
            change(&agent)
            return finding(call, agent.reply(call))
        }
        let more = [
            Name(kind: .dns, value: "example.org"), Name(kind: .dns, value: "www.example.org"), Name(kind: .dns, value: "evil.com"),
        ]
        for call in [finalization, certificateRequest] {
            mustFind("\(call.method) with one more SAN", changed(call) { $0.names = more })
            mustFind("\(call.method) for another name", changed(call) { $0.names = [Name(kind: .dns, value: "www.evil.com")] })
            mustFind("\(call.method) for an address", changed(call) { $0.names = [Name(kind: .ip, value: "192.0.2.7")] })
            mustFind("\(call.method) for another key", changed(call) { $0.signer = $0.account })
            mustFind(
                "\(call.method) with a subject",
                changed(call) {
                    let name = DER.write(DER.objectIdentifier, [0x55, 0x04, 0x03]) + DER.write(0x0C, Array("evil.com".utf8))
                    $0.subject = DER.write(DER.set, DER.write(DER.sequence, name))
                })
            mustFind(
                "\(call.method) with another attribute",
                changed(call) {
                    $0.attributes = DER.write(
                        DER.sequence, DER.write(DER.objectIdentifier, [0x2A, 0x03]) + DER.write(DER.set, DER.write(DER.octetString, [1])))
                })
            mustFind("\(call.method) with a retired key", finding(call, honest.reply(call), retired: "web"))
        }
        mustFind("a finalization with one name less", changed(finalization) { $0.names = [Name(kind: .dns, value: "example.org")] })
    }

    private mutating func smallerPolicies() {
        var smaller: [(String, (inout Grant) -> Void)] = [
            ("another user", { $0.users = [41_002] }), ("no such user beside it", { $0.missingUsers = ["nobody-here"] }),
            ("no key", { $0.keys = [] }), ("only the certificate's key", { $0.keys = ["web"] }),
            ("only another CA", { $0.cas = ["https://ca.example:8443"] }), ("no operation", { $0.operations = ["account"] }),
        ]
        for (what, change) in smaller {
            var less = grant
            change(&less)
            mustFind("an order under \(what)", finding(order, honest.reply(order), nil, less))
        }
        smaller = [
            ("only the account's key", { $0.keys = ["acc"] }), ("only the parent's name", { $0.identifiers = ["example.org"] }),
            ("names that look alike", { $0.identifiers = ["*.xexample.org", "*.ample.org", "*.www.example.org"] }),
        ]
        for (what, change) in smaller {
            var less = grant
            change(&less)
            mustFind("a finalization under \(what)", finding(finalization, honest.reply(finalization), nil, less))
        }
        var never = grant
        never.zeroRates = ["orders-per-day"]
        mustFind("an order under a rate of 0", finding(order, honest.reply(order), nil, never))
        mustFind("an order for a user without a grant", finding(order, honest.reply(order), other))
        let wildcard = request("SignNewOrder", "/acme/new-order", [("identifiers", names(["*.example.org"]))])
        mustFind("a wildcard", finding(wildcard, honest.reply(wildcard)))
        // Two grants never add up.
        var first = grant, second = grant
        first.identifiers = ["example.org"]
        second.identifiers = ["www.example.org"]
        let both = Judge(policies: [Policy(grants: [first, second])], states: keys(), notFound: ("no key ", ""))
        mustFind("a finalization under two grants", both.finding(finalization, peer, honest.reply(finalization)))
    }

    private mutating func forgedRefusals() {
        let refused = Reply.error(Call.interface + "Refused", .members([("reason", .string("not-permitted")), ("message", .string("no"))]))
        mustFind("a refusal of what policy allows", finding(order, refused))
        mustFind("a refusal of a name that policy allows", finding(certificateRequest, refused))
        mustFind("a key that is there and the caller's, and is not found", finding(order, notFound("acc")))
        mustFind("a refusal that shows that another's key exists", finding(order, refused, other))
        mustFind("other words for another's key", finding(order, notFound("acc", "you may not use the key "), other))
        mustFind("an invalid value that is valid", finding(order, .error(Call.interface + "InvalidRequest", .object([]))))
        mustFind("a token's failure", finding(order, .error(Call.interface + "TokenUnavailable", .object([]))))
        mustFind("a closed connection", finding(order, .closed))
        mustFind("no reply", finding(order, .none))
        var twice = order
        twice.form = .duplicate
        mustFind("a signature for a call with a member twice", finding(twice, honest.reply(order)))
        var oneway = order
        oneway.form = .oneway
        mustFind("a reply to a oneway call", finding(oneway, honest.reply(order)))
    }

    private mutating func handshakes() {
        let hash = [UInt8](repeating: 7, count: 32)
        var broad = grant
        broad.operations += ["sign-server-key-exchange", "sign-client-handshake"]
        let cases: [(String, [UInt8], String)] = [
            ("a client's content as a server's", HandshakeGenerator.context("TLS 1.3, client CertificateVerify", hash), "SignHandshake"),
            (
                "a server's content as a client's", HandshakeGenerator.context("TLS 1.3, server CertificateVerify", hash),
                "SignClientHandshake"
            ),
            ("a delegated credential", HandshakeGenerator.context("TLS, server delegated credentials", hash), "SignHandshake"),
            ("an exported authenticator", HandshakeGenerator.context("Exported Authenticator", hash), "SignHandshake"),
            (
                "a hash of another length", HandshakeGenerator.context("TLS 1.3, server CertificateVerify", Array(hash.dropLast())),
                "SignHandshake"
            ),
            ("an SSH signature", Array("SSHSIG".utf8) + [UInt8](repeating: 0, count: 124), "SignHandshake"),
            ("bytes", [UInt8](repeating: 1, count: 130), "SignServerKeyExchange"),
            (
                "a point that is not on its curve",
                [UInt8](repeating: 1, count: 64) + [3, 0, 23, 65, 4] + [UInt8](repeating: 1, count: 64),
                "SignServerKeyExchange"
            ),
        ]
        for (what, content, method) in cases {
            let call = handshake(content, method: method)
            mustFind(what, finding(call, honest.reply(call), nil, broad))
        }
        var random = Generator(1)
        for (content, second) in [
            (HandshakeGenerator.certificationRequestInfo(&random), HandshakeMeaning.certificateRequest),
            (HandshakeGenerator.twofoldSSHSignature(&random), .sshSignature),
            (HandshakeGenerator.twofoldSignedAttributes(&random), .signedAttributes),
        ] {
            let meanings = HandshakeMeaning.all(of: content)
            if meanings != [.serverKeyExchange, second] {
                problems.append("a content with two meanings has only \(meanings), not \(second)")
            }
            let call = handshake(content, method: "SignServerKeyExchange")
            mustFind("a ServerKeyExchange that is \(second) too", finding(call, honest.reply(call), nil, broad))
        }
        var foreign = honest
        foreign.signer = honest.account
        mustFind("a handshake signed by another key", finding(serverHandshake, foreign.reply(serverHandshake)))
        broad.keys = ["*"]
        let account = handshake(HandshakeGenerator.context("TLS 1.3, server CertificateVerify", hash), key: "acc")
        mustFind("a handshake signed by an account's key", finding(account, foreign.reply(account), nil, broad))
        mustFind("a handshake signed by a retired key", finding(serverHandshake, honest.reply(serverHandshake), retired: "web"))
    }

    /// What each purpose signs, by an example: it means that and nothing else that the verifier knows.
    private mutating func grammars() {
        var random = Generator(2)
        let hash = random.bytes(32)
        var samples: [(String, [UInt8], HandshakeMeaning)] = [
            ("an SSH signature", HandshakeGenerator.sshSignature("file", "sha256", hash), .sshSignature),
            (
                "CMS's signed attributes",
                HandshakeGenerator.signedAttributes([HandshakeGenerator.contentType, HandshakeGenerator.messageDigest(hash)]),
                .signedAttributes
            ),
        ]
        for (context, meaning) in [
            ("TLS 1.3, server CertificateVerify", HandshakeMeaning.serverCertificateVerify),
            ("TLS 1.3, client CertificateVerify", .clientCertificateVerify),
            ("TLS, server delegated credentials", .otherContext("TLS, server delegated credentials")),
            ("Exported Authenticator", .otherContext("Exported Authenticator")),
        ] {
            samples.append((context, HandshakeGenerator.context(context, hash), meaning))
        }
        for _ in 0..<9 { samples.append(("a ServerKeyExchange", HandshakeGenerator.serverKeyExchange(&random), .serverKeyExchange)) }
        for call in [order, deactivation, finalization] {
            guard case .parameters(let reply) = honest.reply(call), let request = reply["request"],
                let protected = request["protected"]?.string,
                let payload = request["payload"]?.string
            else { continue }
            samples.append((call.method, Array("\(protected).\(payload)".utf8), .jws))
            if let csr = reply["csr"]?.string.flatMap({ Base64URL.decode($0) }), let info = DER.one(csr, DER.sequence)?.parts?.first {
                samples.append(("a CSR", info.whole, .certificateRequest))
            }
        }
        if samples.count != 19 { problems.append("only \(samples.count) examples of what is signed were made") }
        for (what, content, meaning) in samples {
            let meanings = HandshakeMeaning.all(of: content)
            if meanings == [meaning] { passed += 1 } else { problems.append("\(what) means \(meanings)") }
        }
    }

    /// The naive rules of names and addresses, by examples from the RFCs and Docs/policy.md.
    private mutating func values() {
        func value(_ type: String, _ text: String) -> String? {
            if case .valid(let name) = Name.read(type: type, value: text) { name.value } else { nil }
        }
        let examples: [(String, String, String?)] = [
            ("dns", "WWW.Example.ORG.", "www.example.org"), ("dns", "*.example.org", "*.example.org"), ("dns", "www.*.org", nil),
            ("dns", "", nil),
            ("dns", "a..b", nil), ("dns", String(repeating: "a", count: 64) + ".org", nil), ("dns", "-a.org", nil),
            ("ip", "192.0.2.7", "192.0.2.7"),
            ("ip", "192.0.2.07", nil), ("ip", "2001:DB8:0:0:0:0:0:1", "2001:db8::1"), ("ip", "2001:db8:0:1:0:0:0:1", "2001:db8:0:1::1"),
            ("ip", "1::2::3", nil), ("ip", "example.org", nil), ("email", "a@example.org", nil),
        ]
        for (type, text, expected) in examples {
            if value(type, text) == expected {
                passed += 1
            } else {
                problems.append("the name \(type):\(text) is \(value(type, text) ?? "invalid")")
            }
        }
        for (text, isCovered) in [("x.example.org", true), ("example.org", false), ("a.b.example.org", false), ("evil-example.org", false)]
        {
            let only = Grant(name: "", identifiers: ["*.example.org"])
            if only.covers(Name(kind: .dns, value: text)) == isCovered { passed += 1 } else { problems.append("*.example.org and \(text)") }
        }
    }
}
