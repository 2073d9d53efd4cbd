/// What may come back for a call, by the documents alone.
struct Evaluation {
    /// One of these must come back.
    var outcomes: Set<Reply.Outcome>
    var reason: String

    /// Values, as far as the documents decide.
    private enum Value {
        case valid, open, invalid

        static func worst(_ values: [Value]) -> Value {
            values.contains(.invalid) ? .invalid : values.contains(.open) ? .open : .valid
        }
    }

    static func of(_ call: Call, _ peer: Peer, in world: World) -> Evaluation {
        var result = judged(call, peer, world)
        switch call.form {
        case .oneway: return Evaluation(outcomes: [.none], reason: "oneway")
        case let form where form.isRefused:
            result.outcomes.remove(.success)
            result.outcomes.formUnion([.invalid, .closed, .refused, .notFound])
        // Nothing says whether methods that have one reply, and are no protocol to change to, take these.
        case .more, .upgrade: result.outcomes.insert(.invalid)
        default: break
        }
        return result
    }

    private static func judged(_ call: Call, _ peer: Peer, _ world: World) -> Evaluation {
        // The kernel shows a user without a counterpart here under this number (Docs/policy.md, "Who the caller is").
        if peer.user == 65_534 { return Evaluation(outcomes: [.closed], reason: "user 65534 is refused whatever it asks") }
        guard let method = Method.named(call.method) else { return Evaluation(outcomes: [.invalid], reason: "no such method") }
        guard method.types(call.parameters) else {
            return Evaluation(outcomes: [.invalid, .refused, .notFound, .closed], reason: "the parameters have other types")
        }
        switch call.method {
        case "ListKeys": return Evaluation(outcomes: [.success], reason: "a caller without a key gets an empty list")
        case "ReadAudit", "ReadMetrics":
            let isAllowed = world.policy.allows(peer, Need(operation: method.operation, keys: []))
            return Evaluation(outcomes: [isAllowed ? .success : .refused], reason: "\(method.operation.rawValue) needs a grant")
        case "DescribeKey", "RetireKey", "DeleteKey": return administration(call, method, peer, world)
        case "CreateKey", "AdoptKey": return making(call, method, peer, world)
        default: return signing(call, method, peer, world)
        }
    }

    /// The answer if the peer may not have the operation with these keys, whatever else is asked.
    private static func lack(_ operation: Operation, _ names: [String], _ peer: Peer, _ world: World) -> Evaluation? {
        for name in names where !KeyRecord.isName(name) {
            return Evaluation(outcomes: [.notFound, .invalid, .refused], reason: "\"\(name)\" is no key's name")
        }
        guard !world.policy.allows(peer, Need(operation: operation, keys: names), countsRates: false) else { return nil }
        if !names.contains(where: { world.policy.isOwn($0, peer) }) {
            return Evaluation(outcomes: [.notFound], reason: "the key is not the caller's")
        }
        return Evaluation(outcomes: [.notFound, .refused], reason: "no grant covers \(operation.rawValue) with the key")
    }

    private static func administration(_ call: Call, _ method: Method, _ peer: Peer, _ world: World) -> Evaluation {
        let name = call.parameters["name"]?.string ?? ""
        if let lack = lack(method.operation, [name], peer, world) { return lack }
        guard let key = world.keys[name] else { return Evaluation(outcomes: [.notFound], reason: "there is no such key") }
        // Who ends a key of an account needs a grant for its CA too.
        if call.method != "DescribeKey",
            !world.policy.allows(peer, Need(operation: method.operation, keys: [name], origin: key.origin))
        {
            return Evaluation(outcomes: [.refused], reason: "no grant covers \(method.operation.rawValue) for the key's CA")
        }
        if call.method == "RetireKey", key.isRetired { return Evaluation(outcomes: [.success, .refused], reason: "retired already") }
        return Evaluation(outcomes: [.success], reason: "a grant covers \(method.operation.rawValue)")
    }

