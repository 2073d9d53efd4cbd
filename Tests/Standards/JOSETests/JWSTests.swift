import JOSE
import StrictJSON
import Testing

@Suite("JWS as ACME uses it (RFC 7515, RFC 8555 §6.2)")
struct JWSTests {
    static let key = PublicKey.ed25519(Base64URL.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo") ?? [])

    static func text(_ header: JWSProtectedHeader) -> String { String(decoding: header.json(), as: UTF8.self) }

    @Test("A header with kid")
    func kid() {
        let header = JWSProtectedHeader(
            alg: .ES256, nonce: "UQI1PoRi5OuXzxuX7V7wL0", url: "https://example.com/acme/new-order",
            key: .kid("https://example.com/acme/acct/evOfKhNU60wg"))
        #expect(
            Self.text(header)
                == #"{"alg":"ES256","kid":"https://example.com/acme/acct/evOfKhNU60wg","nonce":"UQI1PoRi5OuXzxuX7V7wL0","url":"https://example.com/acme/new-order"}"#
        )
    }

    @Test("A header with jwk")
    func jwk() {
        let header = JWSProtectedHeader(alg: .EdDSA, nonce: "n", url: "https://example.com/acme/new-account", key: .jwk(Self.key))
        #expect(
            Self.text(header)
                == #"{"alg":"EdDSA","jwk":{"crv":"Ed25519","kty":"OKP","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},"nonce":"n","url":"https://example.com/acme/new-account"}"#
        )
    }

    @Test("Without a nonce there is no member for it")
    func noNonce() {
        #expect(
            Self.text(JWSProtectedHeader(alg: .HS256, nonce: nil, url: "https://e/", key: .kid("1")))
                == #"{"alg":"HS256","kid":"1","url":"https://e/"}"#)
    }

    @Test("No value can break out of its member")
    func injection() throws {
        let header = JWSProtectedHeader(
            alg: .ES256, nonce: "a\",\"alg\":\"none\r\n", url: "https://e/\\\"}", key: .kid("\u{0}\u{1B}[31m\u{7F}é"))
        let parsed = try JSONDocument(parsing: header.json(), limits: JSONLimits(allowsNUL: true)).root.object()
        #expect(parsed.count == 4)
        #expect(try parsed.string("alg") == "ES256")
        #expect(try parsed.string("nonce") == "a\",\"alg\":\"none\r\n")
        #expect(try parsed.string("url") == "https://e/\\\"}")
        #expect(try parsed.string("kid") == "\u{0}\u{1B}[31m\u{7F}é")
    }

    @Test("What is signed is header, dot, payload")
    func signingInput() throws {
        let header = JWSProtectedHeader(alg: .ES256, nonce: "n", url: "https://e/", key: .kid("1"))
        let input = JWSSigningInput(header: header, payload: Array("{}".utf8))
        #expect(input.header64 == Base64URL.encodeBytes(header.json()))
        #expect(input.payload64 == Array("e30".utf8))
        #expect(input.bytes == input.header64 + [0x2E] + input.payload64)

        let jws = input.flattened(signature: [1, 2, 3])
        #expect(jws.protected == String(decoding: input.header64, as: UTF8.self))
        #expect(jws.payload == "e30")
        #expect(jws.signature == "AQID")
        #expect(jws.signedBytes == input.bytes)
        #expect(String(decoding: jws.json(), as: UTF8.self) == #"{"protected":"\#(jws.protected)","payload":"e30","signature":"AQID"}"#)
        #expect(try FlattenedJWS(json: jws.json()) == jws)
        #expect(try FlattenedJWS(protected: jws.protected, payload: jws.payload, signature: jws.signature) == jws)
    }

    @Test("POST-as-GET has an empty payload, which is not the empty object (RFC 8555 §6.3)")
    func emptyPayload() throws {
        let header = JWSProtectedHeader(alg: .ES256, nonce: "n", url: "https://e/", key: .kid("1"))
        let input = JWSSigningInput(header: header, payload: [])
        #expect(input.bytes == input.header64 + [0x2E])
        let jws = input.flattened(signature: [9])
        #expect(jws.payload.isEmpty)
        #expect(try FlattenedJWS(json: jws.json()) == jws)
    }

    @Test(
        "Not a flattened JWS",
        arguments: [
            #"[]"#, #"{}"#, #"{"protected":"e30","payload":""}"#, #"{"protected":"e30","signature":"AQ"}"#,
            #"{"payload":"","signature":"AQ"}"#,
            #"{"protected":"e30","payload":"","signature":""}"#, #"{"protected":"","payload":"","signature":"AQ"}"#,
            #"{"protected":"e30=","payload":"","signature":"AQ"}"#, #"{"protected":"e31","payload":"","signature":"AQ"}"#,
            #"{"protected":"e30","payload":"e30.e30","signature":"AQ"}"#, #"{"protected":"e30","payload":{},"signature":"AQ"}"#,
            #"{"protected":"e30","payload":"","signature":"AQ","header":{"alg":"none"}}"#,
            #"{"protected":"e30","payload":"","signatures":[{"signature":"AQ"}]}"#,
            #"{"protected":"e30","protected":"e30","payload":"","signature":"AQ"}"#,
            #"{"protected":"e30","payload":"","signature":"AQ"}x"#, "eyJ.e30.AQ",
        ])
    func refused(json: String) {
        #expect(throws: JOSEError.self) { try FlattenedJWS(json: Array(json.utf8)) }
    }
}
