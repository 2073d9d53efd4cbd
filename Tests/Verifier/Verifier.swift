/// Reads a reply's signature by its bytes alone, and asks whether what they mean was asked for and may be.
struct Verifier {
    var call: Call
    var peer: Peer
    var world: World

    /// - Parameter parameters: Of a reply that is no error.
    func check(_ parameters: JSON) throws(Finding) {
        guard let method = Method.named(call.method), call.method.hasPrefix("Sign") else { return }
        guard let key = call.parameters["key"]?.string.flatMap({ world.keys[$0] }) else {
            throw Finding("a key that does not exist signed")
        }
        let isRevocationByCertificate = method.operation == .revokeCertificate && call.parameters["account"] == nil
        if key.isRetired, !isRevocationByCertificate { throw Finding("a retired key signed") }
        switch method.operation {
        case .signHandshake, .signClientHandshake, .signServerKeyExchange: try handshake(method.operation, parameters, key)
        case .signCertificateRequest:
            guard key.usage == .certificate else { throw Finding("an account's key signed a CSR") }
            guard parameters.names == ["csr"] else { throw Finding("the reply has more than a CSR") }
            let names = try certificateRequest(parameters["csr"], key)
            try mayHave(Need(operation: .signCertificateRequest, keys: [key.name], names: Array(names)))
        default: try request(method.operation, parameters, key, isRevocationByCertificate)
        }
    }

    private func mayHave(_ need: Need) throws(Finding) {
        guard world.policy.allows(peer, need) else {
            throw Finding(
                "policy does not allow what was signed: \(need.operation.rawValue) with \(need.keys) for \(need.names) at \(need.origin ?? "-")"
            )
        }
    }

    /// The names that were asked for, as far as the documents say what they become.
    private var askedNames: (names: Set<Name>, isComplete: Bool) {
        var names: Set<Name> = [], isComplete = true
        for item in call.parameters["identifiers"]?.array ?? [] {
            if case .valid(let name) = Name.read(type: item["type"]?.string ?? "", value: item["value"]?.string ?? "") {
                names.insert(name)
            } else {
                isComplete = false
            }
        }
        return (names, isComplete)
    }

    private func checkNames(_ names: Set<Name>) throws(Finding) {
        let asked = askedNames
        guard asked.isComplete ? names == asked.names : names.isSuperset(of: asked.names) else {
            throw Finding("names \(names) were signed, and \(asked.names) were asked for")
        }
        guard names.count <= call.parameters["identifiers"]?.array?.count ?? 0 else {
            throw Finding("more names were signed than asked for")
        }
    }

    private func certificateRequest(_ csr: JSON?, _ key: KeyRecord) throws(Finding) -> Set<Name> {
        guard let der = csr?.string.flatMap({ Base64URL.decode($0) }) else { throw Finding("the CSR is not base64url") }
        let meaning = try CertificateRequestMeaning(der, key: key.publicKey)
        try checkNames(meaning.names)
        guard meaning.mustStaple == (call.parameters["mustStaple"]?.bool ?? false) else {
            throw Finding("mustStaple is not what was asked for")
        }
        return meaning.names
    }

    private func handshake(_ operation: Operation, _ parameters: JSON, _ key: KeyRecord) throws(Finding) {
        guard let content = call.parameters["content"]?.string.flatMap({ Base64URL.decode($0) }),
            let scheme = call.parameters["scheme"]?.string,
            let (hash, padding) = HandshakeMeaning.scheme(scheme, isTLS12: operation == .signServerKeyExchange, key.publicKey.kind),
            parameters.names == ["signature"], let signature = parameters["signature"]?.string.flatMap({ Base64URL.decode($0) })
        else { throw Finding("a handshake with other values was signed") }
        guard key.publicKey.verifies(signature, of: content, hash, padding) else {
            throw Finding("the handshake's signature is not the key's")
        }
        guard key.usage == .certificate else { throw Finding("an account's key signed a handshake") }
        let wanted: HandshakeMeaning =
            switch operation {
            case .signHandshake: .serverCertificateVerify
            case .signClientHandshake: .clientCertificateVerify
            default: .serverKeyExchange
            }
        let meanings = HandshakeMeaning.all(of: content)
        guard meanings == [wanted] else { throw Finding("the handshake means \(meanings)") }
        if wanted == .serverKeyExchange, key.publicKey.kind == .ed25519 { throw Finding("an Ed25519 key signed a ServerKeyExchange") }
        try mayHave(Need(operation: operation, keys: [key.name]))
    }

