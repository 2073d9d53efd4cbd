import JOSE
import Testing

@Suite("Base64")
struct Base64Tests {
    /// RFC 4648 §10, and the two letters that base64url does not have.
    private static let vectors: [([UInt8], String)] =
        [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy")]
        .map { (Array($0.0.utf8), $0.1) } + [([0xFB, 0xEF, 0xBF], "+++/"), ([0xFF, 0xFF], "//8=")]

    @Test("The RFC's vectors, both ways", arguments: vectors)
    func vector(bytes: [UInt8], text: String) {
        #expect(String(decoding: Base64.encode(bytes), as: UTF8.self) == text)
        #expect(Base64.decode(Array(text.utf8)) == bytes)
    }

    @Test(
        "No padding, too much of it, hidden bits, letters of base64url",
        arguments: ["Zg", "Zg=", "Zg===", "Z===", "====", "Zh==", "Zm9=", "Zg==Zg==", "=Zg=", "--_v", "Zm9v\n", "Zm 9"])
    func refused(text: String) { #expect(Base64.decode(Array(text.utf8)) == nil) }
}
