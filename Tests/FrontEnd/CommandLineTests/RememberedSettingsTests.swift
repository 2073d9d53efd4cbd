import ACME
import CertificateStore
import DurableFile
import Foundation
import Glibc
import Issuance
import JOSE
import Testing

@testable import acme_agent

/// The options of a certificate's order are used again for its renewal.
@Suite struct RememberedSettingsTests {
    private func withFolder(_ body: (RememberedSettings, CertificateName) throws -> Void) throws {
        var template = Array("\(FileManager.default.temporaryDirectory.path)/acme-agent-settings-XXXXXX".utf8CString)
        let folder = try #require(mkdtemp(&template).map { String(cString: $0) })
        let memory = RememberedSettings(stateDirectory: folder)
        let name = try CertificateName("www.example.org")
        defer {
            unlink(memory.path(name))
            rmdir(folder + "/settings")
            rmdir(folder)
        }
        try body(memory, name)
    }

    @Test func comesBackAsItWas() throws {
        try withFolder { memory, name in
            #expect(try memory.read(name) == CertificateSettings())
            var settings = CertificateSettings()
            settings.challenges = [
                .listener([try ListenEndpoint("127.0.0.1:5002"), try ListenEndpoint("[::1]:5002")]),
                .tlsListener([try ListenEndpoint("[::1]:5003"), .inherited("tls")]),
                .dnsHook("/both"),
            ]
            settings.dnsWait = 7
            settings.deployHooks = ["/hook", "/second"]
            settings.failureHook = "/failed"
            settings.keyType = .rsa3072
            settings.profile = "short\"lived"
            settings.preferredChain = "Röot"
            settings.mustStaple = false
            settings.caCertificate = CertificateSettings.CACertificate(
                directory: try ACMEURL("https://ca.example/dir"), file: "/roots/ca.pem")
            try memory.remember(settings, for: name)
            #expect(try memory.read(name) == settings)
            var other = CertificateSettings()
            let resolver = try DNSUpdateSettings(server: "auto", keyFile: nil, resolver: "[::1]:5353")
            other.challenges = [
                .dnsPersist(resolver),
                .dnsUpdate(try DNSUpdateSettings(server: "ns1.example.org:5353", keyFile: "/key", resolver: "[::1]:5353")),
            ]
            try memory.remember(other, for: name)
            #expect(try memory.read(name) == other)
            other.challenges = [.dnsHook(try DNSHook("/dns", cleanup: "/undo", hookProtocol: "certbot"))]
            other.dnsChallenge = .dnsAccount01
            try memory.remember(other, for: name)
            #expect(try memory.read(name) == other)
            try memory.forget(name)
            try memory.forget(name)
            #expect(try memory.read(name) == CertificateSettings())
        }
    }

    @Test(arguments: [
        "", "{}", "[]", "{\"version\":0}", "{\"version\":1,\"x\":1}", "{\"version\":1,\"webroot\":\"/a\",\"http01Addresses\":[\"*:80\"]}",
        "{\"version\":1,\"keyType\":\"x\"}", #"{"version":3,"caCertificate":"ca.pem","caCertificateFor":"https://ca.example/dir"}"#,
        #"{"version":3,"caCertificate":"/ca.pem"}"#,
    ])
    func aDamagedFileIsNamed(text: String) throws {
        try withFolder { memory, name in
            try memory.remember(CertificateSettings(), for: name)
            try DurableFile.createFolder(String(memory.path(name).dropLast("/www.example.org.json".count)), mode: 0o700)
            try DurableFile.replace(memory.path(name), with: Array(text.utf8), mode: 0o600)
            #expect { try memory.read(name) } throws: { ($0 as? Failure)?.code == "settings-damaged" }
        }
    }

    @Test func aFileOfTheFirstVersionIsRead() throws {
        let settings = try RememberedSettings.decode(Array(#"{"version":1,"deployHook":"/hook"}"#.utf8))
        #expect(settings.deployHooks == ["/hook"] && settings.mustStaple == nil)
    }

    @Test func aFileOfANewerVersionIsNeitherGuessedAtNorWrittenOver() throws {
        try withFolder { memory, name in
            try memory.remember(CertificateSettings(), for: name)
            var settings = CertificateSettings()
            settings.profile = "classic"
            try memory.remember(settings, for: name)
            let text = "{\"version\":6,\"profile\":\"classic\",\"profiles\":[\"a\"]}"
            try DurableFile.replace(memory.path(name), with: Array(text.utf8), mode: 0o600)
            for body in [{ _ = try memory.read(name) }, { try memory.remember(settings, for: name) }] as [() throws -> Void] {
                #expect { try body() } throws: { ($0 as? Failure)?.code == "settings-newer" }
            }
            #expect(try DurableFile.read(memory.path(name), limit: 1000) == Array(text.utf8))
        }
    }
}
