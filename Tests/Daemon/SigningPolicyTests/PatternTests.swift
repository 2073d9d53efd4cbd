import ACME
import Testing

@testable import SigningPolicy

@Suite("Patterns of a grant")
struct PatternTests {
    @Test("Names: what a pattern covers, and what only looks like it")
    func names() throws {
        let cases: [(String, covered: [String], not: [String])] = [
            (
                "www.example.org", ["www.example.org", "WWW.Example.ORG", "www.example.org."],
                [
                    "example.org", "a.www.example.org", "www.example.org.evil.test", "evil-www.example.org", "www.example.com",
                    "*.example.org",
                ]
            ),
            (
                "*.example.org", ["www.example.org", "a-b.example.org", "xn--bcher-kva.example.org", "*.example.org"],
                [
                    "example.org", "a.b.example.org", "*.b.example.org", "evil-example.org", "wwwexample.org", "www.example.org.evil.test",
                    "www.example.com", "org",
                ]
            ),
            ("*.org", ["example.org"], ["www.example.org", "org"]),
            ("localhost", ["localhost"], ["a.localhost", "localhost.example"]),
            ("*", ["www.example.org", "*.example.org", "localhost"], []),
        ]
        for (text, covered, not) in cases {
            let pattern = try IdentifierPattern(text)
            #expect(pattern.description == text)
            for name in covered { #expect(pattern.covers(try dns(name)), "\(text) should cover \(name)") }
            for name in not { #expect(!pattern.covers(try dns(name)), "\(text) should not cover \(name)") }
            if text != "*" { #expect(!pattern.covers(try ip("192.0.2.1"))) }
        }
    }

    @Test("Addresses and networks, at every length")
    func networks() throws {
        #expect(try IdentifierPattern("192.0.2.1").covers(ip("192.0.2.1")))
        #expect(try !IdentifierPattern("192.0.2.1").covers(ip("192.0.2.2")))
        #expect(try IdentifierPattern("2001:DB8:0::1").covers(ip("2001:db8::1")))
        #expect(try IdentifierPattern("*").covers(ip("2001:db8::1")))
        #expect(try !IdentifierPattern("0.0.0.0/0").covers(ip("::1")))
        #expect(try !IdentifierPattern("::/0").covers(ip("10.0.0.1")))
        for length in 0...32 {
            // Every bit of the network set, none beyond.
            let bits: UInt32 = length == 0 ? 0 : ~0 << UInt32(32 - length)
            let bytes = [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: bits >> $0) }
            let base = bytes.map(String.init).joined(separator: ".")
            let pattern = try IdentifierPattern("\(base)/\(length)")
            for bit in 0..<32 {
                var other = bytes
                other[bit / 8] ^= 0x80 >> (bit % 8)
                #expect(pattern.covers(.ip(try IPAddress(bytes: other))) == (bit >= length), "/\(length), bit \(bit)")
            }
        }
        let six = try IdentifierPattern("2001:db8:8000::/33")
        #expect(six.covers(try ip("2001:db8:ffff::1")))
        #expect(!six.covers(try ip("2001:db8:7fff::1")))
        #expect(six.description == "2001:db8:8000::/33")
    }

    @Test("Texts that are not identifier patterns")
    func refusedIdentifiers() {
        let texts = [
            "", "**", "*.*.example.org", "a*.example.org", "*a.example.org", "www.*.org", "*.", ".example.org", "www..example.org",
            "*.192.0.2.1", "192.0.2.0/33", "192.0.2.0/-1", "192.0.2.0/024", "192.0.2.0/", "192.0.2.0/2/4", "192.0.2.1/24", "example.org/24",
            "2001:db8::/129", "2001:db8::1/64", "::ffff:192.0.2.0/120", "010.0.0.1", "010.0.0.0/8", "www.example.org:443", "https://x",

            "xn--a.example\n", "-x.example", String(repeating: "a", count: 64) + ".example", "www.example.org ", "fe80::1%eth0", "*.*",
            "*/0",
        ]
        for text in texts { #expect(throws: PatternError.self, "\(text)") { try IdentifierPattern(text) } }
    }

    @Test("An internationalised name means its A-labels")
    func internationalised() throws {
        #expect(try IdentifierPattern("*.Bücher.example").description == "*.xn--bcher-kva.example")
        #expect(try IdentifierPattern("*.bücher.example").covers(dns("www.xn--bcher-kva.example")))
    }

    @Test("Keys: exact names and prefixes")
    func keys() throws {
        #expect(try KeyPattern("web").covers("web"))
        #expect(try !KeyPattern("web").covers("web-1"))
        #expect(try KeyPattern("web-*").covers("web-"))
        #expect(try KeyPattern("web-*").covers("web-1"))
        #expect(try !KeyPattern("web-*").covers("web"))
        #expect(try !KeyPattern("web-*").covers("xweb-1"))
        #expect(try KeyPattern("*").covers("anything"))
        for text in ["", "**", "*web", "we*b", "../x", "-rf", "a b", "a\n", "a..b", "A", ".a", String(repeating: "a", count: 65)] {
            #expect(throws: PatternError.self, "\(text)") { try KeyPattern(text) }
        }
        #expect(throws: PatternError.self) { try KeyPattern("a\u{1B}[31m") }
    }

    @Test("CAs: exact origins; any port only on loopback")
    func cas() throws {
        #expect(try CAPattern("https://acme.example").covers(origin()))
        #expect(try CAPattern("HTTPS://ACME.example:443").covers(origin()))
        #expect(try !CAPattern("https://acme.example:8443").covers(origin()))
        #expect(try !CAPattern("https://acme.example").covers(origin("https://acme.example.evil.test")))
        for host in ["localhost", "127.0.0.1", "[::1]"] {
            let pattern = try CAPattern("https://\(host):*")
            #expect(pattern.description == "https://\(host):*")
            #expect(pattern.covers(try origin("https://\(host)")))
            #expect(pattern.covers(try origin("https://\(host):14000")))
            #expect(!pattern.covers(try origin()))
        }
        #expect(try !CAPattern("https://localhost:*").covers(origin("https://localhost.evil.test")))
        #expect(try !CAPattern("https://localhost:*").covers(origin("https://127.0.0.1:14000")))
        for text in [
            "*", "https://*", "https://acme.example:*", "https://127.0.0.2:*", "http://localhost:*", "http://acme.example", "acme.example",
            "https://acme.example/directory", "https://user@acme.example", "https://acme.example:0", "", "https://", "https://localhost:1*",
        ] { #expect(throws: PatternError.self, "\(text)") { try CAPattern(text) } }
    }

    @Test(
        "If a CA is written as more or less than its origin, the error names the origin",
        arguments: [
            ("https://acme.example/directory", "leave out the path: \"https://acme.example\""),
            ("https://Acme.Example:8443/", "leave out the path: \"https://acme.example:8443\""),
            ("acme.example", "begin with https://: \"https://acme.example\""),
            ("acme.example/directory", "begin with https://: \"https://acme.example\""),
            ("http://acme.example/directory", "not the origin of a CA"), ("https://", "not the origin of a CA"),
        ])
    func caHint(_ text: String, _ words: String) throws {
        let error = #expect(throws: PatternError.self) { try CAPattern(text) }
        #expect(error?.description.contains(words) == true, "\(String(describing: error))")
    }

    @Test("Operations: bundles have what they promise; dangerous ones are only in administer")
    func operations() throws {
        #expect(
            try OperationBundle.operations(named: ["issue"]) == [.newOrder, .postAsGet, .respondToChallenge, .finalize, .listKeys])
        #expect(try OperationBundle.operations(named: ["account", "sign-handshake"]).contains(.signHandshake))
        for bundle in OperationBundle.allCases {
            for operation in [
                Operation.signHandshake, .signClientHandshake, .signServerKeyExchange, .signRequest, .readAudit, .readMetrics,
            ] {
                #expect(!bundle.operations.contains(operation))
            }
            guard bundle != .administer else { continue }
            for operation in [
                Operation.revokeCertificate, .keyChange, .deactivateAccount, .deactivateAuthorization, .createKey, .adoptKey, .deleteKey,
                .retireKey,
            ] {
                #expect(!bundle.operations.contains(operation))
            }
        }
        for name in ["all", "*", "Issue", "sign", ""] {
            #expect(throws: PatternError.self) { try OperationBundle.operations(named: [name]) }
        }
        for operation in Operation.allCases { #expect(try OperationBundle.operations(named: [operation.rawValue]) == [operation]) }
    }

    @Test("Peers: by user and group; 65534 never matches")
    func peers() {
        #expect(PeerPattern.user(1_000).covers(web))
        #expect(!PeerPattern.user(1_000).covers(mail))
        #expect(PeerPattern.group(33).covers(web))
        #expect(!PeerPattern.group(33).covers(mail))
        #expect(!PeerPattern.user(65_534).covers(Peer(uid: 65_534, gids: [])))
        #expect(!PeerPattern.group(65_534).covers(Peer(uid: 1_000, gids: [65_534])))
        #expect(!PeerPattern.group(1_000).covers(Peer(uid: 1_000, gids: [])))
    }

    @Test("Two grants with one name, or a grant without a name, are refused")
    func grantNames() throws {
        let grant = try webGrant()
        #expect(throws: PatternError.self) { try Policy(grants: [grant, grant]) }
        #expect(throws: PatternError.self) { try Policy(grants: [webGrant("")]) }
    }
}
