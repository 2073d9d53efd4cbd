import JOSE
import Testing

@Suite("JWK (RFC 7517, RFC 7638, RFC 8037)")
struct JSONWebKeyTests {
    @Test("RFC 7638 §3.1")
    func rfc7638() throws {
        let n =
            "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
        let key = try PublicKey(jwk: try object(#"{"kty":"RSA","n":"\#(n)","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#))
        #expect(key.thumbprint == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs")
        #expect(String(decoding: key.jwk, as: UTF8.self) == #"{"e":"AQAB","kty":"RSA","n":"\#(n)"}"#)
        #expect(key.algorithm == .rsa2048)
    }

    @Test("RFC 8037 A.2 and A.3")
    func rfc8037() throws {
        let json = #"{"crv":"Ed25519","kty":"OKP","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#
        let key = try PublicKey(jwk: try object(json))
        #expect(String(decoding: key.jwk, as: UTF8.self) == json)
        #expect(key.thumbprint == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")
    }

    @Test("RFC 7517 A.1: the members in lexicographic order, others left out")
    func ecOrder() throws {
        let key = try PublicKey(
            jwk: try object(
                #"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM","use":"enc","kid":"1"}"#
            ))
        #expect(
            String(decoding: key.jwk, as: UTF8.self)
                == #"{"crv":"P-256","kty":"EC","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}"#
        )
    }

    @Test(
        "Not a supported public key",
        arguments: [
            #"{}"#, #"{"kty":"oct","k":"AAAA"}"#, #"{"kty":"ec"}"#, #"{"kty":1}"#,
            #"{"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
            #"{"kty":"OKP","crv":"Ed25519"}"#, #"{"kty":"OKP","crv":"Ed25519","x":"AAAA"}"#,
            #"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo="}"#,
            #"{"kty":"EC","crv":"P-521","x":"AAAA","y":"AAAA"}"#, #"{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}"#,
            #"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4"}"#,
            #"{"kty":"RSA","n":"AAAA","e":"AQAB"}"#,
        ])
    func refused(json: String) throws {
        let object = try object(json)
        #expect(throws: JOSEError.self) { try PublicKey(jwk: object) }
    }

    @Test("A key with its private half is refused")
    func privateHalf() throws {
        let json =
            #"{"crv":"Ed25519","kty":"OKP","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}"#
        let object = try object(json)
        #expect(throws: JOSEError.invalidJWK(#"it holds the private member "d""#)) { try PublicKey(jwk: object) }
    }
}
