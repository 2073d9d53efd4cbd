import ACME
import AgentInterface
import JOSE
import KeyNameLiterals
import StrictJSON
import Testing

/// Calls of the agent's interface: written by a client, read by the agent.
@Suite struct AgentCallTests {
    private static let text = "https://ca.test/x"

    /// One call of each method, with every optional member.
    private static func calls() throws -> [AgentCall] {
        let url = try ACMEURL(text), name = try Identifier(argument: "www.example.org"), address = try Identifier(argument: "2001:db8::1")
        func sign(_ request: ACMERequest, account: Bool = true) -> AgentCall {
            .sign(SigningCall(key: "account-1", url: url, nonce: "bm9uY2U", account: account ? url : nil, request: request))
        }
        let request = CertificateRequest(key: "web", identifiers: [name, address], mustStaple: true)
        return [
            .getStatus, .listKeys, .describeKey(name: "web"),
            .createKey(KeyCreation(name: "a", usage: .account, algorithm: .p256, uri: nil, directory: url, token: "softhsm")),
            .adoptKey(
                KeyCreation(
                    name: "a", usage: .certificate, algorithm: nil, uri: "pkcs11:object=a", directory: nil, token: nil, acceptWeak: true)),
            .retireKey(name: "web"), .deleteKey(name: "web"),
            sign(
                .newAccount(NewAccount(contact: ["mailto:a@example.org"], termsOfServiceAgreed: true, externalAccount: "eab")),
                account: false),
            sign(.updateAccount(AccountUpdate(contact: [], termsOfServiceAgreed: true))), sign(.deactivateAccount),
            sign(.keyChange(newKey: "account-2")),
            sign(
                .newOrder(
                    NewOrder(
                        identifiers: [name, address], profile: "short", replaces: "a.b", notBefore: "2026-01-01T00:00:00Z",
                        notAfter: "2026-02-01T00:00:00Z"))), sign(.postAsGet), sign(.respondToChallenge), sign(.deactivateAuthorization),
            sign(.finalize(request)), sign(.revokeCertificate(Revocation(certificate: [1, 2, 3], reason: .keyCompromise))),
            sign(.revokeCertificate(Revocation(certificate: [1, 2, 3])), account: false), .signCertificateRequest(request),
            .signHandshake(.serverCertificateVerify, key: "web", content: [1, 2], scheme: "ed25519"),
            .signHandshake(.clientCertificateVerify, key: "web", content: [1, 2], scheme: "ed25519"),
            .signHandshake(.serverKeyExchange, key: "web", content: [1, 2], scheme: "rsa_pkcs1_sha256"), .readAudit(last: 7), .readMetrics,
            .explainDecision(
                DecisionQuestion(
                    .finalize, keys: ["account-1", "web"], url: url, identifiers: [name, address],
                    subject: DecisionQuestion.Subject(user: 1_000, groups: [1_000, 33]))),
            .explainDecision(DecisionQuestion(.newAccount, keys: ["account-1"], url: url, externalAccount: "eab")), .listGrants,
        ]
    }

    private func written(_ call: AgentCall) -> [UInt8] {
        var json = JSONWriter(reservingCapacity: 256)
        call.writeParameters(to: &json)
        return json.bytes
    }

    private func read(_ method: String, _ parameters: [UInt8]) throws -> AgentCall? {
        let json = parameters.isEmpty ? Array("{}".utf8) : parameters
        return try AgentCall(method: method, parameters: JSONDocument(parsing: json).root.object())
    }

    @Test func whatIsWrittenIsRead() throws {
        let calls = try Self.calls()
        #expect(Set(calls.map(\.method)) == Set(AgentCall.methods))
        for call in calls {
            let read = try #require(try read(call.method, written(call)), "\(call.method)")
            #expect(read.method == call.method)
            #expect(written(read) == written(call), "\(call.method)")
        }
    }

    /// The interface's text is the contract: what it names is read, and nothing else.
    @Test func theTextNamesTheMethodsThatAreRead() throws {
        let named = AgentInterfaceText.text.split(separator: "\n").compactMap { line -> String? in
            let words = line.split(whereSeparator: { $0 == " " || $0 == "(" })
            return words.first == "method" && words.count > 1 ? String(words[1]) : nil
        }
        #expect(named.sorted() == AgentCall.methods.sorted())
        #expect(try read("Sign", []) == nil)
    }

