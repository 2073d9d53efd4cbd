import ACME
import AgentInterface
import JOSE
import KeyNameLiterals
import StrictJSON
import Testing

/// Questions about decisions, and the answers.
@Suite struct DecisionTests {
    private func read(_ parameters: String) throws -> DecisionQuestion? {
        let call = try AgentCall(method: "ExplainDecision", parameters: JSONDocument(parsing: Array(parameters.utf8)).root.object())
        guard case .explainDecision(let question)? = call else { return nil }
        return question
    }

    /// Each operation can be asked about, with the keys that its request names.
    @Test(arguments: Operation.allCases) func everyOperationCanBeAskedAbout(operation: Operation) throws {
        let keys = ["\"a\"", "\"b\""].prefix(operation.keyRoles.count).joined(separator: ",")
        let url = operation.isForCA ? #","url":"https://ca.test/x""# : ""
        let question = try #require(try read(#"{"operation":"\#(operation.rawValue)","keys":[\#(keys)]\#(url)}"#))
        #expect(question.operation == operation && question.keys.count == operation.keyRoles.count)
        // One key too many.
        #expect { try read(#"{"operation":"\#(operation.rawValue)","keys":["a","b","c"]\#(url)}"#) } throws: {
            ($0 as? InvalidParameter)?.parameter == "keys"
        }
        if operation.isForCA {
            #expect { try read(#"{"operation":"\#(operation.rawValue)","keys":[\#(keys)]}"#) } throws: {
                "\($0)" == "url: is missing: \(operation.rawValue) signs one"
            }
        }
    }

    @Test(
        arguments: [
            (#"{"operation":"sign","keys":[]}"#, "operation"), (#"{"operation":"sign-handshake","keys":["../x"]}"#, "keys"),
            (#"{"operation":"sign-handshake","keys":["a"],"url":"https://ca.test/"}"#, "url"),
            (#"{"operation":"sign-handshake","keys":["a"],"identifiers":[{"type":"dns","value":"a.test"}]}"#, "identifiers"),
            (#"{"operation":"new-order","keys":["a"],"url":"https://ca.test/","externalAccount":"x"}"#, "externalAccount"),
            (#"{"operation":"read-audit","keys":[],"user":-1}"#, "user"),
            (#"{"operation":"read-audit","keys":[],"user":4294967296}"#, "user"),
            (#"{"operation":"read-audit","keys":[],"user":1,"groups":[4294967296]}"#, "groups"),
            (#"{"operation":"read-audit","keys":[],"groups":[1]}"#, "groups"), (#"{"operation":"read-audit","keys":[],"more":1}"#, "more"),
        ]) func whatMeansNothingIsNamed(parameters: String, parameter: String) throws
    {
        #expect { try read(parameters) } throws: { ($0 as? InvalidParameter)?.parameter == parameter }
    }

    @Test func aQuestionIsBounded() throws {
        func names(_ count: Int) -> String {
            (0..<count).map { #"{"type":"dns","value":"n\#($0).test"}"# }.joined(separator: ",")
        }
        let order = #"{"operation":"new-order","keys":["a"],"url":"https://ca.test/","identifiers":["#
        #expect(try read(order + names(CallLimits.explainedIdentifiers) + "]}") != nil)
        #expect { try read(order + names(CallLimits.explainedIdentifiers + 1) + "]}") } throws: {
            ($0 as? InvalidParameter)?.parameter == "identifiers"
        }
        func groups(_ count: Int) -> String { (0..<count).map(String.init).joined(separator: ",") }
        let audit = #"{"operation":"read-audit","keys":[],"user":1,"groups":["#
        #expect(try read(audit + groups(CallLimits.explainedGroups) + "]}")?.subject?.groups.count == CallLimits.explainedGroups)
        #expect { try read(audit + groups(CallLimits.explainedGroups + 1) + "]}") } throws: {
            ($0 as? InvalidParameter)?.parameter == "groups"
        }
    }

    @Test(arguments: [
        DecisionExplanation(isAllowed: true, grant: "web", file: "/etc/acme-agent/acme-agentd.toml", line: 7),
        DecisionExplanation(
            isAllowed: false, grant: "web", reason: "identifier-not-granted", message: "no", hint: "ask",
            lacks: [
                DecisionExplanation.Lack(setting: "identifiers", line: 42, add: ["a.test"], message: "the identifiers \"a.test\""),
                DecisionExplanation.Lack(setting: "wildcards", line: nil, add: [], message: "wildcards"),
            ], problems: [ProblemStatus(what: "grant", name: "mail", message: "off")]),
    ]) func anExplanationIsReadAsItWasWritten(explanation: DecisionExplanation) throws {
        var json = JSONWriter(reservingCapacity: 256)
        json.beginObject()
        explanation.writeMembers(to: &json)
        json.endObject()
        #expect(try DecisionExplanation(reply: JSONDocument(parsing: json.bytes).root.object()) == explanation)
    }

    @Test func aListOfGrantsIsReadAsItWasWritten() throws {
        let grant = GrantStatus(
            name: "web", keys: ["web-*"], operations: ["finalize"], identifiers: ["*"], wildcards: true, cas: ["https://ca.test"])
        let listing = GrantListing(
            isComplete: true, file: "/a.toml",
            grants: [
                AssignedGrant(
                    grant: grant, users: ["alice"], groups: [], line: 3, off: "missing",
                    limits: [RateLimit(what: "orders", count: 0, seconds: 86_400, burst: 0)]),
                AssignedGrant(grant: grant, users: [], groups: ["web"]),
            ])
        var json = JSONWriter(reservingCapacity: 256)
        json.beginObject()
        listing.writeMembers(to: &json)
        json.endObject()
        #expect(try GrantListing(reply: JSONDocument(parsing: json.bytes).root.object()) == listing)
        #expect(throws: AgentReplyError.self) { try GrantListing(reply: JSONDocument(parsing: Array("{}".utf8)).root.object()) }
    }
}