    private static func making(_ call: Call, _ method: Method, _ peer: Peer, _ world: World) -> Evaluation {
        let values = call.parameters, name = values["name"]?.string ?? ""
        guard KeyRecord.isName(name) else {
            return Evaluation(outcomes: [.notFound, .invalid, .refused], reason: "\"\(name)\" is no key's name")
        }
        guard world.policy.allows(peer, Need(operation: method.operation, keys: [name]), countsRates: false) else {
            return Evaluation(outcomes: [.refused], reason: "no grant covers \(method.operation.rawValue) with the name")
        }
        var value = Value.valid
        var need = Need(operation: method.operation, keys: [name])
        let usage = values["usage"]?.string.flatMap(KeyRecord.Usage.init)
        if usage == nil { value = .invalid }
        if call.method == "CreateKey",
            !["P-256", "P-384", "RSA-2048", "RSA-3072", "RSA-4096", "Ed25519"].contains(values["algorithm"]?.string ?? "")
        {
            value = .invalid
        }
        if let token = values["token"]?.string, token != Agent.token { value = .invalid }
        switch (usage, values["directory"]?.string.map({ Location.read($0) })) {
        case (.account, nil): value = .invalid
        case (.account, .invalid?): value = .invalid
        case (.account, .open(let location)?):
            value = Value.worst([value, .open])
            need.origin = location.origin
        case (.account, .valid(let location)?): need.origin = location.origin
        case (.certificate, _?): value = Value.worst([value, .open])
        default: break
        }
        var result = decided(value, world.policy.allows(peer, need), method.operation)
        if call.method == "AdoptKey" {
            let uri = values["uri"]?.string ?? ""
            // A key that has a name, or was destroyed with it, is not adopted; nor is one that came from outside unless the
            // caller accepts it.
            if Universe.adoptable.contains(where: { uri == "pkcs11:token=verifier;object=\($0)" }) {
                if result.outcomes.contains(.success) { result.outcomes.formUnion([.refused, .invalid]) }
                if values["acceptWeak"] != .bool(true) { result.outcomes.remove(.success) }
            } else {
                result.outcomes.remove(.success)
                result.outcomes.insert(.invalid)
            }
        }
        if world.keys[name] != nil, result.outcomes.contains(.success) {
            result.outcomes.remove(.success)
            result.outcomes.insert(.exists)
        } else if world.keys[name] != nil {
            result.outcomes.insert(.exists)
        }
        return result
    }

    private static func signing(_ call: Call, _ method: Method, _ peer: Peer, _ world: World) -> Evaluation {
        let values = call.parameters, operation = method.operation
        let names = ["key", "certificateKey", "newKey"].compactMap { values[$0]?.string }
        var form = values["url"] == nil ? Value.valid : requestValues(values)
        if let content = values["content"]?.string, Base64URL.decode(content) == nil { form = .invalid }
        if var lack = lack(operation, names, peer, world) {
            // The form of URL, nonce and content is checked before the peer, the same for every peer and key.
            if form != .valid { lack.outcomes.insert(.invalid) }
            return lack
        }
        let known = names.map { world.keys[$0] }, keys = known.compactMap { $0 }
        let isRevocationByCertificate = operation == .revokeCertificate && values["account"] == nil
        for (place, key) in known.enumerated() {
            guard let key else { continue }
            let usage: KeyRecord.Usage =
                switch operation {
                case .finalize where place == 1: .certificate
                case .signCertificateRequest, .signHandshake, .signClientHandshake, .signServerKeyExchange: .certificate
                case .revokeCertificate where isRevocationByCertificate: .certificate
                default: .account
                }
            let outcomes: Set<Reply.Outcome> = keys.count < names.count ? [.refused, .invalid, .notFound] : [.refused, .invalid]
            if key.usage != usage { return Evaluation(outcomes: outcomes, reason: "\(key.name) is for another purpose") }
            if key.isRetired, !isRevocationByCertificate {
                return Evaluation(outcomes: outcomes, reason: "\(key.name) is retired")
            }
        }
        if names.count == 2, names[0] == names[1] { return Evaluation(outcomes: [.refused, .invalid, .notFound], reason: "one key twice") }
        var need = Need(operation: operation, keys: names)
        var value = Value.valid
        if let list = values["identifiers"]?.array {
            if list.isEmpty || list.count > 1_000 { value = .invalid }
            var seen: Set<Name> = []
            for item in list {
                switch Name.read(type: item["type"]?.string ?? "", value: item["value"]?.string ?? "") {
                case .valid(let name):
                    need.names.append(name)
                    if !seen.insert(name).inserted { value = Value.worst([value, .open]) }
                case .open: value = Value.worst([value, .open])
                case .invalid: value = .invalid
                }
            }
        }
        var isForeign = false
        if values["url"] != nil {
            var origins: [String] = []
            for member in ["url", "account"] {
                switch values[member]?.string.map({ Location.read($0) }) {
                case .valid(let location)?, .open(let location)?: origins.append(location.origin)
                default: break
                }
            }
            let accounts = keys.filter { $0.usage == .account }
            let bound = accounts.first.map(\.origin) ?? origins.first
            need.origin = bound
            isForeign = origins.contains { $0 != bound } || accounts.contains { $0.origin != bound }
            value = Value.worst([value, placement(operation, values)])
        }
        need.externalAccount = values["externalAccount"]?.string
        if let account = need.externalAccount, !Agent.externalAccounts.contains(where: { $0.name == account && $0.origin == need.origin }) {
            isForeign = true
        }
        value = Value.worst([value, form])
        if values["content"] != nil, let key = keys.first { value = Value.worst([value, handshake(operation, values, key)]) }
        if keys.count < names.count {
            var result = decided(isForeign ? .invalid : value, world.policy.allows(peer, need), operation)
            result.outcomes.remove(.success)
            result.outcomes.insert(.notFound)
            result.reason += ", and there is no such key"
            return result
        }
        if isForeign { return Evaluation(outcomes: [.refused, .invalid], reason: "a URL, key or credential is another CA's") }
        return decided(value, world.policy.allows(peer, need), operation)
    }