    @Test func aMemberThatIsMissingUnknownOrOfAnotherTypeIsNamed() throws {
        for call in try Self.calls() {
            let parameters = written(call)
            guard parameters.count > 2 else { continue }
            let more = Array(parameters.dropLast()) + Array(",\"more\":1}".utf8)
            #expect { try read(call.method, more) } throws: { ($0 as? InvalidParameter)?.parameter == "more" }
        }
        #expect { try read("DescribeKey", []) } throws: { "\($0)" == "name: is missing" }
        #expect { try read("DescribeKey", Array(#"{"name":1}"#.utf8)) } throws: { "\($0)" == "name: is of the wrong type" }
        #expect { try read("ReadAudit", Array(#"{"last":250001}"#.utf8)) } throws: { ($0 as? InvalidParameter)?.parameter == "last" }
    }

    /// A text that is not a key name is answered like the name of a key that does not exist.
    @Test func aNameOfNoKeyIsAKeyThatIsNotThere() throws {
        #expect { try read("RetireKey", Array(#"{"name":"../x"}"#.utf8)) } throws: {
            ($0 as? InvalidParameter)?.answer == .keyNotFound(name: "../x")
        }
    }

    @Test(arguments: [
        AgentError.refused(reason: "no-grant", message: "no", hint: "ask"), .keyNotFound(name: "web"), .keyExists(name: "web"),
        .keyUnusable(name: "web", message: "damaged"), .invalidRequest(parameter: "uri", message: "no"),
        .tokenUnavailable(token: "t", reason: "locked", message: "no", hint: nil), .signingFailed(message: "no", hint: nil),
        .auditUnavailable(message: "no", hint: "room"), .overloaded(message: "no"),
        .rateExceeded(message: "no", hint: "later", retryAt: 1_795_942_398), .rateExceeded(message: "no", hint: nil, retryAt: nil),
    ]) func anErrorIsReadAsItWasWritten(error: AgentError) throws {
        var json = JSONWriter(reservingCapacity: 256)
        json.beginObject()
        error.writeMembers(to: &json)
        json.endObject()
        #expect(AgentError(name: error.name, parameters: try JSONDocument(parsing: json.bytes).root.object()) == error)
        #expect(AgentError(name: "org.example.Refused", parameters: nil) == nil)
    }

    /// Which call got an error is no part of what it says.
    @Test(arguments: [
        AgentError.refused(reason: "no-grant", message: "no", hint: "ask"), .keyNotFound(name: "web"), .keyExists(name: "web"),
        .keyUnusable(name: "web", message: "damaged"), .invalidRequest(parameter: "uri", message: "no"),
        .tokenUnavailable(token: "t", reason: "locked", message: "no", hint: nil), .signingFailed(message: "no", hint: nil),
        .auditUnavailable(message: "no", hint: "room"), .overloaded(message: "no"),
        .rateExceeded(message: "no", hint: "later", retryAt: 1_795_942_398),
    ]) func anErrorOfTheAgentNamesItsCall(error: AgentError) throws {
        var json = JSONWriter(reservingCapacity: 256)
        json.beginObject()
        error.writeMembers(to: &json, correlation: "4711-12-3")
        json.endObject()
        let read = try #require(AgentError(name: error.name, parameters: try JSONDocument(parsing: json.bytes).root.object()))
        #expect(read.correlation == "4711-12-3" && error.correlation == nil)
        #expect(read == error && read.hashValue == error.hashValue && read.message == error.message && read.hint == error.hint)
        #expect(read != .overloaded(message: "something else"))
    }

    /// An earlier version of the agent names no time, and a later one may name more than that.
    @Test(
        arguments: [
            (#"{"reason":"rate-exceeded","message":"m"}"#, nil), (#"{"reason":"rate-exceeded","message":"m","retryAt":"soon"}"#, nil),
            (#"{"reason":"rate-exceeded","message":"m","retryAt":"2026-11-29T08:53:18Z","more":1}"#, 1_795_942_398),
        ] as [(String, Int64?)]) func aRateOfAnotherVersionIsRead(parameters: String, retryAt: Int64?) throws
    {
        let error = AgentError(
            name: "org.acmeagent.Agent.Refused", parameters: try JSONDocument(parsing: Array(parameters.utf8)).root.object())
        #expect(error == .rateExceeded(message: "m", hint: nil, retryAt: retryAt))
    }
}