    private func request(
        _ operation: Operation, _ parameters: JSON, _ key: KeyRecord, _ isRevocationByCertificate: Bool
    ) throws(Finding) {
        guard let jws = parameters["request"], parameters.names.allSatisfy({ ["request", "csr"].contains($0) }) else {
            throw Finding("the reply is no signed request")
        }
        let meaning = try RequestMeaning(jws, key: key.publicKey)
        let asked = call.parameters
        guard key.usage == (isRevocationByCertificate ? .certificate : .account) else {
            throw Finding("a key of the other purpose signed a request")
        }
        guard asked["url"] == .string(meaning.url), asked["nonce"] == meaning.nonce.map({ .string($0) }) else {
            throw Finding("URL or nonce is not what was asked for: \(meaning.url) \(meaning.nonce ?? "-")")
        }
        let hasKey = operation == .newAccount || isRevocationByCertificate
        switch meaning.signer {
        case .jwk: guard hasKey else { throw Finding("the header has jwk") }
        case .kid(let account):
            guard !hasKey, asked["account"] == .string(account) else { throw Finding("kid is not the account that was asked for") }
        }
        var need = Need(operation: operation, keys: [key.name])
        need.origin = try origin(of: meaning, key)
        try payload(operation, meaning, key, parameters, &need)
        try mayHave(need)
        try WorstCases.check(meaning, operation: operation) { other in
            var stronger = need
            stronger.operation = other
            return world.policy.allows(peer, stronger)
        }
        if operation == .deactivateAuthorization { try checkIsFarFromAccount(meaning) }
    }

    /// The URL must be https, on the origin to which an account's key is bound.
    private func origin(of meaning: RequestMeaning, _ key: KeyRecord) throws(Finding) -> String {
        var origins: Set<String> = []
        var texts = [meaning.url]
        if case .kid(let account) = meaning.signer { texts.append(account) }
        for text in texts {
            switch Location.read(text) {
            case .valid(let location), .open(let location): origins.insert(location.origin)
            case .invalid: throw Finding("a URL was signed that is not a strict https URL: \(text)")
            }
        }
        if key.usage == .account { origins.insert(key.origin ?? "-") }
        guard origins.count == 1, let origin = origins.first else { throw Finding("URLs of several CAs in one request: \(origins)") }
        return origin
    }

