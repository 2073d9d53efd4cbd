/// The methods and the types of their parameters, as the interface's text in Docs/protocol.md describes them.
struct Method {
    enum Kind {
        case string, strings, bool, int, identifiers
    }

    var operation: Operation
    var required: [(String, Kind)]
    var optional: [(String, Kind)]

    private init(_ operation: Operation, _ required: [(String, Kind)], _ optional: [(String, Kind)] = []) {
        self.operation = operation
        self.required = required
        self.optional = optional
    }

    private static let request: [(String, Kind)] = [("key", .string), ("url", .string), ("nonce", .string)]
    private static let accountRequest = request + [("account", .string)]
    private static let handshake: [(String, Kind)] = [("key", .string), ("content", .string), ("scheme", .string)]

    static func named(_ name: String) -> Method? {
        switch name {
        case "ListKeys": Method(.listKeys, [])
        case "DescribeKey": Method(.listKeys, [("name", .string)])
        case "CreateKey":
            Method(
                .createKey, [("name", .string), ("usage", .string), ("algorithm", .string)], [("directory", .string), ("token", .string)])
        case "AdoptKey":
            Method(
                .adoptKey, [("name", .string), ("uri", .string), ("usage", .string)],
                [("directory", .string), ("token", .string), ("acceptWeak", .bool)])
        case "RetireKey": Method(.retireKey, [("name", .string)])
        case "DeleteKey": Method(.deleteKey, [("name", .string)])
        case "SignNewAccount":
            Method(
                .newAccount, request,
                [("contact", .strings), ("termsOfServiceAgreed", .bool), ("onlyReturnExisting", .bool), ("externalAccount", .string)])
        case "SignAccountUpdate": Method(.updateAccount, accountRequest, [("contact", .strings), ("termsOfServiceAgreed", .bool)])
        case "SignAccountDeactivation": Method(.deactivateAccount, accountRequest)
        case "SignKeyChange": Method(.keyChange, accountRequest + [("newKey", .string)])
        case "SignNewOrder":
            Method(
                .newOrder, accountRequest + [("identifiers", .identifiers)],
                [("profile", .string), ("replaces", .string), ("notBefore", .string), ("notAfter", .string)])
        case "SignPostAsGet": Method(.postAsGet, accountRequest)
        case "SignChallengeResponse": Method(.respondToChallenge, accountRequest)
        case "SignAuthorizationDeactivation": Method(.deactivateAuthorization, accountRequest)
        case "SignFinalize":
            Method(.finalize, accountRequest + [("certificateKey", .string), ("identifiers", .identifiers)], [("mustStaple", .bool)])
        case "SignRevocation": Method(.revokeCertificate, request + [("certificate", .string)], [("account", .string), ("reason", .int)])
        case "SignCertificateRequest":
            Method(.signCertificateRequest, [("key", .string), ("identifiers", .identifiers)], [("mustStaple", .bool)])
        case "SignHandshake": Method(.signHandshake, handshake)
        case "SignClientHandshake": Method(.signClientHandshake, handshake)
        case "SignServerKeyExchange": Method(.signServerKeyExchange, handshake)
        case "ReadAudit": Method(.readAudit, [], [("last", .int)])
        case "ReadMetrics": Method(.readMetrics, [])
        default: nil
        }
    }

    static let names = [
        "ListKeys", "DescribeKey", "CreateKey", "AdoptKey", "RetireKey", "DeleteKey", "SignNewAccount", "SignAccountUpdate",
        "SignAccountDeactivation", "SignKeyChange", "SignNewOrder", "SignPostAsGet", "SignChallengeResponse",
        "SignAuthorizationDeactivation", "SignFinalize", "SignRevocation", "SignCertificateRequest", "SignHandshake",
        "SignClientHandshake", "SignServerKeyExchange", "ReadAudit", "ReadMetrics",
    ]

    /// Whether the parameters have the interface's types, and no other member.
    func types(_ parameters: JSON) -> Bool {
        guard case .object(let members) = parameters else { return false }
        guard required.allSatisfy({ parameters[$0.0] != nil }) else { return false }
        return members.allSatisfy { member in
            guard let kind = (required + optional).first(where: { $0.0 == member.name })?.1 else { return false }
            if member.value == .null { return true }
            return switch kind {
            // A zero byte ends a message, and is in no value that the interface has.
            case .string: member.value.string.map { !$0.utf8.contains(0) } == true
            case .bool: member.value.bool != nil
            case .int: member.value.int != nil
            case .strings: member.value.array?.allSatisfy { $0.string != nil } == true
            case .identifiers:
                member.value.array?.allSatisfy { item in
                    item.names.count == 2 && ["type", "value"].allSatisfy { item[$0]?.string.map { !$0.utf8.contains(0) } == true }
                } == true
            }
        }
    }
}
