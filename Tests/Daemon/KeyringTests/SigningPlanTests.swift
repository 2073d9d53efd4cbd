import ACME
import JOSE
import StrictJSON
import SwiftASN1
import Testing
import X509

@testable import Keyring

@Suite struct SigningPlanTests {
    let url: ACMEURL
    let account: ACMEURL
    let software: SoftwareKey
    let key: SigningKey

    init() throws {
        url = try ACMEURL("https://ca.example/new-order")
        account = try ACMEURL("https://ca.example/account/7")
        software = try SoftwareKey.make(.p256)
        key = try software.signingKey("account-1", .account)
    }

    /// Runs a plan with software keys by name.
    private func run(_ plan: SigningPlan, _ keys: [String: SoftwareKey]) throws -> (SignedMeaning, [SigningTask]) {
        var plan = plan
        var tasks: [SigningTask] = []
        while true {
            let task = plan.task
            tasks.append(task)
            let signature = try #require(keys[task.key.name.rawValue]).sign(task.input)
            #expect(task.accepts(signature))
            switch try plan.resume(signature) {
            case .sign(let next): plan = next
            case .done(let meaning): return (meaning, tasks)
            }
        }
    }

    private func header(_ jws: FlattenedJWS) throws -> JSONObject {
        try JSONDocument(parsing: try #require(Base64URL.decode(jws.protected))).root.object()
    }

    private func payload(_ jws: FlattenedJWS) throws -> String {
        String(decoding: try #require(Base64URL.decode(jws.payload)), as: UTF8.self)
    }

    @Test(arguments: [KeyAlgorithm.p256, .p384, .rsa2048, .ed25519])
    func anOrderIsSignedByEachKindOfKey(_ algorithm: KeyAlgorithm) throws {
        let software = try SoftwareKey.make(algorithm)
        let key = try software.signingKey("account-1", .account)
        let order = NewOrder(identifiers: [try Identifier(argument: "www.example.org")])
        let plan = try SigningPlan.plan(.newOrder(order), key: key, url: url, nonce: "bm9uY2U", account: account)
        let (meaning, tasks) = try run(plan, ["account-1": software])
        let jws = try #require(meaning.jws)
        #expect(tasks.map(\.what) == ["jws"])
        let header = try header(jws)
        #expect(try header.string("alg") == key.algorithm.jwsAlgorithm.rawValue)
        #expect(try header.string("kid") == account.text)
        #expect(try header.string("url") == url.text)
        #expect(try header.string("nonce") == "bm9uY2U")
        #expect(header.optional("jwk") == nil)
        #expect(try payload(jws) == #"{"identifiers":[{"type":"dns","value":"www.example.org"}]}"#)
    }

    @Test func aNewAccountCarriesTheKeyAndItsExternalBinding() throws {
        let hmac = try [UInt8](repeating: 7, count: 32).withUnsafeBytes { try HMACKey(copying: $0) }
        let plan = try SigningPlan.plan(
            .newAccount(NewAccount(contact: ["mailto:a@example.org"], termsOfServiceAgreed: true, externalAccount: "eab")), key: key,
            url: url,
            nonce: "bm9uY2U", account: nil, externalAccount: ExternalAccount(name: "eab", keyID: "kid-1", hmacKey: hmac))
        let (meaning, _) = try run(plan, ["account-1": software])
        let jws = try #require(meaning.jws)
        #expect(try header(jws).optional("kid") == nil)
        #expect(try PublicKey(jwk: header(jws).object("jwk")) == key.publicKey)
        let binding = try JSONDocument(parsing: Array(payload(jws).utf8)).root.object().object("externalAccountBinding")
        let inner = try JSONDocument(parsing: try #require(Base64URL.decode(binding.string("protected")))).root.object()
        #expect(try inner.string("alg") == "HS256")
        #expect(try inner.string("kid") == "kid-1")
        #expect(try inner.string("url") == url.text)
        #expect(inner.optional("nonce") == nil)
    }

    @Test(arguments: [KeyAlgorithm.p256, .p384, .rsa2048, .ed25519])
    func aFinalizationMakesTheRequestOfTheIdentifiers(_ algorithm: KeyAlgorithm) throws {
        let certificate = try SoftwareKey.make(algorithm)
        let certificateKey = try certificate.signingKey("web-1", .certificate)
        let identifiers = try ["www.example.org", "192.0.2.7", "2001:db8::1"].map { try Identifier(argument: $0) }
        let plan = try SigningPlan.plan(
            .finalize(CertificateRequest(key: "web-1", identifiers: identifiers)), key: key, url: url, nonce: "bm9uY2U", account: account,
            otherKey: certificateKey)
        let (meaning, tasks) = try run(plan, ["account-1": software, "web-1": certificate])
        #expect(tasks.map(\.what) == ["csr", "jws"])
        #expect(tasks.map(\.key.name.rawValue) == ["web-1", "account-1"])
        let der = try #require(meaning.certificateRequest)
        let request = try CertificateSigningRequest(derEncoded: der)
        #expect(request.publicKey.isValidSignature(request.signature, for: request))
        #expect(request.subject.isEmpty)
        let names = try #require(try request.attributes.extensionRequest?.extensions.subjectAlternativeNames)
        #expect(
            Array(names) == [
                .dnsName("www.example.org"), .ipAddress(ASN1OctetString(contentBytes: [192, 0, 2, 7])),
                .ipAddress(ASN1OctetString(contentBytes: [0x20, 0x01, 0x0D, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])),
            ])
        #expect(try payload(try #require(meaning.jws)) == #"{"csr":"\#(Base64URL.encode(der))"}"#)
    }

    @Test func aKeyChangeIsSignedByBothKeys() throws {
        let new = try SoftwareKey.make(.p384)
        let newKey = try new.signingKey("account-2", .account)
        let plan = try SigningPlan.plan(
            .keyChange(newKey: "account-2"), key: key, url: url, nonce: "bm9uY2U", account: account, otherKey: newKey)
        let (meaning, tasks) = try run(plan, ["account-1": software, "account-2": new])
        #expect(tasks.map(\.key.name.rawValue) == ["account-2", "account-1"])
        let inner = try FlattenedJWS(json: Array(payload(try #require(meaning.jws)).utf8))
        #expect(try PublicKey(jwk: header(inner).object("jwk")) == newKey.publicKey)
        #expect(try header(inner).optional("nonce") == nil)
        #expect(try header(inner).string("url") == url.text)
        let said = try JSONDocument(parsing: Array(payload(inner).utf8)).root.object()
        #expect(try said.string("account") == account.text)
        #expect(try PublicKey(jwk: said.object("oldKey")) == key.publicKey)
    }

    @Test func aKeyOfAnotherCAIsNoNewKey() throws {
        let other = try SoftwareKey.make(.p256).signingKey("account-2", .account, directory: "https://other.example/directory")
        #expect(throws: CompositionError.self) {
            try SigningPlan.plan(.keyChange(newKey: "account-2"), key: key, url: url, nonce: "bm9uY2U", account: account, otherKey: other)
        }
    }

    @Test func certificateKeysSignNoAccountRequests() throws {
        let certificateKey = try software.signingKey("web-1", .certificate)
        for request in [ACMERequest.postAsGet, .respondToChallenge, .deactivateAccount, .newAccount(NewAccount())] {
            #expect(throws: CompositionError.self) {
                try SigningPlan.plan(request, key: certificateKey, url: url, nonce: "bm9uY2U", account: account)
            }
        }
    }

    @Test func accountKeysSignNoCertificateRequestsAndNoHandshakes() throws {
        let identifiers = [try Identifier(argument: "www.example.org")]
        #expect(throws: CompositionError.self) {
            try SigningPlan.certificateRequest(CertificateRequest(key: "account-1", identifiers: identifiers), key: key)
        }
        #expect(throws: CompositionError.self) {
            try SigningPlan.plan(
                .finalize(CertificateRequest(key: "account-1", identifiers: identifiers)), key: key, url: url, nonce: "bm9uY2U",
                account: account, otherKey: key)
        }
        let handshake = try HandshakeContent(
            .serverCertificateVerify, content: HandshakeTests.content(hash: 32), scheme: "ecdsa_secp256r1_sha256")
        #expect(throws: CompositionError.self) { try SigningPlan.handshake(handshake, key: key) }
    }

    @Test func aRetiredKeySignsNothingButItsRevocation() throws {
        let retired = try software.signingKey("account-1", .account, state: .retired)
        #expect(throws: CompositionError.self) {
            try SigningPlan.plan(.postAsGet, key: retired, url: url, nonce: "bm9uY2U", account: account)
        }
        let certificateKey = try software.signingKey("web-1", .certificate, state: .retired)
        let revocation = ACMERequest.revokeCertificate(Revocation(certificate: [0x30, 0], reason: nil))
        let plan = try SigningPlan.plan(revocation, key: certificateKey, url: url, nonce: "bm9uY2U", account: nil)
        let (meaning, _) = try run(plan, ["web-1": software])
        #expect(try PublicKey(jwk: header(try #require(meaning.jws)).object("jwk")) == certificateKey.publicKey)
    }

