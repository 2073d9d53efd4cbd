import ACME
import JOSE
import StrictJSON

extension AgentCall {
    /// Writes the call's parameters as an object that `init(method:parameters:)` reads.
    public func writeParameters(to json: inout JSONWriter) {
        json.beginObject()
        switch self {
        case .getStatus, .listKeys, .readMetrics, .listGrants: break
        case .describeKey(let name), .retireKey(let name), .deleteKey(let name): json.member("name", name.rawValue)
        case .createKey(let creation), .adoptKey(let creation):
            json.member("name", creation.name.rawValue)
            json.member("usage", creation.usage.rawValue)
            json.member("algorithm", ifPresent: creation.algorithm?.rawValue)
            json.member("uri", ifPresent: creation.uri)
            json.member("directory", ifPresent: creation.directory?.text)
            json.member("token", ifPresent: creation.token)
            if creation.acceptWeak { json.member("acceptWeak", true) }
        case .sign(let call): call.write(to: &json)
        case .signCertificateRequest(let request):
            json.member("key", request.key.rawValue)
            AgentCall.write(request.identifiers, to: &json)
            if request.mustStaple { json.member("mustStaple", true) }
        case .signHandshake(_, let key, let content, let scheme):
            json.member("key", key.rawValue)
            json.member("content", Base64URL.encode(content))
            json.member("scheme", scheme)
        case .readAudit(let last): json.member("last", last)
        case .explainDecision(let question): question.write(to: &json)
        }
        json.endObject()
    }

    static func write(_ identifiers: [Identifier], to json: inout JSONWriter) {
        json.name("identifiers")
        json.beginArray()
        for identifier in identifiers {
            json.beginObject()
            json.member("type", identifier.type)
            json.member("value", identifier.value)
            json.endObject()
        }
        json.endArray()
    }
}

extension DecisionQuestion {
    fileprivate func write(to json: inout JSONWriter) {
        json.member("operation", operation.rawValue)
        json.member("keys", keys.map(\.rawValue))
        json.member("url", ifPresent: url?.text)
        if !identifiers.isEmpty { AgentCall.write(identifiers, to: &json) }
        json.member("externalAccount", ifPresent: externalAccount)
        guard let subject else { return }
        json.member("user", subject.user)
        json.name("groups")
        json.beginArray()
        for group in subject.groups { json.integer(group) }
        json.endArray()
    }
}

extension SigningCall {
    fileprivate func write(to json: inout JSONWriter) {
        json.member("key", key.rawValue)
        json.member("url", url.text)
        json.member("nonce", nonce)
        json.member("account", ifPresent: account?.text)
        switch request {
        case .newAccount(let account):
            if !account.contact.isEmpty { json.member("contact", account.contact) }
            json.member("termsOfServiceAgreed", ifPresent: account.termsOfServiceAgreed)
            if account.onlyReturnExisting { json.member("onlyReturnExisting", true) }
            json.member("externalAccount", ifPresent: account.externalAccount)
        case .updateAccount(let update):
            if let contact = update.contact { json.member("contact", contact) }
            json.member("termsOfServiceAgreed", ifPresent: update.termsOfServiceAgreed)
        case .keyChange(let newKey): json.member("newKey", newKey.rawValue)
        case .newOrder(let order):
            AgentCall.write(order.identifiers, to: &json)
            json.member("profile", ifPresent: order.profile)
            json.member("replaces", ifPresent: order.replaces)
            json.member("notBefore", ifPresent: order.notBefore)
            json.member("notAfter", ifPresent: order.notAfter)
        case .finalize(let request):
            json.member("certificateKey", request.key.rawValue)
            AgentCall.write(request.identifiers, to: &json)
            if request.mustStaple { json.member("mustStaple", true) }
        case .revokeCertificate(let revocation):
            json.member("certificate", Base64URL.encode(revocation.certificate))
            if let reason = revocation.reason { json.member("reason", reason.rawValue) }
        case .deactivateAccount, .postAsGet, .respondToChallenge, .deactivateAuthorization: break
        }
    }
}