    private static func decided(_ value: Value, _ isAllowed: Bool, _ operation: Operation) -> Evaluation {
        switch (value, isAllowed) {
        case (.invalid, _): Evaluation(outcomes: [.invalid, .refused], reason: "a value is invalid")
        case (.open, false): Evaluation(outcomes: [.invalid, .refused], reason: "no grant covers it, and a value is unusual")
        case (.open, true): Evaluation(outcomes: [.success, .invalid, .refused], reason: "a value is unusual")
        case (.valid, false): Evaluation(outcomes: [.refused], reason: "no single grant covers \(operation.rawValue) as asked")
        case (.valid, true): Evaluation(outcomes: [.success], reason: "a grant covers \(operation.rawValue) as asked")
        }
    }

    /// Nonce, URLs and the values of the payload, each by RFC 8555.
    private static func requestValues(_ values: JSON) -> Value {
        var result: [Value] = []
        for member in ["url", "account"] {
            guard let text = values[member]?.string else { continue }
            switch Location.read(text) {
            case .valid: break
            case .open: result.append(.open)
            case .invalid: result.append(.invalid)
            }
        }
        if let nonce = values["nonce"]?.string {
            // Section 6.5.1: base64url, and a value that is not must be refused.
            let isInAlphabet = nonce.utf8.allSatisfy {
                (0x61...0x7A).contains($0) || (0x41...0x5A).contains($0) || (0x30...0x39).contains($0) || "-_".utf8.contains($0)
            }
            if nonce.isEmpty || !isInAlphabet { result.append(.invalid) }
            if nonce.utf8.count > 128 || Base64URL.decode(nonce) == nil { result.append(.open) }
        }
        for contact in values["contact"]?.array ?? [] {
            let text = contact.string ?? ""
            let isPlain =
                text.hasPrefix("mailto:") && text.dropFirst(7).utf8.allSatisfy { (0x61...0x7A).contains($0) || "@.".utf8.contains($0) }
            let parts = text.dropFirst(7).split(separator: "@", omittingEmptySubsequences: false)
            if !isPlain || parts.count != 2 || parts.contains(where: { $0.isEmpty }) { result.append(.open) }
        }
        if let reason = values["reason"]?.int, !(0...10).contains(reason) || reason == 7 { result.append(.invalid) }
        if let certificate = values["certificate"]?.string {
            guard let bytes = Base64URL.decode(certificate), !bytes.isEmpty else { return .invalid }
            if DER.one(bytes, DER.sequence)?.parts?.count != 3 { result.append(.open) }
        }
        if let profile = values["profile"]?.string, !["short", "tlsserver"].contains(profile) { result.append(.open) }
        if let replaces = values["replaces"]?.string, replaces != "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE" { result.append(.open) }
        for member in ["notBefore", "notAfter"] where values[member] != nil {
            if !["2027-01-01T00:00:00Z", "2027-02-01T00:00:00Z"].contains(values[member]?.string ?? "") { result.append(.open) }
        }
        if values["notBefore"] == .string("2027-02-01T00:00:00Z") { result.append(.open) }
        return Value.worst(result)
    }

    /// Docs/threat-model.md, "Payloads that coincide": where on a CA's origin an operation may be sent.
    private static func placement(_ operation: Operation, _ values: JSON) -> Value {
        guard let url = values["url"]?.string, let account = values["account"]?.string else { return .valid }
        switch operation {
        case .postAsGet: return .valid
        case .updateAccount, .deactivateAccount:
            // RFC 8555 section 7.3.2: an update without a member reads the account.
            if operation == .updateAccount, values["contact"] == nil, values["termsOfServiceAgreed"] == nil { return .invalid }
            return url == account ? .valid : .invalid
        default:
            if url == account { return .invalid }
            // Other spellings of the account's URL are refused, and a URL near it may be.
            return Layouts.isFar(url, from: account) ? .valid : .open
        }
    }

    private static func handshake(_ operation: Operation, _ values: JSON, _ key: KeyRecord) -> Value {
        guard let content = values["content"]?.string.flatMap({ Base64URL.decode($0) }), let scheme = values["scheme"]?.string else {
            return .invalid
        }
        let isTLS12 = operation == .signServerKeyExchange
        guard HandshakeMeaning.scheme(scheme, isTLS12: isTLS12, key.publicKey.kind) != nil else { return .invalid }
        let wanted: HandshakeMeaning =
            switch operation {
            case .signHandshake: .serverCertificateVerify
            case .signClientHandshake: .clientCertificateVerify
            default: .serverKeyExchange
            }
        let meanings = HandshakeMeaning.all(of: content)
        guard meanings.contains(wanted) else { return .invalid }
        if meanings.count > 1 { return .invalid }
        // A content that begins like a certificate request of its length is refused.
        if isTLS12, content.first == DER.sequence || content[68...].allSatisfy({ $0 == 0 }) { return .open }
        return .valid
    }
}
