import KeyEncoding
import Testing

@Suite("Hexadecimal")
struct HexadecimalTests {
    @Test("Every byte, in both cases")
    func everyByte() {
        let bytes = Array(UInt8.min...UInt8.max)
        let text = Hexadecimal.encode(bytes)
        #expect(text.hasPrefix("000102") && text.hasSuffix("fdfeff"))
        #expect(text.utf8.count == 512)
        #expect(Hexadecimal.decode(text) == bytes)
        #expect(Hexadecimal.decode(text.uppercased()) == bytes)
        #expect(Hexadecimal.decode("") == [])
    }

    @Test("Half a byte, other characters", arguments: ["0", "abc", "0g", " 00", "00 ", "0x00", "00\n", "é0", "-1", "00:11"])
    func refused(text: String) { #expect(Hexadecimal.decode(text) == nil) }
}
