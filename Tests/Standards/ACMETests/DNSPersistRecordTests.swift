import Testing

@testable import ACME

/// draft-ietf-acme-dns-persist, -01 and -02.
@Suite struct DNSPersistRecordTests {
    private static let thumbprint = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    private static let prefix = "https://ca.example/account-hash/"

    private func expectation(_ form: DNSPersistRecord.AccountForm = .url) throws -> DNSPersistRecord.Expectation {
        .init(
            issuers: ["authority.example", "other.example"], form: form, account: try ACMEURL("https://ca.example/acct/123"),
            thumbprint: Self.thumbprint)
    }

    @Test func bothDraftsNameTheAccountInTheirWay() throws {
        let name = try DNSName("example.com")
        #expect(try expectation().record(for: name).value == "authority.example; accounturi=https://ca.example/acct/123")
        // The draft's own example.
        #expect(
            try expectation(.hash(prefix: Self.prefix)).record(for: name).value
                == "authority.example; accounturi=https://ca.example/account-hash/sha-256/5SQm7n6tPh2-PlLbCKGnViTXX5z19SCN4cPGQHSk-kw")
        #expect(
            DNSPersistRecord.acceptedURIs(
                .hash(prefix: Self.prefix), name: name, account: try ACMEURL("https://ca.example/acct/123"), thumbprint: Self.thumbprint
            ).last == "https://ca.example/account-hash/sha-256/NpDnSwUthQK8zCgFdefYxAdAVPnygMLbs9US6oO-5ug")
    }

    @Test func aWildcardHasThePolicyAndTheNameOfItsBase() throws {
        let record = try expectation().record(for: try DNSName("*.example.com"), persistUntil: 1_800_000_000)
        #expect(
            record.value == "authority.example; accounturi=https://ca.example/acct/123; policy=wildcard; persistUntil=1800000000")
        #expect(try DNSPersistRecord.name(for: DNSName("*.example.com")) == "_validation-persist.example.com")
        #expect(DNSPersistRecord(value: record.value) == record)
    }

    @Test func aLongValueIsSeveralStringsInAZoneFile() throws {
        let record = DNSPersistRecord(issuer: "ca.example", accountURI: "https://ca.example/" + String(repeating: "a", count: 300))
        let line = record.zoneFileLine(for: try DNSName("example.com"))
        #expect(line.hasPrefix("_validation-persist.example.com. IN TXT \"ca.example; accounturi=https://") && line.contains("\" \""))
        #expect(line.split(separator: "\"").allSatisfy { $0.utf8.count <= 255 })
    }

    @Test(arguments: [
        "ca.example;accounturi=https://ca.example/1", " CA.example. ; accounturi = https://ca.example/1 ; ",
        "ca.example; ACCOUNTURI=https://ca.example/1; x-new=1",
    ]) func spaceCaseAndUnknownParametersMakeNoDifference(value: String) {
        #expect(DNSPersistRecord(value: value) == DNSPersistRecord(issuer: "ca.example", accountURI: "https://ca.example/1"))
    }

    @Test(arguments: [
        ".; accounturi=a", "ca.example..; accounturi=a",
        "", ";", "ca.example", "ca.example; policy=wildcard", "; accounturi=https://a", "ca.example; accounturi=", "ca.example; accounturi",
        "ca.example; accounturi=a; accounturi=a", "ca.example; accounturi=a; persistUntil=soon",
        "ca.example; accounturi=a; persistUntil=-1",
        "ca.example; accounturi=a; persistUntil=", "ca.example; accounturi=a; persistUntil=99999999999999999999",
        "ca.example; accounturi=a b", "ca.example; accounturi=a;; policy=wildcard", "ca.example; account uri=a",
        String(repeating: "a", count: 5000),
    ]) func otherValuesAreNoRecords(value: String) { #expect(DNSPersistRecord(value: value) == nil) }

    @Test func theClosestMisfitIsSaid() throws {
        let name = try DNSName("example.com"), wildcard = try DNSName("*.example.com"), expectation = try expectation()
        let own = "accounturi=https://ca.example/acct/123"
        func misfit(_ values: [String], _ name: DNSName) -> DNSPersistRecord.Misfit? {
            if case .failure(let misfit) = DNSPersistRecord.fitting(values, expectation, for: name, now: 1000) { misfit } else { nil }
        }
        #expect(misfit([], name) == .noRecord && misfit(["v=spf1 -all"], name) == .noRecord)
        #expect(misfit(["third.example; \(own)"], name) == .otherIssuer)
        #expect(misfit(["third.example; \(own)", "authority.example; accounturi=https://ca.example/acct/1"], name) == .otherAccount)
        #expect(misfit(["authority.example; \(own)"], wildcard) == .noWildcards)
        #expect(misfit(["authority.example; \(own); policy=other"], wildcard) == .noWildcards)
        #expect(misfit(["authority.example; \(own); persistUntil=999"], name) == .expired(999))
        #expect(misfit(["other.example; \(own); persistUntil=1000"], name) == nil)
        #expect(misfit(["authority.example; \(own); POLICY=WildCard"], wildcard) == nil)
        // Of several, the one that lasts longest.
        let values = ["authority.example; \(own); persistUntil=2000", "authority.example; \(own); persistUntil=3000"]
        #expect(try DNSPersistRecord.fitting(values, expectation, for: name, now: 1000).get().persistUntil == 3000)
        #expect(
            try DNSPersistRecord.fitting(values + ["other.example; \(own)"], expectation, for: name, now: 1000).get().persistUntil == nil)
    }

    @Test func whatCannotBePartOfAValueIsRefused() {
        for issuer in ["CA.example", "ca.example.", "*.ca.example", "ca example", "ca.example; policy=wildcard", ""] {
            #expect(!DNSPersistRecord.isUsable(issuer: issuer), "\(issuer)")
        }
        for prefix in ["", "http://ca.example/", "https://ca.example/;policy=wildcard", "https://ca.example/\n", "relative/"] {
            #expect(!DNSPersistRecord.isUsable(prefix: prefix), "\(prefix)")
        }
        #expect(DNSPersistRecord.isUsable(issuer: "ca.example") && DNSPersistRecord.isUsable(prefix: Self.prefix))
    }

    @Test(arguments: [
        (#""issuer-domain-names":["ca.example","other.example"]"#, ["ca.example", "other.example"], false),
        (#""issuerDomainNames":["ca.example"]"#, ["ca.example"], true),
        // A server between the drafts has both.
        (#""issuer-domain-names":["old.example"],"issuerDomainNames":["ca.example"]"#, ["ca.example"], true),
    ]) func aChallengeHasNoTokenAndTheMemberOfEitherDraft(members: String, issuers: [String], wantsHash: Bool) throws {
        let challenge = try Challenge(
            json: value(#"{"type":"dns-persist-01","url":"https://ca.example/chall/3","status":"pending",\#(members)}"#))
        #expect(challenge.kind == .dnsPersist01 && challenge.token == nil)
        #expect(challenge.persistOffer == DNSPersistRecord.Offer(issuers: issuers, wantsHash: wantsHash))
    }

    @Test func aRecordIsForItsAccountInEitherForm() throws {
        let name = try DNSName("example.com"), account = try ACMEURL("https://ca.example/acct/123")
        for form in [DNSPersistRecord.AccountForm.url, .hash(prefix: Self.prefix)] {
            let record = try expectation(form).record(for: name)
            #expect(record.isFor(account, thumbprint: Self.thumbprint, name: name) && record.isFor(account, thumbprint: nil, name: name))
            #expect(!record.isFor(try ACMEURL("https://ca.example/acct/1"), thumbprint: Self.thumbprint, name: name))
        }
        let hashed = try expectation(.hash(prefix: Self.prefix)).record(for: name)
        #expect(!hashed.isFor(account, thumbprint: Self.thumbprint, name: try DNSName("www.example.com")))
    }
}
