import ACME
import JOSE
import StrictJSON

/// Why parameters were refused: the parameter's name and a sentence.
public struct InvalidParameter: Error, Sendable, CustomStringConvertible {
    public var parameter: String
    public var message: String
    /// If the parameter must name an existing key: the given text, which names none.
    public var unknownKey: String?

    public init(_ parameter: String, _ message: String) {
        self.parameter = parameter
        self.message = message
    }

    /// The error that the caller gets. A text that is not a key name is answered like the name of a key that does not
    /// exist.
    public var answer: AgentError {
        unknownKey.map { .keyNotFound(name: $0) } ?? .invalidRequest(parameter: parameter, message: description)
    }

    public var description: String { "\(parameter): \(message)" }
}

/// Limits on what a call may carry. Those of identifiers, contacts, certificates and URLs are in `ACME`, for the front
/// end too.
public enum CallLimits {
    /// Bytes of names and of other texts without a limit of their own.
    public static let text = 1_024
    /// Bytes of a key's PKCS#11 URI: as many as the token's helper accepts.
    public static let uri = 4 * 1_024
    /// Records of the audit trail in a single reply; few of them fit, if they are long.
    public static let auditRecords = 10_000
    /// Records that a call with `more` may begin with. They are read in parts, so they cost the agent no memory, but to
    /// find the first one it searches some 100 MB backwards, off its event loop.
    public static let followedAuditRecords = 250_000
    /// Identifiers in a question about a decision: each is compared with the patterns of every grant.
    public static let explainedIdentifiers = 100
    /// Groups of somebody else about whom policy is asked: NFS and most directory services allow fewer.
    public static let explainedGroups = 1_024
    /// Bytes of a handshake's content. None that is signed has more than 165; longer ones, such as all messages of a TLS
    /// 1.2 handshake, are read to be refused like every other content that is none, and recorded.
    public static let handshake = 16 * 1_024
}

extension AgentCall {
    /// Reads a call. Returns `nil` if the interface has no such method.
    /// - Throws: `InvalidParameter` if a parameter is missing, unknown or invalid.
    public init?(method: String, parameters: JSONObject) throws(InvalidParameter) {
        let reader = ParameterReader(parameters)
        switch method {
        case "GetStatus":
            try reader.finish([])
            self = .getStatus
        case "ListKeys":
            try reader.finish([])
            self = .listKeys
        case "DescribeKey":
            self = .describeKey(name: try reader.onlyName())
        case "CreateKey":
            guard let algorithm = KeyAlgorithm(rawValue: try reader.text("algorithm")) else {
                throw InvalidParameter("algorithm", "must be one of " + KeyAlgorithm.allCases.map(\.rawValue).joined(separator: ", "))
            }
            let creation = try reader.keyCreation(algorithm: algorithm, uri: nil)
            try reader.finish(["name", "usage", "algorithm", "directory", "token"])
            self = .createKey(creation)
        case "AdoptKey":
            let uri = try reader.text("uri", limit: CallLimits.uri)
            // RFC 7512 §2.3 requires them percent-encoded. Raw ones would take six times the room in the key's entry.
            guard !uri.utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }) else {
                throw InvalidParameter("uri", "has a control character")
            }
            let creation = try reader.keyCreation(algorithm: nil, uri: uri)
            try reader.finish(["name", "uri", "usage", "directory", "token", "acceptWeak"])
            self = .adoptKey(creation)
        case "RetireKey": self = .retireKey(name: try reader.onlyName())
        case "DeleteKey": self = .deleteKey(name: try reader.onlyName())
        case "SignNewAccount":
            let account = NewAccount(
                contact: try reader.contacts() ?? [], termsOfServiceAgreed: try reader.optionalBool("termsOfServiceAgreed"),
                onlyReturnExisting: try reader.optionalBool("onlyReturnExisting") ?? false,
                externalAccount: try reader.optionalText("externalAccount"))
            self = .sign(
                try reader.signing(
                    .newAccount(account), hasAccount: false,
                    and: ["contact", "termsOfServiceAgreed", "onlyReturnExisting", "externalAccount"]))
        case "SignAccountUpdate":
            let update = AccountUpdate(
                contact: try reader.contacts(), termsOfServiceAgreed: try reader.optionalBool("termsOfServiceAgreed"))
            self = .sign(try reader.signing(.updateAccount(update), and: ["contact", "termsOfServiceAgreed"]))
        case "SignAccountDeactivation": self = .sign(try reader.signing(.deactivateAccount))
        case "SignKeyChange": self = .sign(try reader.signing(.keyChange(newKey: try reader.key("newKey")), and: ["newKey"]))
        case "SignNewOrder":
            let order = NewOrder(
                identifiers: try reader.identifiers(), profile: try reader.optionalText("profile"),
                replaces: try reader.optionalText("replaces"), notBefore: try reader.optionalText("notBefore"),
                notAfter: try reader.optionalText("notAfter"))
            self = .sign(
                try reader.signing(.newOrder(order), and: ["identifiers", "profile", "replaces", "notBefore", "notAfter"]))
        case "SignPostAsGet": self = .sign(try reader.signing(.postAsGet))
        case "SignChallengeResponse": self = .sign(try reader.signing(.respondToChallenge))
        case "SignAuthorizationDeactivation": self = .sign(try reader.signing(.deactivateAuthorization))
        case "SignFinalize":
            let request = CertificateRequest(
                key: try reader.key("certificateKey"), identifiers: try reader.identifiers(),
                mustStaple: try reader.optionalBool("mustStaple") ?? false)
            self = .sign(try reader.signing(.finalize(request), and: ["certificateKey", "identifiers", "mustStaple"]))
        case "SignRevocation":
            let certificate = try reader.base64url("certificate", limit: Revocation.maximumCertificateSize)
            var reason: RevocationReason?
            if let code = try reader.optionalInteger("reason") {
                guard let known = Int(exactly: code).flatMap(RevocationReason.init(rawValue:)) else {
                    throw InvalidParameter("reason", "must be a CRLReason of RFC 5280 section 5.3.1: 0 to 6 or 8 to 10")
                }
                reason = known
            }
            let hasAccount = try reader.optionalText("account") != nil
            self = .sign(
                try reader.signing(
                    .revokeCertificate(Revocation(certificate: certificate, reason: reason)), hasAccount: hasAccount,
                    and: ["account", "certificate", "reason"]))
        case "SignCertificateRequest":
            let request = CertificateRequest(
                key: try reader.key("key"), identifiers: try reader.identifiers(),
                mustStaple: try reader.optionalBool("mustStaple") ?? false)
            try reader.finish(["key", "identifiers", "mustStaple"])
            self = .signCertificateRequest(request)
        case "SignHandshake": self = try reader.handshake(.serverCertificateVerify)
        case "SignClientHandshake": self = try reader.handshake(.clientCertificateVerify)
        case "SignServerKeyExchange": self = try reader.handshake(.serverKeyExchange)
        case "ReadAudit":
            let last = try reader.optionalInteger("last") ?? 100
            // What is too much without `more` is seen where that is known.
            guard last >= 0, last <= Int64(CallLimits.followedAuditRecords) else {
                throw InvalidParameter("last", "must be from 0 to \(CallLimits.followedAuditRecords)")
            }
            try reader.finish(["last"])
            self = .readAudit(last: Int(last))
        case "ReadMetrics":
            try reader.finish([])
            self = .readMetrics
        case "ExplainDecision": self = .explainDecision(try reader.decisionQuestion())
        case "ListGrants":
            try reader.finish([])
            self = .listGrants
        default: return nil
        }
    }
}

