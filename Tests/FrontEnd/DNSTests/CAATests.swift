import DNS
import Testing

/// What CAA records say about an order (RFC 8659, RFC 8657).
@Suite struct CAATests {
    private static let account = "https://ca.example/acct/1"

    private func verdict(_ records: [(String, String)], isWildcard: Bool = false, isCritical: Bool = false) -> CAAQuestion.Verdict {
        CAAQuestion(issuers: ["CA.example"], isWildcard: isWildcard, account: Self.account, methods: ["http-01"]).verdict(
            on: records.map { CAARecord(isCritical: isCritical, tag: $0.0, value: $0.1) })
    }

    @Test func theIssuerIsComparedAsADomain() {
        #expect(verdict([]) == .unrestricted)
        #expect(verdict([("iodef", "mailto:a@example.org")]) == .unrestricted)
        #expect(verdict([("issue", "ca.example")]) == .allowed)
        #expect(verdict([("ISSUE", " Ca.Example ; x=y")]) == .allowed)
        #expect(verdict([("issue", "other.example"), ("issue", "ca.example")]) == .allowed)
        #expect(verdict([("issue", "other.example")]) == .otherIssuers(["other.example"]))
        #expect(verdict([("issue", ";")]) == .otherIssuers([""]))
        #expect(verdict([("issue", "")]) == .otherIssuers([""]))
        #expect(verdict([("issue", "notca.example")]) == .otherIssuers(["notca.example"]))
    }

    @Test func wildcardsHaveTheirOwnProperty() {
        #expect(verdict([("issuewild", "other.example")]) == .unrestricted)
        #expect(verdict([("issuewild", "other.example"), ("issue", "ca.example")], isWildcard: true) == .otherIssuers(["other.example"]))
        #expect(verdict([("issue", "ca.example")], isWildcard: true) == .allowed)
        #expect(verdict([("issuewild", "ca.example"), ("issue", "other.example")], isWildcard: true) == .allowed)
    }

    @Test func accountsAndMethodsAreParameters() {
        #expect(verdict([("issue", "ca.example; accounturi=\(Self.account)")]) == .allowed)
        #expect(verdict([("issue", "ca.example;accounturi=https://ca.example/acct/2")]) == .otherAccount)
        #expect(verdict([("issue", "ca.example; validationmethods=dns-01,http-01")]) == .allowed)
        #expect(verdict([("issue", "ca.example; validationmethods=dns-01")]) == .otherMethods("dns-01"))
        // One record that allows it is enough.
        #expect(
            verdict([("issue", "ca.example; accounturi=https://ca.example/acct/2"), ("issue", "ca.example; accounturi=\(Self.account)")])
                == .allowed)
    }

    @Test func aCriticalPropertyThatIsUnknownForbids() {
        #expect(verdict([("tbs", "x"), ("issue", "ca.example")], isCritical: true) == .critical("tbs"))
        #expect(verdict([("tbs", "x"), ("issue", "ca.example")]) == .allowed)
        #expect(verdict([("issue", "ca.example")], isCritical: true) == .allowed)
    }
}
