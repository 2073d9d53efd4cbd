/// Makes calls: most of them as a front end would, for what some grant of the peer covers; then some are made hostile.
struct CallGenerator {
    var random: Generator
    var policy: Policy
    var peer: Peer
    /// Names of keys that may exist, with what they are for.
    var keys: [String: KeyRecord]

    mutating func call() -> Call {
        let grant = ownGrant()
        var method = method(grant)
        if random.chance(15) { method = random.pick(Method.names) }
        var call = Call(method: method, parameters: parameters(method, grant))
        if random.chance(30) { Hostility.change(&call, &random) }
        return call
    }

    /// A grant of the peer's, for which most calls are made.
    private mutating func ownGrant() -> Grant {
        let own = policy.grants.filter { $0.isFor(peer) && $0.name != Universe.controlGrant.name }
        return own.isEmpty || random.chance(15) ? random.pick(policy.grants) : random.pick(own)
    }

    private mutating func method(_ grant: Grant) -> String {
        let signing = Method.names.filter { name in
            name.hasPrefix("Sign") && Method.named(name).map { grant.names($0.operation) } == true
        }
        return signing.isEmpty || random.chance(10) ? random.pick(Method.names.filter { $0.hasPrefix("Sign") }) : random.pick(signing)
    }

    private mutating func key(_ grant: Grant, isAccount: Bool) -> String {
        let fitting = keys.keys.sorted().filter { name in
            guard let key = keys[name] else { return false }
            return grant.covers(key: name) && (key.usage == .account) == isAccount
                && (!isAccount || key.origin.map { grant.covers(origin: $0) } == true)
        }
        return fitting.isEmpty || random.chance(10) ? random.pick(Universe.keys) : random.pick(fitting)
    }

    /// Mostly another account's key of the same CA.
    private mutating func newKey(_ old: String, _ grant: Grant) -> String {
        let others = keys.keys.sorted().filter {
            $0 != old && keys[$0]?.origin != nil && keys[$0]?.origin == keys[old]?.origin && grant.covers(key: $0)
        }
        return others.isEmpty || random.chance(15) ? key(grant, isAccount: true) : random.pick(others)
    }

    private mutating func identifiers(_ grant: Grant) -> JSON {
        var list: [JSON] = []
        for _ in 0..<(1 + random.below(3)) {
            var type = "dns", value = random.pick(Universe.names)
            if random.chance(80), !grant.identifiers.isEmpty {
                let pattern = random.pick(grant.identifiers)
                switch pattern {
                case "*": break
                case _ where pattern.contains("/") || Address.read(pattern) != nil:
                    type = "ip"
                    value = pattern.hasPrefix("2") ? "2001:db8::1" : pattern == "192.0.2.7" ? pattern : "192.0.2.200"
                case _ where pattern.hasPrefix("*."):
                    value = (random.chance(20) ? "*" : random.pick(["www", "a", "mail"])) + pattern.dropFirst()
                default: value = pattern
                }
            } else if random.chance(20) {
                type = "ip"
                value = random.pick(Universe.addresses)
            }
            let item = JSON.members([("type", .string(type)), ("value", .string(value))])
            if !list.contains(item) { list.append(item) }
        }
        return .array(list)
    }

    private mutating func nonce() -> String { Base64URL.encode(random.bytes(6 + random.below(20))) }