/// Reads parameters one by one and turns the reader's errors into sentences.
struct ParameterReader {
    let json: JSONObject

    init(_ json: JSONObject) { self.json = json }

    private func checked<Value>(_ name: String, _ read: () throws(JSONError) -> Value) throws(InvalidParameter) -> Value {
        do { return try read() } catch {
            switch error.reason {
            case .missingMember: throw InvalidParameter(name, "is missing")
            case .wrongType: throw InvalidParameter(name, "is of the wrong type")
            case .integerOutOfRange: throw InvalidParameter(name, "is out of range")
            default: throw InvalidParameter(name, error.description)
            }
        }
    }

    func finish(_ known: [String], and others: [String] = []) throws(InvalidParameter) {
        do { try json.finish(known: known, and: others) } catch {
            throw InvalidParameter(error.member ?? "", "is not a parameter of this method")
        }
    }

    private func bounded(_ name: String, _ text: String, _ limit: Int = CallLimits.text) throws(InvalidParameter) -> String {
        guard text.utf8.count <= limit else { throw InvalidParameter(name, "is longer than \(limit) bytes") }
        return text
    }

    func text(_ name: String, limit: Int = CallLimits.text) throws(InvalidParameter) -> String {
        try bounded(name, try checked(name) { () throws(JSONError) in try json.string(name) }, limit)
    }

    func optionalText(_ name: String) throws(InvalidParameter) -> String? {
        guard let text = try checked(name, { () throws(JSONError) in try json.optionalString(name) }) else { return nil }
        return try bounded(name, text)
    }

    func optionalBool(_ name: String) throws(InvalidParameter) -> Bool? {
        try checked(name) { () throws(JSONError) in try json.optionalBool(name) }
    }

    func optionalInteger(_ name: String) throws(InvalidParameter) -> Int64? {
        try checked(name) { () throws(JSONError) in try json.optionalInteger(name) }
    }

    func texts(_ name: String) throws(InvalidParameter) -> [String] {
        try checked(name) { () throws(JSONError) in try json.strings(name) }
    }

