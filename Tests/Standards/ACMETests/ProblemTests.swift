import ACME
import Testing

@Suite("Problem documents (RFC 9457, RFC 8555 §6.7)")
struct ProblemTests {
    @Test("RFC 8555 §6.7.1")
    func subproblems() throws {
        let problem = Problem(
            json: try value(
                """
                {"type":"urn:ietf:params:acme:error:malformed","detail":"Some of the identifiers requested were rejected","status":403,
                "instance":"https://ca.example/doc/1","subproblems":[
                {"type":"urn:ietf:params:acme:error:malformed","detail":"Invalid underscore in DNS name \\"_example.org\\"","identifier":{"type":"dns","value":"www.example.org"}},
                {"type":"urn:ietf:params:acme:error:rejectedIdentifier","detail":"This CA will not issue for \\"example.net\\"","identifier":{"type":"dns","value":"example.net"}}]}
                """))
        #expect(problem.type == "urn:ietf:params:acme:error:malformed")
        #expect(problem.kind == .malformed)
        #expect(problem.status == 403)
        #expect(problem.instance == "https://ca.example/doc/1")
        #expect(problem.subproblems.map(\.kind) == [.malformed, .rejectedIdentifier])
        #expect(
            problem.description == """
                Some of the identifiers requested were rejected (malformed)
                  www.example.org: Invalid underscore in DNS name "_example.org" (malformed)
                  example.net: This CA will not issue for "example.net" (rejectedIdentifier)
                """)
    }

    @Test("Every kind by its name", arguments: ProblemKind.allCases)
    func kinds(kind: ProblemKind) {
        #expect(Problem(type: "urn:ietf:params:acme:error:" + kind.rawValue).kind == kind)
        #expect(Problem(type: kind.rawValue).kind == nil)
    }

    @Test(
        "Half of one is better than none",
        arguments: [
            "{}", "[]", "null", "1", #""x""#, #"{"type":1,"detail":[],"status":"400","subproblems":{}}"#, #"{"status":99}"#,
            #"{"status":4294967296}"#,
        ])
    func lenient(json: String) throws {
        let problem = Problem(json: try value(json))
        #expect(problem.type == "about:blank")
        #expect(problem.kind == nil)
        #expect(problem.detail == nil)
        #expect(problem.status == nil)
        #expect(problem.subproblems.isEmpty)
        #expect(problem.description == "about:blank")
    }

    @Test("The title if there is no detail, the type if there is neither")
    func summary() {
        #expect(Problem(type: "urn:x", title: "Too Many", detail: "").summary == "Too Many (urn:x)")
        #expect(Problem(type: "urn:ietf:params:acme:error:rateLimited", status: 429).summary == "rateLimited, HTTP status 429")
    }

    @Test("Nothing in it can control a terminal")
    func terminal() throws {
        let problem = Problem(
            json: try value(
                #"{"type":"urn:\u001b]0;x\u0007","detail":"a\u001b[2Jb\nerror: forged\r\u202e","subproblems":[{"detail":"\u009b1m\n","identifier":{"type":"dns","value":"a.org\u001b[0m"}}]}"#
            ))
        let lines = problem.description.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.count == 2)
        for line in lines { #expect(line.unicodeScalars.allSatisfy { TerminalText.isSafe($0) }) }
        #expect(problem.subproblems.first?.identifier == nil)
    }

    @Test("A hundred subproblems are kept, the others counted; those within subproblems are not read")
    func hostile() throws {
        let inner = #"{"detail":"x","subproblems":[{"detail":"y"}]}"#
        let problem = Problem(json: try value(#"{"subproblems":[\#([String](repeating: inner, count: 5000).joined(separator: ","))]}"#))
        #expect(problem.subproblems.count == Problem.maximumSubproblems)
        #expect(problem.omittedSubproblems == 4900)
        #expect(problem.subproblems.allSatisfy { $0.subproblems.isEmpty })
        #expect(problem.description.hasSuffix("\n  and 4900 more"))
    }

    @Test("A megabyte of detail is cut")
    func long() throws {
        let problem = Problem(json: try value(#"{"detail":"\#(String(repeating: "x", count: 1 << 20))"}"#))
        #expect(problem.detail?.count == Problem.maximumTextLength)
    }

    @Test("It is an error")
    func thrown() {
        #expect(throws: Problem.self) { throw Problem(type: "urn:ietf:params:acme:error:badNonce") }
    }
}
