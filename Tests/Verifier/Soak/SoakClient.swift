/// One client of a soak: a connection, the calls on their way on it, and a key of its own that it makes, uses and
/// deletes.
final class SoakClient {
    let user: SoakUniverse.User
    let connection: Connection
    /// Without the number of a call.
    let start: Substring
    private var count: Int
    private var random: Generator
    /// How many calls are on their way at once.
    private let depth: Int
    private let number: Int
    /// In the order in which they were sent, which is that of the replies.
    private(set) var pending: [SoakCall] = []

    /// The client's own key.
    private enum OwnKey {
        case absent, making
        case made(KeyRecord, uses: Int)
        case deleting(KeyRecord)
    }

    private var own = OwnKey.absent
    private var generation = 0
    /// Names of keys of which an error does not say whether they are there.
    private(set) var uncertain: Set<String> = []

    /// - Parameter first: The correlation of the one call that was made on the connection before.
    init(user: SoakUniverse.User, connection: Connection, first: String, number: Int, random: inout Generator) throws(Finding) {
        let start = SoakCall.connection(first)
        guard first.dropFirst(start.count) == "-1", start.split(separator: "-").count == 2 else {
            throw Finding("a connection's first call has the correlation \(first)")
        }
        self.user = user
        self.connection = connection
        self.start = start
        count = 1
        self.number = number
        depth = 1 + random.below(3)
        self.random = Generator(random.next())
    }

    /// Names of the keys that it has made and not deleted.
    var keys: [String] {
        switch own {
        case .absent, .making: []
        case .made(let key, _), .deleting(let key): [key.name]
        }
    }

    var isFull: Bool { pending.count >= depth }

    /// The correlation of the next call.
    func nextCorrelation() -> String {
        count += 1
        return "\(start)-\(count)"
    }

    /// Sends the next call.
    /// - Returns: `nil` if the agent has closed the connection.
    func sendNext(keys: [String: KeyRecord], policies: [Policy], now: Double) -> SoakCall? {
        let call = nextCall()
        var states: [String: [KeyRecord?]] = [:]
        for member in ["key", "certificateKey", "name"] {
            guard let name = call.parameters[member]?.string else { continue }
            if let key = keys[name] { states[name] = [key] }
            switch own {
            case .made(let key, _) where key.name == name, .deleting(let key) where key.name == name: states[name] = [key]
            default: break
            }
        }
        let sent = SoakCall(
            call: call, peer: user.peer, correlation: nextCorrelation(), sent: now, policies: policies, states: states)
        pending.append(sent)
        return connection.send(call.bytes) ? sent : nil
    }

    /// Takes the call that a message answers.
    func takeAnswered() -> SoakCall? { pending.isEmpty ? nil : pending.removeFirst() }

    /// New rules may be in force for what is on its way.
    func mayBeJudged(by policy: Policy) { for call in pending { call.policies.append(policy) } }

    /// Keeps track of the client's own key.
    func finish(_ call: SoakCall, _ reply: Reply) {
        let name = call.call.parameters["name"]?.string ?? ""
        switch (call.call.method, reply) {
        case ("CreateKey", .parameters(let parameters)):
            own = .absent
            if let key = parameters["key"].flatMap({ KeyRecord($0) }) { own = .made(key, uses: 1 + random.below(6)) }
        case ("DeleteKey", .parameters): own = .absent
        case ("CreateKey", _), ("DeleteKey", _):
            own = .absent
            uncertain.insert(name)
        default: break
        }
    }

    // MARK: What it asks for

    private func nextCall() -> Call {
        if let call = callForOwnKey() { return call }
        switch random.below(100) {
        case ..<35: return request("SignPostAsGet", random.pick([\.order, \.authorization]))
        case ..<52: return request("SignNewOrder", \.newOrder).with("identifiers", names)
        case ..<62:
            return request("SignFinalize", \.finalize).with("certificateKey", .string(user.name + "-web")).with("identifiers", names)
        case ..<80: return handshake(random.pick(user.certificates))
        case ..<88: return certificateRequest(random.pick(user.certificates))
        case ..<93: return Call(method: "DescribeKey", parameters: .members([("name", .string(random.pick(user.certificates)))]))
        // Another's, or nobody's if there is one user.
        case ..<97: return handshake(user.name == "a" ? "b-web" : "a-none")
        default: return request("SignPostAsGet", \.order).with("nonce", .string("not a nonce"))
        }
    }

    private func callForOwnKey() -> Call? {
        switch own {
        case .absent where random.chance(3):
            generation += 1
            own = .making
            return SoakUniverse.creation("\(user.name)-own-\(number)-\(generation)")
        case .made(let key, let uses) where random.chance(40):
            guard uses > 0 else {
                own = .deleting(key)
                return Call(method: "DeleteKey", parameters: .members([("name", .string(key.name))]))
            }
            own = .made(key, uses: uses - 1)
            return certificateRequest(key.name)
        default: return nil
        }
    }

    private var names: JSON {
        let value = random.chance(85) ? SoakUniverse.name : random.pick([SoakUniverse.coming, SoakUniverse.foreign])
        return .array([.members([("type", .string("dns")), ("value", .string(value))])])
    }

    private func request(_ method: String, _ place: KeyPath<Layouts.Layout, String>) -> Call {
        let layout = SoakUniverse.layout
        return Call(
            method: method,
            parameters: .members([
                ("key", .string(user.account)), ("url", .string(SoakUniverse.origin + layout[keyPath: place])),
                // No other call has it, so a reply to another call is found.
                ("nonce", .string(Base64URL.encode(random.bytes(16)))), ("account", .string(SoakUniverse.origin + layout.account)),
            ]))
    }

    private func handshake(_ key: String) -> Call {
        let scheme =
            switch key {
            case user.rsa: "rsa_pss_rsae_sha256"
            case user.ed25519: "ed25519"
            default: "ecdsa_secp256r1_sha256"
            }
        let content = HandshakeGenerator.context("TLS 1.3, server CertificateVerify", random.bytes(32))
        return Call(
            method: "SignHandshake",
            parameters: .members([
                ("key", .string(key)), ("content", .string(Base64URL.encode(content))), ("scheme", .string(scheme)),
            ]))
    }

    private func certificateRequest(_ key: String) -> Call {
        Call(method: "SignCertificateRequest", parameters: .members([("key", .string(key)), ("identifiers", names)]))
    }
}

extension Call {
    fileprivate func with(_ name: String, _ value: JSON) -> Call {
        Call(method: method, parameters: parameters.with(name, value), form: form)
    }
}
