import ACME
import Testing

@Suite("URLs and origins (RFC 8555 §6.1, RFC 3986)")
struct ACMEURLTests {
    @Test(
        "Kept as given, with its parts",
        arguments: [
            ("https://ca.example/dir", "https://ca.example", "ca.example", 443, "/dir"),
            ("https://CA.Example:443/dir", "https://ca.example", "ca.example", 443, "/dir"),
            ("HTTPS://ca.example/", "https://ca.example", "ca.example", 443, "/"),
            ("https://ca.example:14000/dir?x=/../y", "https://ca.example:14000", "ca.example", 14000, "/dir?x=/../y"),
            ("https://127.0.0.1:14000/sign-me-up", "https://127.0.0.1:14000", "127.0.0.1", 14000, "/sign-me-up"),
            ("https://[2001:DB8:0::1]:8443/a%20b/c.d/...", "https://[2001:db8::1]:8443", "2001:db8::1", 8443, "/a%20b/c.d/..."),
            ("https://[::1]/a//b/~x@y:z", "https://[::1]", "::1", 443, "/a//b/~x@y:z"),
            ("https://localhost:65535/x.", "https://localhost:65535", "localhost", 65535, "/x."),
        ] as [(String, String, String, Int, String)])
    func parts(text: String, origin: String, host: String, port: Int, path: String) throws {
        let url = try ACMEURL(text)
        #expect(url.text == text)
        #expect("\(url)" == text)
        #expect("\(url.origin)" == origin)
        #expect(url.host == host)
        #expect(url.port == port)
        #expect(url.path == path)
        #expect(try Origin(origin) == url.origin)
        #expect(url.origin.host == host)
        #expect(url.origin.port == port)
    }

    @Test(
        "What is refused, and why",
        arguments: [
            ("http://ca.example/dir", .notHTTPS), ("ftp://ca.example/", .notHTTPS), ("//ca.example/", .notHTTPS),
            ("ca.example/", .notHTTPS),
            ("", .notHTTPS), ("https:/ca.example/", .notHTTPS), ("https:ca.example", .notHTTPS), ("httpsx://ca.example/", .notHTTPS),
            ("https\u{1A}//ca.example/", .notHTTPS), (" https://ca.example/", .notHTTPS), ("javascript:alert(1)", .notHTTPS),
            ("https://user@ca.example/", .userInformation), ("https://user:pw@ca.example/", .userInformation),
            ("https://ca.example@evil.example/", .userInformation), ("https://@ca.example/", .userInformation),
            ("https://ca.example/#", .fragment), ("https://ca.example/a#b", .fragment), ("https://ca.example#/", .fragment),
            ("https://ca.example\\@evil.example/", .invalidByte), ("https://ca.example/a\\b", .invalidByte),
            ("https://ca.example/a b", .invalidByte), ("https://ca.example/a\tb", .invalidByte),
            ("https://ca.example/a\r\nb", .invalidByte),
            ("https://ca.example/\u{0}", .invalidByte), ("https://ca.example/\u{7F}", .invalidByte), ("https://ca.example/é", .invalidByte),
            ("https://ca。example/", .invalidByte), ("https://ca.example/<x>", .invalidByte), ("https://ca.example/\"", .invalidByte),
            ("https://ca.example/%", .invalidByte), ("https://ca.example/%2", .invalidByte), ("https://ca.example/%zz", .invalidByte),
            ("https://ca.example/%2/", .invalidByte), ("https://ca.example/\u{1B}[31m", .invalidByte),
            ("https:///dir", .invalidHost), ("https://:443/dir", .invalidHost), ("https://-ca.example/", .invalidHost),
            ("https://ca..example/", .invalidHost), ("https://ca.example./", .invalidHost), ("https://*.example/", .invalidHost),
            ("https://%63a.example/", .invalidHost), ("https://1.2.3/", .invalidHost), ("https://0x7f.0.0.1/", .invalidHost),
            ("https://010.0.0.1/", .invalidHost), ("https://2130706433/", .invalidHost), ("https://[::ffff:1.2.3.4]/", .invalidHost),
            ("https://[fe80::1%25eth0]/", .invalidHost), ("https://[::1/", .invalidHost), ("https://[]/", .invalidHost),
            ("https://[127.0.0.1]/", .invalidHost), ("https://[::1]x/", .invalidHost), ("https://[ca.example]/", .invalidHost),
            ("https://ca_x.example/", .invalidHost), ("https://ca.example]/", .invalidHost), ("https://[/", .invalidHost),
            ("https://::1/", .invalidHost), ("https://ca.example:/", .invalidPort), ("https://ca.example:0/", .invalidPort),
            ("https://ca.example:65536/", .invalidPort), ("https://ca.example:0443/", .invalidPort),
            ("https://ca.example:-1/", .invalidPort),
            ("https://ca.example:+443/", .invalidPort), ("https://ca.example:443:443/", .invalidPort),
            ("https://ca.example:44a/", .invalidPort),
            ("https://[::1]:/", .invalidPort), ("https://ca.example:99999999999999999999/", .invalidPort),
            ("https://ca.example", .noPath), ("https://ca.example?x", .noPath), ("https://ca.example:443", .noPath),
            ("https://ca.example/.", .dotSegment), ("https://ca.example/..", .dotSegment), ("https://ca.example/a/../b", .dotSegment),
            ("https://ca.example/./a", .dotSegment), ("https://ca.example/a/..?x", .dotSegment), ("https://ca.example/%2e/", .dotSegment),
            ("https://ca.example/%2E%2e/b", .dotSegment), ("https://ca.example/.%2e/b", .dotSegment),
            ("https://ca.example/a%2f..%2fb", .dotSegment),
            ("https://ca.example/a%5C..%5Cb", .dotSegment), ("https://ca.example/%00", .invalidByte),
            ("https://ca.example/a%0d%0ab", .invalidByte),
            ("https://ca.example/" + String(repeating: "a", count: ACMEURL.maximumLength), .tooLong),
        ] as [(String, ACMEURLError)])
    func refused(text: String, reason: ACMEURLError) {
        #expect(throws: reason) { try ACMEURL(text) }
        #expect(!"\(reason)".isEmpty)
    }

    @Test("The longest URL")
    func longest() throws {
        let text = "https://ca.example/" + String(repeating: "a", count: ACMEURL.maximumLength - 19)
        #expect(try ACMEURL(text).text.utf8.count == ACMEURL.maximumLength)
    }

    @Test("Two spellings of one URL are two URLs of one origin")
    func comparison() throws {
        let one = try ACMEURL("https://ca.example/dir")
        let other = try ACMEURL("https://CA.example:443/dir")
        #expect(one != other)
        #expect(one.origin == other.origin)
    }

    @Test(
        "Another scheme, host or port is another origin",
        arguments: ["https://ca.example:444", "https://ca.example.org", "https://a.ca.example"])
    func otherOrigin(text: String) throws {
        #expect(try Origin(text) != Origin("https://ca.example"))
    }

    @Test(
        "Not an origin",
        arguments: [
            "https://ca.example/", "https://ca.example/x", "https://ca.example?x", "https://ca.example#", "http://ca.example", "ca.example",
            "null", "",
            "https://", "https://*.example", "https://user@ca.example", "https://ca.example:0", "https://[::1", "https://[::ffff:1.2.3.4]",
        ])
    func noOrigin(text: String) {
        #expect(throws: ACMEURLError.self) { try Origin(text) }
    }
}
