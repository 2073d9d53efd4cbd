import ACME
import ACMEClient
import Crypto
import Foundation
import JOSE
import StrictJSON

extension FakeCA {
    private struct Refusal: Error {
        var status: Int
        var type: String
        var detail: String
        var instance: String?
    }

    func answer(_ request: HTTPRequest) throws -> HTTPResponse {
        do {
            var response = try route(request)
            if request.method != .get, response.headers["Replay-Nonce"] == nil { response.headers.append("Replay-Nonce", newNonce()) }
            return response
        } catch let refusal as Refusal {
            var headers: HTTPFields = ["Content-Type": "application/problem+json"]
            let withholds = state.withLock { $0.behaviour.withholdsNonces }
            if !(withholds && refusal.type == "badNonce") { headers.append("Replay-Nonce", newNonce()) }
            let instance = refusal.instance.map { #","instance":"\#($0)""# } ?? ""
            let body =
                #"{"type":"urn:ietf:params:acme:error:\#(refusal.type)","detail":"\#(refusal.detail)","status":\#(refusal.status)\#(instance)}"#
            return HTTPResponse(status: refusal.status, headers: headers, body: Array(body.utf8))
        }
    }

    private func newNonce() -> String {
        state.withLock { state in
            state.nonceCount += 1
            let nonce = "nonce-\(state.nonceCount)"
            state.nonces.insert(nonce)
            return nonce
        }
    }

    private func json(_ text: String, status: Int = 200, location: String? = nil, retryAfter: String? = nil) -> HTTPResponse {
        var headers: HTTPFields = ["Content-Type": "application/json"]
        if let location { headers.append("Location", location) }
        if let retryAfter { headers.append("Retry-After", retryAfter) }
        return HTTPResponse(status: status, headers: headers, body: Array(text.utf8))
    }

    private func route(_ request: HTTPRequest) throws -> HTTPResponse {
        let path = request.url.path
        switch (request.method, path) {
        case (.get, "/dir"): return json(directoryText())
        case (.head, "/nonce"): return HTTPResponse(status: 200)
        case (.get, _) where path.hasPrefix("/ari/"): return try renewalInformation(String(path.dropFirst(5)))
        case (.post, _): break
        default: throw Refusal(status: 404, type: "malformed", detail: "no such page")
        }
        let (message, account) = try verify(request)
        let parts = path.split(separator: "/").map(String.init)
        let number = parts.count > 1 ? Int(parts[1]) ?? -1 : -1
        switch parts.first {
        case "new-account": return try newAccount(message)
        case "acct":
            guard account == request.url.text else { throw Refusal(status: 401, type: "unauthorized", detail: "another account") }
            return try self.account(account ?? "", message)
        case "new-order": return try newOrder(message)
        case "order": return try order(number)
        case "authz": return try authorization(number, message)
        case "key-change": return try changeKey(message, account: account)
        case "chall": return try challenge(number, type: parts.last ?? "", account: account)
        case "finalize": return try finalize(number, message)
        case "cert", "alternate": return try certificate(number, root: parts.first == "cert" ? 0 : 1)
        case "revoke": return try revoke(message)
        default: throw Refusal(status: 404, type: "malformed", detail: "no such page")
        }
    }

    private func directoryText() -> String {
        let behaviour = state.withLock { $0.behaviour }
        let list = behaviour.profiles?.map { #""\#($0)":"a kind of certificate""# }.joined(separator: ",")
        let profiles = list.map { #","profiles":{\#($0)}"# } ?? ""
        let renewal = behaviour.renewalWindows == nil ? "" : #""renewalInfo":"\#(Self.base)/ari","#
        let terms = behaviour.termsOfService.map { #","termsOfService":"\#($0)""# } ?? ""
        let issuers = behaviour.persistIssuers.map { #""\#($0)""# }.joined(separator: ",")
        let persist = behaviour.persistDraft == 2 ? #","issuerDomainNames":[\#(issuers)],"accountHashPrefix":"\#(Self.base)/hash/""# : ""
        return #"{"newNonce":"\#(Self.base)/nonce","newAccount":"\#(Self.base)/new-account","newOrder":"\#(Self.base)/new-order","#
            + #""revokeCert":"\#(Self.base)/revoke","keyChange":"\#(Self.base)/key-change",\#(renewal)"#
            + #""meta":{"externalAccountRequired":\#(behaviour.requiresExternalAccount)\#(terms)\#(profiles)\#(persist)}}"#
    }

    private func renewalInformation(_ certID: String) throws -> HTTPResponse {
        let behaviour = state.withLock { $0.behaviour }
        guard let window = behaviour.renewalWindows?[certID] else {
            throw Refusal(status: 404, type: "malformed", detail: "no such certificate")
        }
        return json(#"{"suggestedWindow":\#(window),"explanationURL":"https://ca.test/why"}"#, retryAfter: behaviour.renewalRetryAfter)
    }

    /// Checks nonce, URL, key and signature (RFC 8555 §6.2 to §6.5).
    private func verify(_ request: HTTPRequest) throws -> (message: JSONValue?, account: String?) {
        guard request.headers["Content-Type"] == "application/jose+json" else {
            throw Refusal(status: 415, type: "malformed", detail: "content type")
        }
        let jws = try FlattenedJWS(json: request.body)
        guard let headerBytes = Base64URL.decode(jws.protected), let payload = Base64URL.decode(jws.payload),
            let signature = Base64URL.decode(jws.signature)
        else { throw Refusal(status: 400, type: "malformed", detail: "base64url") }
        let header = try JSONDocument(parsing: headerBytes).root.object()
        let nonce = try header.string("nonce")
        let isRefused = state.withLock { state in
            guard state.nonces.remove(nonce) != nil else { return true }
            guard state.behaviour.noncesToRefuse > 0 else { return false }
            state.behaviour.noncesToRefuse -= 1
            return true
        }
        if isRefused { throw Refusal(status: 400, type: "badNonce", detail: "the nonce is not good") }
        guard try header.string("url") == request.url.text else { throw Refusal(status: 401, type: "unauthorized", detail: "url") }
        let key: PublicKey
        var account: String?
        if let kid = try header.optionalString("kid") {
            guard let known = state.withLock({ $0.accounts[kid] }) else {
                throw Refusal(status: 400, type: "accountDoesNotExist", detail: "no such account")
            }
            (key, account) = (known, kid)
        } else {
            key = try PublicKey(jwk: header.object("jwk"))
        }
        guard case .ec(_, let x, let y) = key else { throw Refusal(status: 400, type: "badPublicKey", detail: "P-256 only") }
        let verifier = try P256.Signing.PublicKey(rawRepresentation: x + y)
        guard verifier.isValidSignature(try .init(rawRepresentation: signature), for: jws.signedBytes) else {
            throw Refusal(status: 401, type: "unauthorized", detail: "signature")
        }
        let message = payload.isEmpty ? nil : try JSONDocument(parsing: payload, limits: JSONLimits(depth: 8)).root
        lastKey.withLock { $0 = key }
        return (message, account)
    }

    private func newAccount(_ message: JSONValue?) throws -> HTTPResponse {
        guard let message, let key = lastKey.withLock({ $0 }) else { throw Refusal(status: 400, type: "malformed", detail: "no payload") }
        let (known, losses) = state.withLock { state in (state.accounts.first { $0.value == key }?.key, state.losses) }
        let url = known ?? Self.base + "/acct/\(key.thumbprint)" + (losses == 0 ? "" : "-\(losses)")
        if known != nil {
            let shown = accountText(url)
            guard shown.isClosed, !state.withLock({ $0.behaviour.showsClosedAccounts }) else { return json(shown.text, location: url) }
            throw Refusal(status: 401, type: "unauthorized", detail: "deactivated")
        }
        if (try? message["onlyReturnExisting"]?.bool()) == true {
            throw Refusal(status: 400, type: "accountDoesNotExist", detail: "no account with this key")
        }
        let behaviour = state.withLock { $0.behaviour }
        if behaviour.requiresExternalAccount, message["externalAccountBinding"] == nil {
            throw Refusal(status: 403, type: "externalAccountRequired", detail: "bind it")
        }
        if behaviour.termsOfService != nil, (try? message["termsOfServiceAgreed"]?.bool()) != true {
            throw Refusal(status: 403, type: "userActionRequired", detail: "agree to the terms")
        }
        let contact = (try? message["contact"]?.array().map { try $0.string() }) ?? []
        state.withLock { state in
            state.accounts[url] = key
            state.contacts[url] = contact
        }
        return json(accountText(url).text, status: 201, location: url)
    }

    private func accountText(_ url: String) -> (text: String, isClosed: Bool) {
        let (contact, isClosed) = state.withLock { ($0.contacts[url] ?? [], $0.closed.contains(url)) }
        let list = contact.map { "\"\($0)\"" }.joined(separator: ",")
        return (#"{"status":"\#(isClosed ? "deactivated" : "valid")","contact":[\#(list)]}"#, isClosed)
    }

    /// Answers requests to the account's URL (RFC 8555 §7.3.2, §7.3.6).
    private func account(_ url: String, _ message: JSONValue?) throws -> HTTPResponse {
        if accountText(url).isClosed, !state.withLock({ $0.behaviour.showsClosedAccounts }) {
            throw Refusal(status: 401, type: "unauthorized", detail: "deactivated")
        }
        if let contact = try? message?["contact"]?.array().map({ try $0.string() }) { state.withLock { $0.contacts[url] = contact } }
        if (try? message?["status"]?.string()) == "deactivated" { state.withLock { _ = $0.closed.insert(url) } }
        if (try? message?["termsOfServiceAgreed"]?.bool()) == true { state.withLock { $0.behaviour.demandsAgreement = nil } }
        return json(accountText(url).text)
    }

    /// Changes the account's key (RFC 8555 §7.3.5).
    private func changeKey(_ message: JSONValue?, account: String?) throws -> HTTPResponse {
        guard let message, let account else { throw Refusal(status: 400, type: "malformed", detail: "no account") }
        let outer = try message.object()
        let members = try ["protected", "payload", "signature"].map { #""\#($0)":"\#(try outer.string($0))""# }
        let inner = try FlattenedJWS(json: Array("{\(members.joined(separator: ","))}".utf8))
        guard let headerBytes = Base64URL.decode(inner.protected), let payload = Base64URL.decode(inner.payload),
            let signature = Base64URL.decode(inner.signature)
        else { throw Refusal(status: 400, type: "malformed", detail: "base64url") }
        let key = try PublicKey(jwk: JSONDocument(parsing: headerBytes).root.object().object("jwk"))
        guard case .ec(_, let x, let y) = key else { throw Refusal(status: 400, type: "badPublicKey", detail: "P-256 only") }
        let verifier = try P256.Signing.PublicKey(rawRepresentation: x + y)
        let change = try JSONDocument(parsing: payload).root.object()
        guard verifier.isValidSignature(try .init(rawRepresentation: signature), for: inner.signedBytes),
            try change.string("account") == account, try PublicKey(jwk: change.object("oldKey")) == lastKey.withLock({ $0 })
        else { throw Refusal(status: 401, type: "unauthorized", detail: "inner signature") }
        guard !state.withLock({ $0.accounts.values.contains(key) }) else {
            throw Refusal(status: 409, type: "malformed", detail: "the key has an account")
        }
        state.withLock { $0.accounts[account] = key }
        return json(accountText(account).text)
    }

    private func newOrder(_ message: JSONValue?) throws -> HTTPResponse {
        guard let object = try message?.object() else { throw Refusal(status: 400, type: "malformed", detail: "no payload") }
        if let page = state.withLock({ $0.behaviour.demandsAgreement }) {
            throw Refusal(status: 403, type: "userActionRequired", detail: "the terms have changed", instance: page)
        }
        let replaces = try object.optionalString("replaces")
        if replaces != nil, let refusal = state.withLock({ $0.behaviour.replacesRefusal }) {
            throw Refusal(status: refusal == "alreadyReplaced" ? 409 : 400, type: refusal, detail: "replaced")
        }
        var identifiers: [Identifier] = []
        for value in try object.array("identifiers") {
            let object = try value.object()
            identifiers.append(try Identifier(type: object.string("type"), value: object.string("value")))
        }
        let profile = try object.optionalString("profile")
        if let profile, !state.withLock({ $0.behaviour.profiles?.contains(profile) ?? false }) {
            throw Refusal(status: 400, type: "invalidProfile", detail: "no such profile")
        }
        let number = state.withLock { state in
            var numbers: [Int] = []
            for identifier in identifiers {
                var authorization = StoredAuthorization(
                    identifier: identifier, token: Base64URL.encode(Array("token-\(state.authorizations.count)-\(identifier)".utf8)))
                if state.behaviour.proven.contains(identifier.value) { authorization.status = "valid" }
                numbers.append(state.authorizations.count)
                state.authorizations.append(authorization)
            }
            state.orders.append(
                StoredOrder(
                    identifiers: identifiers, authorizations: numbers, pendingLeft: state.behaviour.pendingPolls,
                    replaces: replaces, profile: profile ?? state.behaviour.defaultProfile))
            return state.orders.count - 1
        }
        let answer = try order(number, isPoll: false, isCreation: true)
        return HTTPResponse(
            status: 201, headers: ["Content-Type": "application/json", "Location": Self.base + "/order/\(number)"], body: answer.body)
    }

    private func order(_ number: Int, isPoll: Bool = true, isCreation: Bool = false) throws -> HTTPResponse {
        let answer: (String, String?)? = state.withLock { state in
            guard state.orders.indices.contains(number) else { return nil }
            var order = state.orders[number]
            let authorizations = order.authorizations.map { state.authorizations[$0] }
            var status = "pending"
            if authorizations.contains(where: { $0.status == "invalid" }) {
                status = state.behaviour.leavesOrdersPending ? "pending" : "invalid"
            } else if order.chain != nil {
                status = order.pollsLeft > 0 ? "processing" : "valid"
                if isPoll, order.pollsLeft > 0 { order.pollsLeft -= 1 }
            } else if authorizations.allSatisfy({ $0.status == "valid" }) {
                status = order.pendingLeft > 0 ? "pending" : "ready"
                if isPoll, order.pendingLeft > 0 { order.pendingLeft -= 1 }
            }
            state.orders[number] = order
            let identifiers = order.identifiers.map { #"{"type":"\#($0.type)","value":"\#($0.value)"}"# }.joined(separator: ",")
            let urls = order.authorizations.map { #""\#(Self.base)/authz/\#($0)""# }.joined(separator: ",")
            var text = #"{"status":"\#(status)""#
            let members = [
                ("identifiers", "[\(identifiers)]"), ("authorizations", "[\(urls)]"), ("finalize", #""\#(Self.base)/finalize/\#(number)""#),
            ]
            for (name, value) in members where isCreation || !state.behaviour.omittedFromOrders.contains(name) {
                text += #","\#(name)":\#(value)"#
            }
            if let profile = order.profile { text += #","profile":"\#(profile)""# }
            if status == "valid" { text += #","certificate":"\#(Self.base)/cert/\#(number)""# }
            let isUnfinished = status == "pending" || status == "processing"
            return (text + "}", isUnfinished ? state.behaviour.retryAfter : nil)
        }
        guard let (text, retryAfter) = answer else { throw Refusal(status: 404, type: "malformed", detail: "no such order") }
        return json(text, retryAfter: retryAfter)
    }

    private func challenges(_ authorization: StoredAuthorization, _ number: Int) -> String {
        let isWildcard = authorization.identifier.isWildcard
        let persist = state.withLock { $0.behaviour.persistDraft } == nil ? [] : ["dns-persist-01"]
        let types = state.withLock { $0.behaviour.challengeTypes } ?? (isWildcard ? ["dns-01"] : ["http-01", "dns-01"])
        return (types + persist).map { challengeText(authorization, number, $0) }.joined(separator: ",")
    }

    private func challengeText(_ authorization: StoredAuthorization, _ number: Int, _ type: String) -> String {
        var text = #"{"type":"\#(type)","url":"\#(Self.base)/chall/\#(number)/\#(type)","#
        if type == "dns-persist-01" {
            let behaviour = state.withLock { $0.behaviour }
            let issuers = behaviour.persistIssuers.map { #""\#($0)""# }.joined(separator: ",")
            text += #""\#(behaviour.persistDraft == 2 ? "issuerDomainNames" : "issuer-domain-names")":[\#(issuers)],"#
        } else {
            text += #""token":"\#(authorization.token)","#
        }
        let isTried = authorization.status == "invalid" && state.withLock { $0.behaviour.keepsTrying }
        text += #""status":"\#(isTried ? "processing" : authorization.status)""#
        if let detail = authorization.detail {
            text += #","error":{"type":"urn:ietf:params:acme:error:unauthorized","detail":"\#(detail)","status":403}"#
        }
        return text + "}"
    }

    private func authorization(_ number: Int, _ message: JSONValue?) throws -> HTTPResponse {
        // RFC 8555 §7.5.2.
        if (try? message?["status"]?.string()) == "deactivated" {
            state.withLock { if $0.authorizations.indices.contains(number) { $0.authorizations[number].status = "deactivated" } }
        }
        guard let authorization = state.withLock({ $0.authorizations.indices.contains(number) ? $0.authorizations[number] : nil }) else {
            throw Refusal(status: 404, type: "malformed", detail: "no such authorization")
        }
        let isWildcard = authorization.identifier.isWildcard
        let value = isWildcard ? String(authorization.identifier.value.dropFirst(2)) : authorization.identifier.value
        let isLeft = authorization.status == "invalid" && state.withLock { $0.behaviour.leavesAuthorizationsPending }
        return json(
            #"{"identifier":{"type":"\#(authorization.identifier.type)","value":"\#(value)"},"status":"\#(isLeft ? "pending" : authorization.status)","#
                + #""challenges":[\#(challenges(authorization, number))]\#(isWildcard ? #","wildcard":true"# : "")}"#)
    }

    private func challenge(_ number: Int, type: String, account: String?) throws -> HTTPResponse {
        guard let account, let key = state.withLock({ $0.accounts[account] }),
            var authorization = state.withLock({ $0.authorizations.indices.contains(number) ? $0.authorizations[number] : nil })
        else { throw Refusal(status: 404, type: "malformed", detail: "no such challenge") }
        let isPersist = type == "dns-persist-01"
        let wanted = KeyAuthorization(token: authorization.token, thumbprint: key.thumbprint).text
        let refusal = state.withLock { $0.behaviour.refusals[authorization.identifier.value] }
        if let refusal {
            authorization.status = "invalid"
            authorization.detail = refusal
        } else if isPersist || look(authorization.identifier, type, authorization.token) == wanted {
            authorization.status = "valid"
        } else {
            authorization.status = "invalid"
            authorization.detail = "nothing is there"
        }
        let settled = authorization
        state.withLock { $0.authorizations[number] = settled }
        if state.withLock({ $0.behaviour.answersAtOnce }) { return json(challengeText(authorization, number, type)) }
        var shown = authorization
        shown.status = "pending"
        shown.detail = nil
        return json(challengeText(shown, number, type))
    }

    private func finalize(_ number: Int, _ message: JSONValue?) throws -> HTTPResponse {
        guard let text = try message?.object().string("csr"), let csr = Base64URL.decode(text) else {
            throw Refusal(status: 400, type: "badCSR", detail: "no CSR")
        }
        let isReady = state.withLock { state in
            guard state.orders.indices.contains(number), state.orders[number].chain == nil else { return false }
            if state.behaviour.notReady > 0 {
                state.behaviour.notReady -= 1
                return false
            }
            return state.orders[number].authorizations.allSatisfy { state.authorizations[$0].status == "valid" }
        }
        guard isReady else { throw Refusal(status: 403, type: "orderNotReady", detail: "not ready") }
        let behaviour = state.withLock { $0.behaviour }
        let signed =
            behaviour.certifiesAnotherKey
            ? try SoftwareKey().certificateRequest(state.withLock { $0.orders[number].identifiers }) : csr
        let chain = try authority.issue(
            csr: signed, now: time.unixTime(), days: behaviour.certificateDays, names: behaviour.certifiedNames)
        let alternate =
            behaviour.alternateIsOther
            ? try authority.issue(csr: signed, now: time.unixTime(), root: 1, names: behaviour.certifiedNames)
            : try authority.chain(chain, to: 1, now: time.unixTime())
        state.withLock { state in
            state.orders[number].csr = csr
            state.orders[number].chain = chain
            state.orders[number].pollsLeft = state.behaviour.processingPolls
            state.finalizations += 1
        }
        alternates.withLock { $0[number] = alternate }
        return try order(number, isPoll: false)
    }

    private func certificate(_ number: Int, root: Int) throws -> HTTPResponse {
        let chain =
            root == 0
            ? state.withLock { $0.orders.indices.contains(number) ? $0.orders[number].chain : nil } : alternates.withLock { $0[number] }
        guard let chain else { throw Refusal(status: 404, type: "malformed", detail: "no such certificate") }
        var headers: HTTPFields = ["Content-Type": "application/pem-certificate-chain"]
        if state.withLock({ $0.behaviour.alternateChain }) {
            headers.append("Link", #"<\#(Self.base)/dir>;rel="index""#)
            headers.append("Link", #"<\#(Self.base)/alternate/\#(number)>;rel="alternate""#)
        }
        return HTTPResponse(status: 200, headers: headers, body: chain)
    }

    private func revoke(_ message: JSONValue?) throws -> HTTPResponse {
        guard let text = try message?.object().string("certificate"), let der = Base64URL.decode(text) else {
            throw Refusal(status: 400, type: "malformed", detail: "no certificate")
        }
        let isNew = state.withLock { state in
            guard !state.revoked.contains(der) else { return false }
            state.revoked.append(der)
            return true
        }
        guard isNew else { throw Refusal(status: 400, type: "alreadyRevoked", detail: "revoked") }
        return HTTPResponse(status: 200)
    }
}