    /// `{"status":"deactivated"}` ends the account at the account's URL, and the authorization at an authorization's
    /// URL (RFC 8555 §7.3.6, §7.5.2).
    @Test(arguments: [
        "https://ca.example/account/7", "https://ca.example/account/7/", "https://ca.example//account/7",
        "https://ca.example/account/7?x=1",
        "https://ca.example/account/%37", "https://ca.example/ACCOUNT/7", "https://ca.example/account/7;a=b",
        "https://ca.example/account/7%3fx", "https://ca.example/account/7%3Bx", "https://ca.example/account/7%23",
        "https://ca.example/account/7%20",
        "https://ca.example/account/%2537", "https://ca.example/account/07", "https://ca.example/account/+7",
        "https://ca.example/account/%2b7",
    ])
    func anAuthorizationsDeactivationIsNotOneOfTheAccount(_ text: String) throws {
        let url = try ACMEURL(text)
        for request in [ACMERequest.deactivateAuthorization, .respondToChallenge] {
            #expect(throws: CompositionError.self) {
                try SigningPlan.plan(request, key: key, url: url, nonce: "bm9uY2U", account: account)
            }
        }
    }

    /// Next to the account's URL, or the same in another spelling: a CA may ignore the last part (Pebble, step-ca) or
    /// parse it as a number (Boulder).
    @Test(arguments: [
        // Account, URL.
        ("/my-account/1", "/my-account/0"), ("/my-account/1", "/my-account/"), ("/my-account/1", "/my-account"),
        ("/my-account/1", "/my-account/1/x"), ("/my-account/1", "/my%2daccount%2f0"), ("/my-account/1", "/my-account/x?y=z"),
        ("/acct/123", "/acct/0123"), ("/acct/123", "/acct/+123"), ("/acct/123", "/acct/%2b123"), ("/acct/123", "/acct/%2B123"),
        ("/acct/123", "/acct//123"), ("/acct/123", "/acct/%31%32%33"), ("/acct/123", "/acct/1_23"), ("/acct/123", "/acct/0x7b"),
        ("/acct/123", "/acct/-0"), ("/acct/0123", "/acct/123"), ("/acct/+123", "/acct/123"), ("/acct/%3123", "/acct/123"),
        ("/acme/7/account/1", "/acme/07/account/2"), ("/acme/7/account/1", "/acme//7/Account/2"),
        ("/acme/p/account/x", "/acme/p/account/y"), ("/acme/p/account/x/y", "/acme/p/account/y"), ("/acme/123", "/acme/124"),
        ("/acct/123", "/acct%5c124"), ("/acct/123", "/x/%252e%252e/acct/124"), ("/123", "/124"),
    ])
    func aPayloadThatWouldEndTheAccountIsSignedForNoURLBesideIt(_ account: String, _ target: String) throws {
        let account = try ACMEURL("https://ca.example" + account), url = try ACMEURL("https://ca.example" + target)
        #expect(throws: CompositionError.self) {
            try SigningPlan.plan(.deactivateAuthorization, key: key, url: url, nonce: "bm9uY2U", account: account)
        }
    }

    /// Where Pebble, Boulder (two layouts), step-ca and others have accounts, authorizations and challenges.
    @Test(arguments: [
        ("/my-account/1", "/authZ/ab", "/chalZ/cd"), ("/acme/acct/123", "/acme/authz/123/456", "/acme/chall/123/456/aBc"),
        ("/acme/acct/123", "/acme/authz-v3/123", "/acme/chall-v3/456/aBc"),
        ("/acme/p/account/x", "/acme/p/authz/y", "/acme/p/challenge/y/z"), ("/acme/123", "/acme/authz/123", "/acme/chall/123/1"),
        ("/v2/DV90/account/a", "/v2/DV90/authz/a", "/v2/DV90/chall/a"), ("/account/a", "/authz/b", "/challenge/c"),
    ])
    func whatStandsElsewhereIsSigned(_ account: String, _ authorization: String, _ challenge: String) throws {
        func plan(_ request: ACMERequest, _ url: String) throws {
            _ = try SigningPlan.plan(
                request, key: key, url: ACMEURL("https://ca.example" + url), nonce: "bm9uY2U",
                account: ACMEURL("https://ca.example" + account))
        }
        try plan(.deactivateAuthorization, authorization)
        try plan(.respondToChallenge, challenge)
        // Payloads that match no stronger operation go to URLs next to the account's too, and reading goes to every
        // URL.
        try plan(.respondToChallenge, "/acme/124")
        try plan(.newOrder(NewOrder(identifiers: [Identifier(argument: "www.example.org")])), "/acme/new-order")
        for url in [account, account + "/orders", authorization, challenge] { try plan(.postAsGet, url) }
        try plan(.deactivateAccount, account)
    }

    @Test func anAccountsUpdateGoesToTheAccountOnly() throws {
        let update = ACMERequest.updateAccount(AccountUpdate(contact: ["mailto:a@example.org"], termsOfServiceAgreed: nil))
        #expect(throws: CompositionError.self) { try SigningPlan.plan(update, key: key, url: url, nonce: "bm9uY2U", account: account) }
        _ = try SigningPlan.plan(update, key: key, url: account, nonce: "bm9uY2U", account: account)
    }

    @Test(arguments: [KeyAlgorithm.p256, .p384, .rsa2048, .ed25519])
    func aFaultySignatureOfEachKindOfKeyIsSeen(_ algorithm: KeyAlgorithm) throws {
        let software = try SoftwareKey.make(algorithm)
        let key = try software.signingKey("account-1", .account)
        let task = try SigningPlan.plan(.postAsGet, key: key, url: url, nonce: "bm9uY2U", account: account).task
        let signature = try software.sign(task.input)
        try #require(task.accepts(signature))
        for index in [0, signature.count / 2, signature.count - 1] {
            var faulty = signature
            faulty[index] ^= 1
            #expect(!task.accepts(faulty), "byte \(index)")
        }
        #expect(!task.accepts([]) && !task.accepts(Array(signature.dropLast())) && !task.accepts(signature + [0]))
        let other = try SoftwareKey.make(algorithm)
        #expect(!task.accepts(try other.sign(task.input)))
    }
}
