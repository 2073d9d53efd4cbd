import ACME
import AgentInterface
import KeyNameLiterals
import PolicyInquiry
import StrictJSON
import Testing

/// Answers about policy, for a person.
@Suite struct InquiryTextTests {
    private func order(_ names: String...) throws -> DecisionQuestion {
        DecisionQuestion(
            .newOrder, keys: ["account-1"], url: try ACMEURL("https://ca.test/dir"),
            identifiers: try names.map { try Identifier(argument: $0) })
    }

    @Test func whatIsAllowedNamesTheGrantAndItsLine() throws {
        let explanation = DecisionExplanation(isAllowed: true, grant: "web", file: "/etc/a.toml", line: 42)
        #expect(
            ExplanationText(explanation, of: try order("www.a.test")).text == """
                allowed: new-order for www.a.test with key account-1 at https://ca.test
                by grant "web" (/etc/a.toml:42)
                """)
    }

    @Test func whatIsRefusedNamesTheLinesToChange() throws {
        var explanation = DecisionExplanation(
            isAllowed: false, grant: "web", file: "/etc/a.toml", line: 38, reason: "identifier-not-granted", message: "refused",
            hint: "a hint",
            lacks: [
                DecisionExplanation.Lack(setting: "users", line: 40, add: ["1000"], message: "the peer"),
                DecisionExplanation.Lack(setting: "cas", line: nil, add: ["https://ca.test"], message: "the CA"),
                DecisionExplanation.Lack(setting: "identifiers", line: 42, add: ["a.test", "b.test"], message: "identifiers"),
                DecisionExplanation.Lack(setting: "wildcards", line: 43, add: [], message: "wildcards"),
            ])
        #expect(
            ExplanationText(explanation, of: try order("a.test", "b.test"), subject: .user("alice")).text == """
                refused: new-order for a.test, b.test with key account-1 at https://ca.test, as alice
                reason: refused (identifier-not-granted)
                closest: grant "web" (/etc/a.toml:38), which lacks
                  /etc/a.toml:40: users: add "alice"
                  /etc/a.toml:38: add cas = ["https://ca.test"]
                  /etc/a.toml:42: identifiers: add "a.test", "b.test"
                  /etc/a.toml:43: wildcards = true
                """)
        // For a caller who may not know where.
        explanation.file = nil
        explanation.line = nil
        explanation.lacks = [DecisionExplanation.Lack(setting: "identifiers", line: nil, add: ["a.test"], message: "")]
        #expect(ExplanationText(explanation, of: try order("a.test")).text.hasSuffix("lacks\n  identifiers: add \"a.test\""))
        explanation.lacks = []
        explanation.problems = [ProblemStatus(what: "grant", name: "\u{1B}[31m", message: "off")]
        let text = ExplanationText(explanation, of: try order("a.test")).text
        #expect(text.contains("\nhint: a hint\n") && text.hasSuffix("note: grant \"\u{FFFD}[31m\": off"))
    }

    @Test func theMatrixFitsTheWidthAndLosesNothing() throws {
        let grant = GrantStatus(
            name: "web", keys: ["account-alice-acme-v02.api.letsencrypt.org", "web-*"],
            operations: Operation.allCases.map(\.rawValue).sorted(), identifiers: ["www.example.org", "2001:db8::/32"], wildcards: true,
            cas: ["https://acme-v02.api.letsencrypt.org"], externalAccounts: ["zero"])
        let listing = GrantListing(
            isComplete: true, file: "/etc/a.toml",
            grants: [
                AssignedGrant(
                    grant: grant, users: ["alice"], groups: ["webmasters"], line: 7,
                    limits: [
                        RateLimit(what: "handshakes", count: 20, seconds: 1, burst: 40),
                        RateLimit(what: "keys", count: 1, seconds: 86_400, burst: 1),
                    ]),
                AssignedGrant(
                    grant: GrantStatus(name: "audit", keys: [], operations: ["read-audit"], identifiers: [], wildcards: false, cas: []),
                    users: ["bob"], groups: [], line: 20, off: "missing"),
            ])
        for width in [40, 80, 200] {
            let text = GrantMatrix(listing).text(width: width), lines = text.split(separator: "\n")
            #expect(lines.allSatisfy { $0.count <= width }, "\(width):\n\(text)")
            #expect(lines.allSatisfy { $0.last != " " })
            #expect(text.contains("user alice") || width < 80)
        }
        // Wide enough that no word is broken.
        let text = GrantMatrix(listing).text(width: 120)
        for word in ["user alice", "user bob", "group", "www.example.org", "2001:db8::/32", "sign-server-key-exchange", "off)"] {
            #expect(text.contains(word), "\(word):\n\(text)")
        }
        let wide = GrantMatrix(listing).text(width: 400)
        #expect(wide.contains("at most 20 handshakes a second, 40 at once") && wide.contains("at most 1 new key in 24 hours"))
        #expect(GrantMatrix(GrantListing(isComplete: false, grants: [])).text() == "WHO  KEYS  OPERATIONS  FOR")
    }
}
