import ACME
import JOSE
import KeyNameLiterals
import StrictJSON
import Testing

@Suite("Payloads, byte for byte")
struct PayloadTests {
    static func name(_ text: String) throws -> Identifier { try Identifier(argument: text) }

    @Test("newAccount (RFC 8555 §7.3)")
    func newAccount() {
        let request = NewAccount(contact: ["mailto:cert-admin@example.org", "mailto:admin@example.org"], termsOfServiceAgreed: true)
        #expect(
            text(request.payload())
                == #"{"termsOfServiceAgreed":true,"contact":["mailto:cert-admin@example.org","mailto:admin@example.org"]}"#)
        #expect(text(NewAccount().payload()) == "{}")
        #expect(text(NewAccount(onlyReturnExisting: true).payload()) == #"{"onlyReturnExisting":true}"#)
        #expect(text(NewAccount(termsOfServiceAgreed: false).payload()) == #"{"termsOfServiceAgreed":false}"#)
    }

    @Test("newAccount with an external account binding (RFC 8555 §7.3.4)")
    func externalAccountBinding() throws {
        let key = PublicKey.ed25519(Array(0..<32))
        let secret = try [UInt8](repeating: 7, count: 32).withUnsafeBytes { try HMACKey(copying: $0) }
        let url = try ACMEURL("https://example.com/acme/new-account")
        let inner = ExternalAccountBinding.jws(keyID: "kid-\"1\"", hmacKey: secret, accountKey: key, url: url)
        #expect(
            text(try #require(Base64URL.decode(inner.protected)))
                == #"{"alg":"HS256","kid":"kid-\"1\"","url":"https://example.com/acme/new-account"}"#)
        #expect(Base64URL.decode(inner.payload) == key.jwk)
        #expect(Base64URL.decode(inner.signature) == HS256.sign(inner.signedBytes, key: secret))
        let payload = NewAccount(termsOfServiceAgreed: true, externalAccount: "zero").payload(externalAccountBinding: inner)
        #expect(text(payload) == #"{"termsOfServiceAgreed":true,"externalAccountBinding":\#(text(inner.json()))}"#)
    }

    @Test("Account update and deactivation (RFC 8555 §7.3.2, §7.3.6, §7.5.2)")
    func accountUpdate() {
        #expect(
            text(AccountUpdate(contact: ["mailto:certificates@example.org"]).payload())
                == #"{"contact":["mailto:certificates@example.org"]}"#)
        #expect(text(AccountUpdate(contact: []).payload()) == #"{"contact":[]}"#)
        #expect(text(AccountUpdate(termsOfServiceAgreed: true).payload()) == #"{"termsOfServiceAgreed":true}"#)
        #expect(text(Deactivation.payload()) == #"{"status":"deactivated"}"#)
    }

    @Test("keyChange (RFC 8555 §7.3.5)")
    func keyChange() throws {
        let old = PublicKey.ed25519(Array(0..<32))
        let new = PublicKey.ed25519(Array(32..<64))
        let account = try ACMEURL("https://example.com/acme/acct/evOfKhNU60wg")
        let url = try ACMEURL("https://example.com/acme/key-change")
        let input = KeyChange.innerSigningInput(newKey: new, oldKey: old, account: account, url: url)
        let header = text(try #require(Base64URL.decode(bytes: input.header64)))
        #expect(header == #"{"alg":"EdDSA","jwk":\#(text(new.jwk)),"url":"https://example.com/acme/key-change"}"#)
        let payload = text(try #require(Base64URL.decode(bytes: input.payload64)))
        #expect(payload == #"{"account":"https://example.com/acme/acct/evOfKhNU60wg","oldKey":\#(text(old.jwk))}"#)
        let inner = input.flattened(signature: [1, 2, 3])
        #expect(KeyChange.payload(inner: inner) == inner.json())
    }

    @Test("newOrder (RFC 8555 §7.4, RFC 9773 §5)")
    func newOrder() throws {
        let names = [try Self.name("www.example.org"), try Self.name("*.Example.org"), try Self.name("2001:DB8::1")]
        #expect(
            text(NewOrder(identifiers: names).payload())
                == #"{"identifiers":[{"type":"dns","value":"www.example.org"},{"type":"dns","value":"*.example.org"},{"type":"ip","value":"2001:db8::1"}]}"#
        )
        let order = NewOrder(
            identifiers: [names[0]], profile: "shortlived", replaces: "aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE",
            notBefore: "2016-01-01T00:04:00+04:00",
            notAfter: "2016-01-08T00:04:00+04:00")
        #expect(
            text(order.payload())
                == #"{"identifiers":[{"type":"dns","value":"www.example.org"}],"profile":"shortlived","replaces":"aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE","notBefore":"2016-01-01T00:04:00+04:00","notAfter":"2016-01-08T00:04:00+04:00"}"#
        )
        try order.validate()
    }

    @Test("Challenge response, POST-as-GET, finalize (RFC 8555 §7.5.1, §6.3, §7.4)")
    func small() throws {
        #expect(text(ChallengeResponse.payload()) == "{}")
        #expect(PostAsGet.payload().isEmpty)
        let request = CertificateRequest(key: "web", identifiers: [try Self.name("example.org")])
        #expect(text(request.payload(csr: [0x30, 0xFB, 0xFF])) == #"{"csr":"MPv_"}"#)
    }

    @Test("revokeCert (RFC 8555 §7.6)")
    func revocation() {
        #expect(text(Revocation(certificate: [0x30, 0x00]).payload()) == #"{"certificate":"MAA"}"#)
        #expect(text(Revocation(certificate: [0x30, 0x00], reason: .superseded).payload()) == #"{"certificate":"MAA","reason":4}"#)
        #expect(text(Revocation(certificate: [0x30, 0x00], reason: .unspecified).payload()) == #"{"certificate":"MAA","reason":0}"#)
    }

    @Test("Reasons of RFC 5280 §5.3.1")
    func reasons() {
        #expect(RevocationReason.allCases.map(\.rawValue) == [0, 1, 2, 3, 4, 5, 6, 8, 9, 10])
        for reason in RevocationReason.allCases {
            #expect(RevocationReason(argument: reason.name) == reason)
            #expect(RevocationReason(argument: reason.name.uppercased()) == reason)
            #expect(RevocationReason(argument: String(reason.rawValue)) == reason)
        }
        for argument in ["", "7", "11", "-1", "01", "none", "key"] { #expect(RevocationReason(argument: argument) == nil) }
    }
}
