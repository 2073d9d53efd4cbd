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

    @Test func aKeyFileIsRead() throws {
        let spki = try #require(Base64.decode(Array(Self.spki.utf8)))
        for socket in [nil, "/run/acme-agent/agent.sock"] {
            let pem = KeyFile.encode(name: "www.example.org-2", socket: socket, spki: spki)
            let file = try KeyFile(pem: pem)
            #expect(file.name == "www.example.org-2" && file.socket == socket)
            #expect(try file.publicKey == PublicKey(spki: spki))
            // With a certificate before it, as HAProxy has it, and with the line ends of another system.
            let chain = Array("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".utf8)
            #expect(try KeyFile(pem: chain + pem) == file)
            #expect(try KeyFile(pem: Array(String(decoding: pem, as: UTF8.self).replacing("\n", with: "\r\n").utf8)) == file)
        }
    }

    @Test func whatNamesNoKeyIsRefused() throws {
        let spki = try #require(Base64.decode(Array(Self.spki.utf8)))
        let good = KeyFile.encode(name: "a", socket: nil, spki: spki)
        func reason(_ pem: [UInt8]) -> String? {
            do throws(JOSEError) { _ = try KeyFile(pem: pem) } catch { return error.description }
            return nil
        }
        func changed(_ old: [UInt8], _ new: [UInt8]) -> [UInt8] {
            let der = KeyFile.der(name: "a", socket: nil, spki: spki)
            return Array(PEM.encode(Array(der).replacing(old, with: new, maxReplacements: 1), label: KeyFile.label).utf8)
        }
        #expect(reason([])?.contains("has no \"ACME AGENT KEY\"") == true)
        #expect(reason(Array("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n".utf8))?.contains("has no") == true)
        #expect(reason(good.dropLast(4))?.contains("has no") == true)
        #expect(reason(good + good)?.contains("names 2 keys") == true)
        #expect(reason(Array("-----BEGIN ACME AGENT KEY-----\n!\n-----END ACME AGENT KEY-----\n".utf8))?.contains("base64") == true)
        #expect(reason(changed([0x02, 0x01, 0x01], [0x02, 0x01, 0x02]))?.contains("version is not 1") == true)
        #expect(reason(changed([0x0C, 0x01, 0x61], [0x0C, 0x01, 0xFF]))?.contains("no key name") == true)
        #expect(reason(changed([0x0C, 0x01, 0x61], [0x04, 0x01, 0x61]))?.contains("no key name") == true)
        // The point is not on the curve.
        #expect(reason(changed([0x42, 0x00, 0x04], [0x42, 0x00, 0x03])) != nil)
        for socket in ["run/agent.sock", "", "/run/a\nb"] {
            #expect(reason(KeyFile.encode(name: "a", socket: socket, spki: spki))?.contains("absolute path") == true, "\(socket)")
        }
        // Bytes after the end, and a public half with bytes after it.
        #expect(reason(KeyFile.encode(name: "a", socket: nil, spki: spki + [0x05, 0x00])) != nil)
        #expect(reason(Array(PEM.encode(KeyFile.der(name: "a", socket: nil, spki: spki) + [0], label: KeyFile.label).utf8)) != nil)
        // Every beginning of a file.
        let der = KeyFile.der(name: "a", socket: "/s", spki: spki)
        for count in 0..<der.count { #expect(reason(Array(PEM.encode(Array(der.prefix(count)), label: KeyFile.label).utf8)) != nil) }
    }
}
