import ACME
import JOSE
import Testing

@Suite("Authorizations, challenges, key authorizations")
struct AuthorizationTests {
    static let challenge =
        #"{"type":"http-01","url":"https://ca.example/chall/1","status":"pending","token":"evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"}"#

    static func authorization(_ challenges: String, end: String = "") -> String {
        #"{"identifier":{"type":"dns","value":"www.example.org"},"status":"pending","expires":"2016-01-02T14:09:30Z","challenges":[\#(challenges)]\#(end)}"#
    }

    @Test("An authorization (RFC 8555 §7.1.4)")
    func whole() throws {
        let dns =
            #"{"type":"dns-01","url":"https://ca.example/chall/2","status":"valid","token":"abc","validated":"2014-12-01T12:05:58.16Z"}"#
        let new = #"{"type":"dns-future-01","url":"https://ca.example/chall/3","status":"pending","names":["ca.example"]}"#
        let authorization = try Authorization(
            json: try value(Self.authorization([Self.challenge, dns, new].joined(separator: ","), end: #","wildcard":true,"x":{}"#)))
        #expect(authorization.identifier.value == "www.example.org")
        #expect(authorization.status == .pending)
        #expect(authorization.expires == "2016-01-02T14:09:30Z")
        #expect(authorization.wildcard)
        #expect(authorization.challenges.map(\.type) == ["http-01", "dns-01", "dns-future-01"])
        #expect(authorization.challenges.map(\.kind) == [.http01, .dns01, nil])
        #expect(authorization.challenge(.http01)?.url.text == "https://ca.example/chall/1")
        #expect(authorization.challenge(.http01)?.token == "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA")
        #expect(authorization.challenge(.dns01)?.validated == "2014-12-01T12:05:58.16Z")
        #expect(authorization.challenge(.dns01)?.status == .valid)
        #expect(authorization.challenge(.tlsALPN01) == nil)
        #expect(authorization.error == nil)
    }

    @Test("Each state", arguments: AuthorizationStatus.allCases)
    func status(status: AuthorizationStatus) throws {
        let json = Self.authorization("").replacing(#""status":"pending""#, with: #""status":"\#(status.rawValue)""#)
        #expect(try Authorization(json: try value(json)).status == status)
    }

    @Test("The reason for a failure reaches the caller")
    func failure() throws {
        let failed =
            #"{"type":"http-01","url":"https://ca.example/chall/1","status":"invalid","token":"abc","error":{"type":"urn:ietf:params:acme:error:connection","detail":"refused","status":400}}"#
        let authorization = try Authorization(json: try value(Self.authorization(failed)))
        #expect(authorization.error?.kind == .connection)
        #expect(authorization.error?.description == "refused (connection)")
    }

    @Test("A hundred challenges, and one more")
    func many() throws {
        func json(_ count: Int) -> String { Self.authorization([String](repeating: Self.challenge, count: count).joined(separator: ",")) }
        #expect(try Authorization(json: try value(json(100))).challenges.count == Authorization.maximumChallenges)
        let over = try value(json(101))
        #expect(throws: ACMEDocumentError.self) { try Authorization(json: over) }
    }

    @Test(
        "Tokens that would be a path or a shell word",
        arguments: ["", "..", "../../etc/x", "a/b", "a b", "$(id)", "a;id", "a\\n", "a=", "a.b"])
    func tokens(token: String) throws {
        let json = try value(Self.authorization(#"{"type":"http-01","url":"https://ca.example/c","status":"pending","token":"\#(token)"}"#))
        #expect(throws: ACMEDocumentError.self) { try Authorization(json: json) }
    }

    /// A challenge of an unknown type does no harm: the others are still usable.
    @Test(
        "A challenge of an unknown type is ignored, whatever it contains",
        arguments: [
            #"{"type":"new-01","url":"https://ca.example/c","status":"pending","token":"../../etc/x"}"#,
            #"{"type":"new-01","url":"https://ca.example/c","status":"waiting","token":[1]}"#, #"{"type":"new-01"}"#,
            #"{"type":"new-01","url":"http://ca.example/c"}"#, #"{"type":7}"#, #"{}"#, "[]", "null",
        ])
    func unknownChallenge(json: String) throws {
        let authorization = try Authorization(json: try value(Self.authorization(json + "," + Self.challenge)))
        #expect(authorization.challenge(.http01)?.token == "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA")
        #expect(authorization.challenges.allSatisfy { $0.kind != nil || $0.token == nil })
    }

    @Test("A challenge without a status is pending")
    func challengeWithoutStatus() throws {
        let json = #"{"type":"http-01","url":"https://ca.example/c","token":"a"}"#
        #expect(try Challenge(json: try value(json)).status == .pending)
    }

    @Test(
        "Not a challenge",
        arguments: [
            "{}", #"{"type":"http-01","url":"https://ca.example/c","status":"pending"}"#,
            #"{"type":"http-01","status":"pending","token":"a"}"#,
            #"{"type":"http-01","url":"http://ca.example/c","status":"pending","token":"a"}"#,
            #"{"type":"http-01","url":"https://ca.example/c","status":"done","token":"a"}"#,
            #"{"type":"http-01","url":"https://ca.example/c","status":"pending","token":1}"#,
            #"{"type":1,"url":"https://ca.example/c","status":"pending","token":"a"}"#, "[]", "null",
            #"{"type":""# + String(repeating: "x", count: 65) + #"","url":"https://ca.example/c","status":"pending"}"#,
        ])
    func noChallenge(json: String) throws {
        let json = try value(json)
        #expect(throws: ACMEDocumentError.self) { try Challenge(json: json) }
    }

    @Test(
        "Not an authorization",
        arguments: [
            "{}", #"{"status":"pending","challenges":[]}"#, #"{"identifier":{"type":"dns"},"status":"pending","challenges":[]}"#,
            #"{"identifier":{"type":"dns","value":"a.org"},"status":"pending"}"#,
        ])
    func noAuthorization(json: String) throws {
        let json = try value(json)
        #expect(throws: ACMEDocumentError.self) { try Authorization(json: json) }
    }

    /// RFC 8555 §8.3 has this text and §8.4 this token; thumbprint of RFC 8037 A.3, digest by OpenSSL.
    @Test("Key authorizations (RFC 8555 §8.1, §8.4)")
    func keyAuthorization() throws {
        let key = PublicKey.ed25519(Base64URL.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo") ?? [])
        let authorization = KeyAuthorization(token: "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA", thumbprint: key.thumbprint)
        #expect(authorization.text == "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA.kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")
        #expect(authorization.dns01Value == "lAV291d372xyXVEZRY9j2FQ8g1TYpOaJr620CiahePA")
        #expect(authorization.digest == Base64URL.decode("lAV291d372xyXVEZRY9j2FQ8g1TYpOaJr620CiahePA"))
        #expect(KeyAuthorization(text: authorization.text) == authorization)
        for text in ["", ".", "token", "token.", ".thumb", "a.b.c", "to ken.thumb", "token.th/umb", "../x.thumb"] {
            #expect(KeyAuthorization(text: text) == nil, "\(text)")
        }
    }
}
