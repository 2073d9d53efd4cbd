import JOSE
import Testing

@Suite struct KeyFileTests {
    private static let spki = """
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE91N6kCc5A/6NerhR8He2sC8oKOzDH6v93hW9rY0maw506i56/x6QpbGxSZdPQ7HK4TOKBZxuJvyL6ziawnWsww==
        """

    /// The example in Docs/servers.md, which the OpenSSL provider's own tests made.
    @Test func aKeyFileHasTheNameAndThePublicHalf() throws {
        let spki = try #require(Base64.decode(Array(Self.spki.utf8)))
        #expect(
            String(decoding: KeyFile.encode(name: "p-256", socket: nil, spki: spki), as: UTF8.self) == """
                -----BEGIN ACME AGENT KEY-----
                MGUCAQEMBXAtMjU2MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE91N6kCc5A/6N
                erhR8He2sC8oKOzDH6v93hW9rY0maw506i56/x6QpbGxSZdPQ7HK4TOKBZxuJvyL
                6ziawnWsww==
                -----END ACME AGENT KEY-----

                """)
    }

    @Test func aKeyFileNamesASocketThatIsNotTheUsualOne() throws {
        let pem = String(decoding: KeyFile.encode(name: "a", socket: "/s", spki: [0x30, 0]), as: UTF8.self)
        // SEQUENCE { INTEGER 1, UTF8String "a", UTF8String "/s", SEQUENCE {} }
        let der: [UInt8] = [0x30, 12, 0x02, 1, 1, 0x0C, 1, 0x61, 0x0C, 2, 0x2F, 0x73, 0x30, 0]
        #expect(pem.split(separator: "\n").dropFirst().first.map(String.init) == String(decoding: Base64.encode(der), as: UTF8.self))
    }
}
