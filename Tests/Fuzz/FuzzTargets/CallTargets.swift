import ACME
import AgentInterface
import JOSE
import KeyNameLiterals
import StrictJSON
import Varlink

extension FuzzTarget {
    /// A call of any method of the agent's interface. What is read can be written, is read again as the same call, and is
    /// what the interface's text describes.
    static let call = FuzzTarget(
        "call", longest: 8_192,
        tokens: AgentCall.methods.map { "\"method\":\"\(AgentInterfaceText.name).\($0)\"" } + [
            "\"key\":\"web\"", "\"url\":\"https://ca.test/x\"", "\"nonce\":\"bm9uY2U\"", "\"account\":", "\"identifiers\":[",
            "\"type\":\"dns\"",
            "\"type\":\"ip\"", "\"value\":", "*.", "null", "true", "\"contact\":[\"mailto:a@example.org\"]", "\"reason\":1", "\"last\":",
            "{", "}",
            "[", "]", ",", "\\u0000", "\\u00e9",
        ]
    ) {
        try calls().map { call in
            var writer = JSONWriter()
            writer.beginObject()
            writer.member("method", "\(AgentInterfaceText.name).\(call.method)")
            writer.name("parameters")
            call.writeParameters(to: &writer)
            writer.endObject()
            return writer.bytes
        }
    } check: { bytes in
        guard let message = try? VarlinkCall(parsing: bytes) else { return false }
        let method = message.method.memberName
        let read: AgentCall?
        do throws(InvalidParameter) { read = try AgentCall(method: method, parameters: message.parameters) } catch {
            // The text goes into a reply, and from there to terminals.
            let isSafe = error.description.unicodeScalars.allSatisfy { TerminalText.isSafe($0) }
            try expect(isSafe, "an error has what a terminal obeys: \(error.description.debugDescription)")
            return false
        }
        guard let call = read else {
            try expect(!AgentCall.methods.contains(method), "a method of the interface is not read")
            return false
        }
        try expect(call.method == method, "another method is read")
        let once = parameters(of: call)
        let document = try must("what was written is no object") { try JSONDocument(parsing: once).root.object() }
        let again = try must("what was written is refused") { try AgentCall(method: call.method, parameters: document) }
        try expect(again.map(parameters) == once, "what was written is another call")
        guard let interface, let described = interface.method(named: method) else { throw Finding("the interface's text lacks \(method)") }
        try must("the interface's text does not allow what is read") {
            try interface.check(message.parameters, against: described.parameters)
        }
        try must("the interface's text does not allow what is written") { try interface.check(document, against: described.parameters) }
        return true
    }

    private static let interface = try? VarlinkInterface(parsing: AgentInterfaceText.text)

    private static func parameters(of call: AgentCall) -> [UInt8] {
        var writer = JSONWriter()
        call.writeParameters(to: &writer)
        return writer.bytes
    }

    /// A call of each method, with every optional member.
    private static func calls() throws -> [AgentCall] {
        let url = try ACMEURL("https://ca.test/x"), web: KeyName = "web", account: KeyName = "account-1"
        let names = [try Identifier(argument: "www.example.org"), try Identifier(argument: "2001:db8::1")]
        func sign(_ request: ACMERequest, hasAccount: Bool = true) -> AgentCall {
            .sign(SigningCall(key: account, url: url, nonce: "bm9uY2U", account: hasAccount ? url : nil, request: request))
        }
        let request = CertificateRequest(key: web, identifiers: names, mustStaple: true)
        let order = NewOrder(
            identifiers: names, profile: "short", replaces: "a.b", notBefore: "2026-01-01T00:00:00Z", notAfter: "2026-02-01T00:00:00Z")
        var calls: [AgentCall] = [
            .getStatus, .listKeys, .describeKey(name: web), .retireKey(name: web), .deleteKey(name: web), .readAudit(last: 7), .readMetrics,
            .listGrants, .signCertificateRequest(request),
            .createKey(KeyCreation(name: web, usage: .account, algorithm: .p256, uri: nil, directory: url, token: "softhsm")),
            .adoptKey(
                KeyCreation(
                    name: web, usage: .certificate, algorithm: nil, uri: "pkcs11:object=a", directory: nil, token: nil, acceptWeak: true)),
            .explainDecision(
                DecisionQuestion(
                    .finalize, keys: [account, web], url: url, identifiers: names,
                    subject: DecisionQuestion.Subject(user: 1_000, groups: [1_000, 33]))),
        ]
        let account1 = NewAccount(contact: ["mailto:a@example.org"], termsOfServiceAgreed: true, externalAccount: "eab")
        calls += [
            sign(.newAccount(account1), hasAccount: false), sign(.updateAccount(AccountUpdate(contact: [], termsOfServiceAgreed: true))),
            sign(.deactivateAccount), sign(.keyChange(newKey: web)), sign(.newOrder(order)), sign(.postAsGet), sign(.respondToChallenge),
            sign(.deactivateAuthorization), sign(.finalize(request)),
            sign(.revokeCertificate(Revocation(certificate: [1, 2, 3], reason: .keyCompromise))),
            sign(.revokeCertificate(Revocation(certificate: [1, 2, 3])), hasAccount: false),
        ]
        for message in HandshakeMessage.allCases {
            calls.append(.signHandshake(message, key: web, content: [1, 2], scheme: "ed25519"))
        }
        return calls
    }
}
