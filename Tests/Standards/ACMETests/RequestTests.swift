import ACME
import KeyNameLiterals
import Testing

@Suite("Requests that may be signed")
struct RequestTests {
    static func member(_ request: ACMERequest) -> String? {
        do throws(ACMERequestError) {
            try request.validate()
            return nil
        } catch { return error.member }
    }

    @Test("Each kind has its operation")
    func operations() throws {
        let names = [try Identifier(argument: "example.org")]
        let requests: [(ACMERequest, Operation)] = [
            (.newAccount(NewAccount()), .newAccount), (.updateAccount(AccountUpdate(contact: [])), .updateAccount),
            (.deactivateAccount, .deactivateAccount), (.keyChange(newKey: "next"), .keyChange),
            (.newOrder(NewOrder(identifiers: names)), .newOrder), (.postAsGet, .postAsGet), (.respondToChallenge, .respondToChallenge),
            (.deactivateAuthorization, .deactivateAuthorization),
            (.finalize(CertificateRequest(key: "web", identifiers: names)), .finalize),
            (.revokeCertificate(Revocation(certificate: [0x30])), .revokeCertificate),
        ]
        for (request, operation) in requests {
            #expect(request.operation == operation)
            #expect(request.changesState == (operation != .postAsGet))
            #expect(Self.member(request) == nil)
        }
    }

    @Test("Operations as the contract spells them")
    func spelling() {
        #expect(
            Operation.allCases.map(\.rawValue) == [
                "new-account", "update-account", "deactivate-account", "key-change", "new-order", "post-as-get", "respond-to-challenge",
                "deactivate-authorization", "finalize", "revoke-certificate", "create-key", "adopt-key", "retire-key", "delete-key",
                "list-keys", "sign-certificate-request", "sign-handshake", "sign-client-handshake", "sign-server-key-exchange",
                "read-audit", "read-metrics",
            ])
    }

    @Test(
        "Contacts",
        arguments: ["mailto:a@b.example", "mailto:first.last+tag@example.org", "mailto:o'neil@example.org", "mailto:a%25b@example.org"])
    func contact(text: String) throws {
        #expect(try Contact(text).text == text)
        #expect(try Contact(argument: String(text.dropFirst(7))).text == text)
        #expect(try Contact(argument: text).text == text)
        #expect(Self.member(.newAccount(NewAccount(contact: [text]))) == nil)
    }

    @Test(
        "Not a contact",
        arguments: [
            "", "mailto:", "MAILTO:a@b.example", "tel:+123", "https://example.org", "mailto:a", "mailto:@b.example", "mailto:a@",
            "mailto:a@b@c.example",
            "mailto:a@b.example,c@d.example", "mailto:a@b.example?subject=x", "mailto:a@b.example?", "mailto:a b@c.example",
            "mailto:a@b.example ",
            "mailto:a@b.example\r\nBcc: x@y.example", "mailto:a@b.example\n", "mailto:a\u{0}@b.example", "mailto:\u{1B}[31m@b.example",
            "mailto:é@b.example", "mailto:a@bücher.example", "mailto:a@-b.example", "mailto:a@*.example", "mailto:a@[127.0.0.1]",
            "mailto:a@127.0.0.1",
            "mailto:a%2Cb@c.example", "mailto:a%0d%0a@c.example", "mailto:a%40b@c.example", "mailto:a%@c.example", "mailto:a%4@c.example",
            "mailto:a%zz@c.example", "mailto:<a@b.example>", "mailto:\"a\"@b.example", "mailto:a(b)@c.example", "mailto:a;b@c.example",
            "mailto:" + String(repeating: "a", count: 65) + "@b.example", "mailto:a@" + String(repeating: "b", count: 400),
        ])
    func noContact(text: String) {
        #expect(throws: ContactError.self) { try Contact(text) }
        #expect(Self.member(.newAccount(NewAccount(contact: [text]))) == "contact")
        #expect(Self.member(.updateAccount(AccountUpdate(contact: [text]))) == "contact")
    }

    @Test("Too many contacts")
    func contacts() {
        let many = [String](repeating: "mailto:a@b.example", count: Contact.maximumCount + 1)
        #expect(Self.member(.newAccount(NewAccount(contact: many))) == "contact")
    }

    @Test("An update that changes nothing")
    func emptyUpdate() { #expect(Self.member(.updateAccount(AccountUpdate())) == "contact") }

    @Test("Names of credentials")
    func names() {
        #expect(Self.member(.newAccount(NewAccount(externalAccount: "-x"))) == "externalAccount")
    }

    @Test("No identifier, one twice in two spellings, more than a request may have")
    func identifiers() throws {
        #expect(Self.member(.newOrder(NewOrder(identifiers: []))) == "identifiers")
        #expect(Self.member(.finalize(CertificateRequest(key: "web", identifiers: []))) == "identifiers")
        let twice = [try Identifier(argument: "a.org"), try Identifier(argument: "A.org.")]
        #expect(Self.member(.newOrder(NewOrder(identifiers: twice))) == "identifiers")
        let both = [try Identifier(argument: "a.org"), try Identifier(argument: "*.a.org")]
        #expect(Self.member(.newOrder(NewOrder(identifiers: both))) == nil)
        let many = try (0...NewOrder.maximumIdentifiers).map { try Identifier(argument: "h\($0).org") }
        #expect(Self.member(.newOrder(NewOrder(identifiers: many))) == "identifiers")
        #expect(Self.member(.newOrder(NewOrder(identifiers: many.dropLast()))) == nil)
    }

    @Test("Profile, replaced certificate and validity")
    func order() throws {
        let names = [try Identifier(argument: "a.org")]
        for profile in ["", "a b", "é", "a\n", String(repeating: "a", count: 65)] {
            #expect(Self.member(.newOrder(NewOrder(identifiers: names, profile: profile))) == "profile")
        }
        for replaces in [
            "", ".", "a.b", "aYhba4dGQEHhs3uEe6CuLN4ByNQ", "aYhba4dGQEHhs3uEe6CuLN4ByNQ.", ".AIdlQyE", "AA.AA.AA", "AA=.AA", "AA.AA\n",
            String(repeating: "A", count: 400) + ".AA",
        ] {
            #expect(Self.member(.newOrder(NewOrder(identifiers: names, replaces: replaces))) == "replaces")
        }
        #expect(Self.member(.newOrder(NewOrder(identifiers: names, notBefore: "today"))) == "notBefore")
        #expect(Self.member(.newOrder(NewOrder(identifiers: names, notAfter: "2026-13-01T00:00:00Z"))) == "notAfter")
        let backwards = NewOrder(identifiers: names, notBefore: "2026-01-02T00:00:00Z", notAfter: "2026-01-01T00:00:00Z")
        #expect(Self.member(.newOrder(backwards)) == "notAfter")
    }

    @Test("An empty or too large certificate")
    func certificate() {
        #expect(Self.member(.revokeCertificate(Revocation(certificate: []))) == "certificate")
        let large = [UInt8](repeating: 0x30, count: Revocation.maximumCertificateSize + 1)
        #expect(Self.member(.revokeCertificate(Revocation(certificate: large))) == "certificate")
    }
}
