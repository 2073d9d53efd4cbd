import JOSE
import Testing

@Suite("Base64url (RFC 4648 §5)")
struct Base64URLTests {
    @Test(
        "RFC 4648 §10, without the padding",
        arguments: [
            ("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foob", "Zm9vYg"), ("fooba", "Zm9vYmE"), ("foobar", "Zm9vYmFy"),
        ])
    func vectors(plain: String, text: String) {
        #expect(Base64URL.encode(plain.utf8) == text)
        #expect(Base64URL.encodeBytes(Array(plain.utf8)) == Array(text.utf8))
        #expect(Base64URL.decode(text) == Array(plain.utf8))
        #expect(Base64URL.encodedCount(plain.utf8.count) == text.utf8.count)
    }

    @Test("The two letters that are not those of base64")
    func alphabet() {
        #expect(Base64URL.encode([0xFB, 0xFF, 0xBF]) == "-_-_")
        #expect(Base64URL.decode("-_-_") == [0xFB, 0xFF, 0xBF])
        // RFC 7515, appendix C
        #expect(Base64URL.encode([3, 236, 255, 224, 193]) == "A-z_4ME")
    }

    @Test("Every byte at every place comes back")
    func everyByte() {
        for byte in UInt8.min...UInt8.max {
            for bytes in [[byte], [0, byte], [0, 1, byte], [byte, byte, byte, byte]] {
                #expect(Base64URL.decode(Base64URL.encode(bytes)) == bytes)
            }
        }
    }

    @Test("Appending keeps what was there")
    func appending() {
        var output = Array("a.".utf8)
        Base64URL.append(Array("foobar".utf8)[1..<3], to: &output)
        Base64URL.append("f".utf8.lazy.map { $0 }, to: &output)
        #expect(output == Array("a.b28Zg".utf8))
    }

    @Test(
        "One text for each byte string",
        arguments: [
            "Zg==", "Zg=", "Z", "Zm9vZ", "Zh", "Zm9", "Zm+v", "Zm/v", " Zg", "Zg ", "Zg\n", "Z\r\ng", "Zg\u{0}", "Zé", "Zm9v=", "=", "====",
            "Zm.v",
        ])
    func refused(text: String) {
        #expect(Base64URL.decode(text) == nil)
        #expect(Base64URL.decode(bytes: Array(text.utf8)) == nil)
    }
}