    private mutating func parameters(_ method: String, _ grant: Grant) -> JSON {
        let wantsCertificate = ["SignCertificateRequest", "SignHandshake", "SignClientHandshake", "SignServerKeyExchange"].contains(method)
        let name: String
        switch method {
        case "ListKeys", "ReadMetrics": return .object([])
        case "ReadAudit": return .members([("last", .number("1"))])
        case "DescribeKey": return .members([("name", .string(random.pick(Universe.keys)))])
        case "RetireKey", "DeleteKey":
            // Rarely one that the others need.
            return .members([("name", .string(random.chance(60) ? "none-\(random.below(4))" : random.pick(Universe.keys)))])
        case "CreateKey", "AdoptKey":
            let name = random.chance(50) ? "none-\(random.below(4))" : random.pick(Universe.keys)
            let isAccount = Universe.isAccount(name) || random.chance(10)
            let directory = isAccount ? Universe.directory(name) ?? random.pick(Universe.directories) : nil
            let algorithm = Universe.algorithm(name) == "RSA-2048" ? "P-256" : Universe.algorithm(name)
            return .members([
                ("name", .string(name)),
                method == "AdoptKey"
                    ? ("uri", .string("pkcs11:token=verifier;object=" + random.pick(Universe.adoptable + ["no-such-key"])))
                    : ("algorithm", .string(algorithm)),
                ("usage", .string(isAccount ? "account" : "certificate")), ("directory", directory.map { .string($0) }),
                ("acceptWeak", method == "AdoptKey" && random.chance(70) ? .bool(true) : nil),
            ])
        case "SignRevocation":
            let byCertificate = random.chance(40)
            name = key(grant, isAccount: !byCertificate)
            return request(name, byCertificate ? nil : "account", \.revoke, grant).with(
                "certificate", .string(Base64URL.encode(Hostility.certificate(random.bytes(40))))
            ).with("reason", random.chance(50) ? .number(random.pick(["0", "1", "3", "4", "5", "9", "10"])) : nil)
        default: name = key(grant, isAccount: !wantsCertificate)
        }
        switch method {
        case "SignNewAccount":
            let external = random.chance(25) ? random.pick(["first", "second", "none"]) : nil
            return request(name, nil, \.newAccount, grant).with("contact", random.chance(60) ? .strings(["mailto:a@example.org"]) : nil)
                .with("termsOfServiceAgreed", random.chance(60) ? .bool(random.chance(80)) : nil)
                .with("onlyReturnExisting", random.chance(20) ? .bool(random.chance(50)) : nil)
                .with("externalAccount", external.map { .string($0) })
        case "SignAccountUpdate":
            return request(name, "account", \.account, grant).with("contact", .strings(random.chance(30) ? [] : ["mailto:b@example.org"]))
                .with("termsOfServiceAgreed", random.chance(30) ? .bool(true) : nil)
        case "SignAccountDeactivation": return request(name, "account", \.account, grant)
        case "SignKeyChange": return request(name, "account", \.keyChange, grant).with("newKey", .string(newKey(name, grant)))
        case "SignNewOrder":
            return request(name, "account", \.newOrder, grant).with("identifiers", identifiers(grant))
                .with("profile", random.chance(20) ? .string("short") : nil)
                .with("replaces", random.chance(20) ? .string("aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE") : nil)
                .with("notBefore", random.chance(20) ? .string("2027-01-01T00:00:00Z") : nil)
                .with("notAfter", random.chance(20) ? .string("2027-02-01T00:00:00Z") : nil)
        case "SignPostAsGet": return request(name, "account", random.pick([\.order, \.authorization, \.account, \.challenge]), grant)
        case "SignChallengeResponse": return request(name, "account", \.challenge, grant)
        case "SignAuthorizationDeactivation": return request(name, "account", \.authorization, grant)
        case "SignFinalize":
            return request(name, "account", \.finalize, grant).with("certificateKey", .string(key(grant, isAccount: false)))
                .with("identifiers", identifiers(grant)).with("mustStaple", random.chance(30) ? .bool(random.chance(70)) : nil)
        case "SignCertificateRequest":
            return .members([
                ("key", .string(name)), ("identifiers", identifiers(grant)), ("mustStaple", random.chance(20) ? .bool(true) : nil),
            ])
        default:
            var (content, scheme) = HandshakeGenerator.content(method, keys[name]?.publicKey.kind ?? .p256, &random)
            if method == "SignServerKeyExchange", random.chance(30) { content = HandshakeGenerator.twofold(&random) }
            return .members([("key", .string(name)), ("content", .string(Base64URL.encode(content))), ("scheme", .string(scheme))])
        }
    }

    /// - Parameter account: The member, if the request has one.
    private mutating func request(_ key: String, _ account: String?, _ place: KeyPath<Layouts.Layout, String>, _ grant: Grant) -> JSON {
        let layout = random.pick(Layouts.all)
        let known = keys[key]?.origin ?? grant.cas.first { !$0.hasSuffix("*") } ?? "https://ca.example"
        let origin = random.chance(5) ? random.pick(["https://ca.example", "https://other.example", "https://evil.example"]) : known
        return .members([
            ("key", .string(key)), ("url", .string(origin + layout[keyPath: place])), ("nonce", .string(nonce())),
            ("account", account == nil ? nil : .string(known + layout.account)),
        ])
    }
}