    private func payload(
        _ operation: Operation, _ meaning: RequestMeaning, _ key: KeyRecord, _ reply: JSON, _ need: inout Need
    ) throws(Finding) {
        let asked = call.parameters
        func same(_ members: [String], _ payload: JSON, leaveOut: [String: JSON] = [:]) throws(Finding) {
            guard payload.names.allSatisfy({ members.contains($0) }) else {
                throw Finding("the payload has other members: \(payload.text())")
            }
            for member in members where payload[member] != asked[member] {
                guard payload[member] == nil, asked[member] == leaveOut[member] else {
                    throw Finding("\(member) is not what was asked for: \(payload.text())")
                }
            }
        }
        guard let payload = meaning.payload else {
            guard operation == .postAsGet else { throw Finding("the payload is empty") }
            return
        }
        switch operation {
        case .postAsGet: throw Finding("a POST-as-GET has a payload: \(payload.text())")
        case .respondToChallenge: guard payload == .object([]) else { throw Finding("a response is not {}: \(payload.text())") }
        case .deactivateAccount, .deactivateAuthorization:
            guard payload == .members([("status", .string("deactivated"))]) else { throw Finding("a deactivation is \(payload.text())") }
        case .updateAccount: try same(["contact", "termsOfServiceAgreed"], payload)
        case .newAccount:
            try same(
                ["contact", "termsOfServiceAgreed", "onlyReturnExisting"], payload.with("externalAccountBinding", nil),
                leaveOut: ["contact": .array([]), "onlyReturnExisting": .bool(false)])
            need.externalAccount = asked["externalAccount"]?.string
            try externalAccount(payload["externalAccountBinding"], need.externalAccount, meaning, key)
        case .revokeCertificate: try same(["certificate", "reason"], payload)
        case .newOrder:
            try same(["profile", "replaces", "notBefore", "notAfter"], payload.with("identifiers", nil))
            var names: Set<Name> = []
            for item in payload["identifiers"]?.array ?? [] {
                guard let kind = item["type"]?.string.flatMap(Name.Kind.init), let value = item["value"]?.string, item.names.count == 2
                else {
                    throw Finding("an identifier is \(item.text())")
                }
                names.insert(Name(kind: kind, value: value))
            }
            try checkNames(names)
            need.names = Array(names)
        case .finalize:
            guard payload.names == ["csr"], payload["csr"] == reply["csr"] else { throw Finding("the payload is not the CSR") }
            guard let other = asked["certificateKey"]?.string.flatMap({ world.keys[$0] }), other.usage == .certificate, !other.isRetired
            else {
                throw Finding("a key signed a CSR that is no certificate's, or retired")
            }
            need.keys.append(other.name)
            need.names = Array(try certificateRequest(payload["csr"], other))
        case .keyChange:
            guard let other = asked["newKey"]?.string.flatMap({ world.keys[$0] }), other.usage == .account, !other.isRetired else {
                throw Finding("a key signed a key change that is no account's, or retired")
            }
            let inner = try RequestMeaning(payload, key: other.publicKey, isInner: true)
            guard inner.url == meaning.url, inner.signer == .jwk(other.publicKey.jwk), other.origin == key.origin,
                inner.payload == .members([("account", asked["account"]), ("oldKey", key.publicKey.jwk)])
            else { throw Finding("the inner JWS is not that of RFC 8555 section 7.3.5: \(payload.text())") }
            need.keys.append(other.name)
        default: throw Finding("\(operation.rawValue) is no request")
        }
    }

    /// RFC 8555 section 7.3.4.
    private func externalAccount(_ binding: JSON?, _ name: String?, _ meaning: RequestMeaning, _ key: KeyRecord) throws(Finding) {
        guard (binding == nil) == (name == nil) else { throw Finding("an external account was bound, or not, against what was asked") }
        guard let binding, let name else { return }
        guard let account = Agent.externalAccounts.first(where: { $0.name == name }), binding.names.count == 3,
            let protected = binding["protected"]?.string, let payload = binding["payload"]?.string,
            let code = binding["signature"]?.string.flatMap({ Base64URL.decode($0) }),
            PublicKey.authenticationCode(Array("\(protected).\(payload)".utf8), key: account.key) == code,
            Base64URL.decode(protected).flatMap({ JSONReader.read($0) })
                == .members([("alg", .string("HS256")), ("kid", .string(account.keyID)), ("url", .string(meaning.url))]),
            Base64URL.decode(payload).flatMap({ JSONReader.read($0) }) == key.publicKey.jwk
        else { throw Finding("the external account's binding is not that of RFC 8555 section 7.3.4: \(binding.text())") }
        guard account.origin == key.origin else { throw Finding("an external account of another CA was bound") }
    }

    /// The second line of defence: no deactivation of an authorization for the account's URL in any spelling, nor for one
    /// next to, above or below it.
    private func checkIsFarFromAccount(_ meaning: RequestMeaning) throws(Finding) {
        guard case .kid(let account) = meaning.signer else { return }
        func segments(_ text: String) -> [String] {
            switch Location.read(text) {
            case .valid(let location), .open(let location): location.lenientSegments
            case .invalid: []
            }
        }
        let own = segments(account), other = segments(meaning.url)
        let isNear = own == other || own.dropLast() == other.dropLast()[...] || other.starts(with: own) || own.starts(with: other)
        if isNear { throw Finding("an authorization's deactivation was signed for \(meaning.url), near the account \(account)") }
    }
}
