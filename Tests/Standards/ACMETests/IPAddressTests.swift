import ACME
import Testing

@Suite("IP addresses (RFC 8738, RFC 5952)")
struct IPAddressTests {
    @Test(
        "One canonical text",
        arguments: [
            ("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "0.0.0.0"), ("255.255.255.255", "255.255.255.255"), ("192.0.2.10", "192.0.2.10"),
            ("::", "::"), ("::1", "::1"), ("1::", "1::"), ("2001:db8::1", "2001:db8::1"), ("2001:DB8::ABCD", "2001:db8::abcd"),
            ("2001:0db8:0000:0000:0000:0000:0000:0001", "2001:db8::1"), ("2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
            ("2001:0:0:1:0:0:0:1", "2001:0:0:1::1"), ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"),
            ("1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"),
            ("::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"), ("1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"), ("fe80::1", "fe80::1"),
            ("::ffff:0:0:1", "::ffff:0:0:1"),
            ("64:ff9b::102:304", "64:ff9b::102:304"), ("0:0:1::", "0:0:1::"), ("::ffff", "::ffff"),
        ])
    func canonical(text: String, canonical: String) throws {
        let address = try IPAddress(text)
        #expect(address.text == canonical)
        #expect(address.bytes.count == (text.contains(":") ? 16 : 4))
        #expect(address.isIPv4 == !text.contains(":"))
        #expect(try IPAddress(address.text) == address)
        #expect(try IPAddress(bytes: address.bytes) == address)
        #expect(try Identifier(type: "ip", value: text).value == canonical)
    }

    @Test(
        "Not an address, or a second spelling of one",
        arguments: [
            "", "1", "1.2.3", "1.2.3.4.5", "1.2.3.", ".1.2.3", "1..2.3", "256.0.0.1", "1.2.3.999", "1.2.3.-4", "+1.2.3.4", "1.2.3.4 ",
            " 1.2.3.4",
            "010.0.0.1", "1.2.3.04", "00.0.0.0", "0x7f.0.0.1", "2130706433", "1.2.3.a", "1.2.3.4\n", "1.2.3.4/8", "１.2.3.4", "1,2,3,4",
            "::ffff:1.2.3.4", "::ffff:102:304", "0:0:0:0:0:ffff:102:304", "64:ff9b::1.2.3.4", "::1.2.3.4",
            "fe80::1%eth0", "fe80::1%25eth0", "[::1]", "[::1", ":", ":::", "::1::", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9",
            "1:2:3:4:5:6:7:8::", "::1:2:3:4:5:6:7:8", "1:2:3:4::5:6:7:8", ":1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8:", "1:", ":1", "12345::",
            "g::", "::1 ", " ::1",
            "::1/128", "::1\u{0}", "0000000000000000000000000000000000000000000000000000000000000001::", "example.org", "::Ａ",
        ])
    func refused(text: String) {
        #expect(throws: IdentifierError.self) { try IPAddress(text) }
        #expect(throws: IdentifierError.self) { try Identifier(type: "ip", value: text) }
    }

    @Test("Numbers of bytes that are not an address", arguments: [0, 1, 3, 5, 15, 17])
    func size(count: Int) {
        #expect(throws: IdentifierError.self) { try IPAddress(bytes: [UInt8](repeating: 1, count: count)) }
    }

    @Test("An IPv4-mapped address in bytes")
    func mappedBytes() {
        #expect(throws: IdentifierError.self) { try IPAddress(bytes: [UInt8](repeating: 0, count: 10) + [0xFF, 0xFF, 1, 2, 3, 4]) }
    }

    @Test("RFC 8738 §6: the name that tls-alpn-01 asks for")
    func reverse() throws {
        #expect(try IPAddress("192.0.2.10").reverseName == "10.2.0.192.in-addr.arpa")
        #expect(
            try IPAddress("2001:db8::1").reverseName == "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa")
    }

    @Test("IPv4 before IPv6")
    func order() throws {
        #expect(try IPAddress("255.0.0.1") < IPAddress("::1"))
        #expect(try IPAddress("10.0.0.1") < IPAddress("10.0.0.2"))
        #expect(try !(IPAddress("::1") < IPAddress("10.0.0.2")))
    }
}