    /// No integers if there is no such member.
    func integers(_ name: String) throws(InvalidParameter) -> [Int64] {
        try checked(name) { () throws(JSONError) in
            var numbers: [Int64] = []
            for value in try json.optional(name)?.array(name) ?? [] { numbers.append(try value.integer(name)) }
            return numbers
        }
    }

    /// The name of an existing key.
    func key(_ name: String) throws(InvalidParameter) -> KeyName {
        let text = try text(name)
        do throws(KeyNameError) { return try KeyName(text) } catch {
            var invalid = InvalidParameter(name, error.description)
            invalid.unknownKey = text
            throw invalid
        }
    }

    func onlyName() throws(InvalidParameter) -> KeyName {
        let name = try key("name")
        try finish(["name"])
        return name
    }

    func handshake(_ message: HandshakeMessage) throws(InvalidParameter) -> AgentCall {
        let call = AgentCall.signHandshake(
            message, key: try key("key"), content: try base64url("content", limit: CallLimits.handshake), scheme: try text("scheme"))
        try finish(["key", "content", "scheme"])
        return call
    }

    func base64url(_ name: String, limit: Int) throws(InvalidParameter) -> [UInt8] {
        let text = try checked(name) { () throws(JSONError) in try json.string(name) }
        guard text.utf8.count <= limit / 3 * 4 + 4 else { throw InvalidParameter(name, "is longer than \(limit) bytes") }
        guard let bytes = Base64URL.decode(text), !bytes.isEmpty else {
            throw InvalidParameter(name, "must be base64url without padding (RFC 7515 section 2)")
        }
        return bytes
    }

    func url(_ name: String, neighbour: ACMEURL? = nil) throws(InvalidParameter) -> ACMEURL {
        let text = try checked(name) { () throws(JSONError) in try json.required(name).utf8(name) }
        do { return try ACMEURL(utf8: text, neighbour: neighbour) } catch { throw InvalidParameter(name, "\(error)") }
    }

    func identifiers(limit: Int = NewOrder.maximumIdentifiers) throws(InvalidParameter) -> [Identifier] {
        let values = try checked("identifiers") { () throws(JSONError) in try json.array("identifiers") }
        guard !values.isEmpty, values.count <= limit else {
            throw InvalidParameter("identifiers", "must have from 1 to \(limit) identifiers")
        }
        var identifiers: [Identifier] = []
        identifiers.reserveCapacity(values.count)
        for value in values {
            let (type, text) = try checked("identifiers") { () throws(JSONError) in
                let object = try value.object("identifiers")
                try object.finish(known: ["type", "value"])
                return (try object.string("type"), try object.string("value"))
            }
            do { identifiers.append(try Identifier(type: type, value: text)) } catch {
                throw InvalidParameter("identifiers", "\(error)")
            }
        }
        guard Set(identifiers).count == identifiers.count else { throw InvalidParameter("identifiers", "names an identifier twice") }
        return identifiers
    }

    func contacts() throws(InvalidParameter) -> [String]? {
        guard let contacts = try checked("contact", { () throws(JSONError) in try json.optionalStrings("contact") }) else { return nil }
        guard contacts.count <= Contact.maximumCount else {
            throw InvalidParameter("contact", "must have at most \(Contact.maximumCount) addresses")
        }
        return contacts
    }

    func keyCreation(algorithm: KeyAlgorithm?, uri: String?) throws(InvalidParameter) -> KeyCreation {
        let name: KeyName
        do { name = try KeyName(try text("name")) } catch { throw InvalidParameter("name", "\(error)") }
        guard let usage = KeyUsage(rawValue: try text("usage")) else {
            throw InvalidParameter("usage", "must be \"account\" or \"certificate\"")
        }
        let directory = try optionalText("directory") == nil ? nil : try url("directory")
        switch (usage, directory) {
        case (.account, nil): throw InvalidParameter("directory", "is missing: an account key is bound to one CA's directory")
        case (.certificate, .some): throw InvalidParameter("directory", "is for account keys only")
        default: break
        }
        return KeyCreation(
            name: name, usage: usage, algorithm: algorithm, uri: uri, directory: directory, token: try optionalText("token"),
            acceptWeak: uri == nil ? false : try optionalBool("acceptWeak") ?? false)
    }

    func signing(_ request: ACMERequest, hasAccount: Bool = true, and others: [String] = []) throws(InvalidParameter) -> SigningCall {
        let nonce = try text("nonce")
        guard ACMENonce.isValid(nonce) else {
            throw InvalidParameter("nonce", "must be base64url (RFC 8555 section 6.5.2)")
        }
        let key = try self.key("key"), url = try url("url")
        let account = hasAccount ? try self.url("account", neighbour: url) : nil
        try finish(hasAccount ? ["key", "url", "nonce", "account"] : ["key", "url", "nonce"], and: others)
        return SigningCall(key: key, url: url, nonce: nonce, account: account, request: request)
    }
}
