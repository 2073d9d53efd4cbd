import StrictJSON
import Testing
import Varlink

@Suite struct VarlinkCallTests {
    private func parse(_ text: String) throws(VarlinkCallFault) -> VarlinkCall { try VarlinkCall(parsing: Array(text.utf8)) }

    /// "malformed", or the member at fault.
    private func fault(_ text: String) -> String? {
        do throws(VarlinkCallFault) {
            _ = try parse(text)
            return nil
        } catch {
            switch error {
            case .malformed: return "malformed"
            case .invalid(let member, let isOneway): return isOneway ? "\(member), oneway" : member
            }
        }
    }

    @Test func members() throws {
        let call = try parse(#"{"method":"org.example.Thing.Do","parameters":{"a":1},"more":true}"#)
        #expect(call.method.interfaceName == "org.example.Thing")
        #expect(call.method.memberName == "Do")
        #expect(try call.parameters.integer("a") == 1)
        #expect(call.wantsMore)
        #expect(!call.isOneway)
        #expect(try parse(#"{"oneway":true,"method":"a.b.C"}"#).isOneway)
        #expect(try parse(#"{"\u006dethod":"a.b.\u0043"}"#).method.memberName == "C")
    }

    @Test(arguments: ["", #","parameters":null"#, #","parameters":{}"#, #","more":false,"oneway":false,"upgrade":false"#, #","more":null"#])
    func absentMembers(_ members: String) throws {
        let call = try parse(#"{"method":"a.b.C"\#(members)}"#)
        #expect(call.parameters.count == 0)
        #expect(!call.wantsMore && !call.isOneway)
    }

    @Test(arguments: [
        ("{}", "method"), (#"{"method":1}"#, "method"), (#"{"method":null}"#, "method"), (#"{"method":"a"}"#, "method"),
        (#"{"method":"a.b.C","parameters":[]}"#, "parameters"), (#"{"method":"a.b.C","parameters":"x"}"#, "parameters"),
        (#"{"method":"a.b.C","more":1}"#, "more"), (#"{"method":"a.b.C","oneway":"true"}"#, "oneway"),
        (#"{"method":"a.b.C","upgrade":true}"#, "upgrade"), (#"{"method":"a.b.C","extra":1}"#, "extra"),
        (#"{"method":"a.b.C","Method":"a.b.C"}"#, "Method"), (#"{"method":"a.b.C","\u001b":1}"#, "?"),
        (#"{"method":"a.b.C","more":true,"oneway":true}"#, "more, oneway"), (#"{"method":"a","oneway":true}"#, "method, oneway"),
    ])
    func invalidMembers(_ text: String, _ member: String) {
        #expect(fault(text) == member)
    }

    @Test(arguments: [
        "", "null", "[]", "1", "\"x\"", "{", "{}{}", #"{"method":"a.b.C","method":"a.b.C"}"#, #"{"method":"a.b.C","\u006dethod":"a.b.D"}"#,
        #"{"method":"a.b.C","parameters":{"a":{"b":{"c":{"d":{"e":{"f":{"g":{}}}}}}}}}"#,
    ])
    func malformed(_ text: String) {
        #expect(fault(text) == "malformed")
    }
}
