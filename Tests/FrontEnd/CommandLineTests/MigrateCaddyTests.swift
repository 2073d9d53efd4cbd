import ACME
import Foundation
import JOSE
import TestSupport
import Testing

@testable import acme_agent

/// What `migrate` makes of Caddy's storage.
@Suite struct MigrateCaddyTests {
    private static let letsEncrypt = "certificates/acme-v02.api.letsencrypt.org-directory"

    /// A certificate as Caddy stores it.
    private func store(_ fixture: ForeignFixture, _ folder: String, _ names: [String], issuer: String) throws {
        let name = names[0].replacingOccurrences(of: "*", with: "wildcard_")
        try fixture.write("\(folder)/\(name)/\(name).crt", try fixture.pem(names))
        try fixture.write("\(folder)/\(name)/\(name).key", ForeignFixture.secret)
        let sans = names.map { "\"\($0)\"" }.joined(separator: ",")
        try fixture.write("\(folder)/\(name)/\(name).json", "{\n\t\"sans\": [\(sans)],\n\t\"issuer_data\": \(issuer)\n}")
    }

    @Test func caddyIsTakenOver() throws {
        let fixture = try ForeignFixture()
        // Caddy 2.6 keeps the certificate's URL, 2.7 and later the directory as well.
        try store(
            fixture, Self.letsEncrypt, ["www.example.org", "example.org"],
            issuer: "{\"url\": \"https://acme-v02.api.letsencrypt.org/acme/cert/04ab\"}")
        try store(
            fixture, "certificates/ca.example-acme-dir", ["blog.example.org"],
            issuer: "{\"url\": \"https://other.example/cert/1\", \"ca\": \"https://ca.example/acme/dir\", \"account\": \"\"}")
        let (text, installation) = try fixture.read(.caddy)
        #expect(installation.damaged.isEmpty && text.entries.allSatisfy(\.isComplete), "\(text.text)")
        #expect(text.entries.map(\.name.rawValue) == ["www.example.org", "blog.example.org"])
        let declared = try ForeignFixture.settings(text.text).declared
        let www = try #require(declared.first { $0.name.rawValue == "www.example.org" })
        #expect(www.identifiers.map(\.value) == ["www.example.org", "example.org"])
        #expect(www.settings.ca == "letsencrypt" && www.settings.keyType == .p256 && www.settings.challenges == nil)
        #expect(try ForeignFixture.settings(text.text).cas.named("ca.example")?.directory.text == "https://ca.example/acme/dir")
        #expect(text.text.contains("Caddy cannot use a key in the token") && !text.text.contains(ForeignFixture.secret))
        #expect(text.text.contains("http://NAME:8080"))
    }

    @Test func whatCaddyDoesNotSayIsAsked() throws {
        let fixture = try ForeignFixture()
        try store(fixture, Self.letsEncrypt, ["*.example.org"], issuer: "{\"url\": \"https://acme-v02.api.letsencrypt.org/acme/cert/1\"}")
        try store(fixture, "certificates/odd", ["odd.example.org"], issuer: "{\"url\": \"https://odd.example:9000/c/1\"}")
        try store(fixture, "certificates/none", ["none.example.org"], issuer: "null")
        let (text, installation) = try fixture.read(.caddy)
        #expect(installation.damaged.isEmpty && text.entries.allSatisfy { !$0.isComplete }, "\(text.text)")
        func decisions(_ name: String) throws -> String {
            try #require(text.entries.first { $0.name.rawValue == name }, "\(text.text)").certificate.decisions.joined()
        }
        #expect(try decisions("wildcard_.example.org").contains("A wildcard needs a way by DNS"))
        #expect(try decisions("odd.example.org").contains("at a CA at odd.example:9000"))
        #expect(try decisions("none.example.org").contains("does not say at which CA"))
    }

    @Test func whatIsDamagedOrOfCaddysOwnCAHidesNothing() throws {
        let fixture = try ForeignFixture()
        try store(fixture, Self.letsEncrypt, ["www.example.org"], issuer: "{\"url\": \"https://acme-v02.api.letsencrypt.org/c/1\"}")
        try store(fixture, "certificates/local", ["localhost"], issuer: "null")
        // An order that has failed leaves a folder; a certificate can be lost, or cut off, or its description.
        try FileManager.default.createDirectory(
            atPath: fixture.folder.file("\(Self.letsEncrypt)/failed.example.org"), withIntermediateDirectories: true)
        try fixture.write("\(Self.letsEncrypt)/lost.example.org/lost.example.org.json", "{}")
        try fixture.write("\(Self.letsEncrypt)/cut.example.org/cut.example.org.crt", "-----BEGIN CERTIFICATE-----\n")
        try fixture.write("\(Self.letsEncrypt)/odd.example.org/odd.example.org.crt", try fixture.pem(["odd.example.org"]))
        try fixture.write("\(Self.letsEncrypt)/odd.example.org/odd.example.org.json", "{\"issuer_data\": 1}")
        try fixture.write("certificates/file", "")
        let (text, installation) = try fixture.read(.caddy)
        #expect(text.entries.map(\.name.rawValue) == ["www.example.org"])
        #expect(
            installation.damaged.map(\.name) == [
                "\(Self.letsEncrypt)/cut.example.org/cut.example.org.crt", "\(Self.letsEncrypt)/lost.example.org/lost.example.org.crt",
                "\(Self.letsEncrypt)/odd.example.org/odd.example.org.crt", "certificates/file",
            ])
        #expect(text.text.contains("Certificates of Caddy's own CA (certificates/local) are left out"))
        #expect(!text.text.contains("localhost\""))
    }
}
