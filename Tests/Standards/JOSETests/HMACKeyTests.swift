import JOSE
import Testing

@Suite("HS256 (RFC 7518 §3.2)")
struct HMACKeyTests {
    static let rfc7515Key = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"

    static func key(_ text: String) throws -> HMACKey { try Array(text.utf8).withUnsafeBytes { try HMACKey(base64URL: $0) } }

    @Test("RFC 7515 A.1")
    func rfc7515() throws {
        let input =
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
        let expected = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
        #expect(Base64URL.encode(HS256.sign(Array(input.utf8), key: try Self.key(Self.rfc7515Key))) == expected)
        #expect(Base64URL.encode(HS256.sign(Array(input.utf8), key: try Self.key(Self.rfc7515Key + "=="))) == expected)
        let bytes = try #require(Base64URL.decode(Self.rfc7515Key))
        let copied = try bytes.withUnsafeBytes { try HMACKey(copying: $0) }
        #expect(Base64URL.encode(HS256.sign(Array(input.utf8), key: copied)) == expected)
    }

    @Test(
        "Not a key, and the error does not show its content",
        arguments: [
            "", "AAAA", String(repeating: "A", count: 41), rfc7515Key + "=", rfc7515Key + "===", rfc7515Key + "\n", " " + rfc7515Key,
            "=" + rfc7515Key, String(repeating: "A", count: 2000), String(repeating: "=", count: 64),
        ])
    func refused(text: String) {
        do {
            _ = try Self.key(text)
            Issue.record("taken")
        } catch {
            #expect("\(error)".hasPrefix("not an HMAC key: "))
            #expect(text.isEmpty || !"\(error)".contains(text))
        }
    }

    @Test("It is never printed")
    func redacted() throws {
        let key = try Self.key(Self.rfc7515Key)
        var dumped = ""
        dump(key, to: &dumped)
        for text in ["\(key)", String(reflecting: key), dumped] { #expect(text.contains("redacted")) }
        #expect(Mirror(reflecting: key).children.isEmpty)
    }
}
