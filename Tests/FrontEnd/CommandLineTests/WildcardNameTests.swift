import ACME
import CertificateStore
import Testing

@testable import acme_agent

/// Wildcard certificates of earlier versions: their names began with `_`.
@Suite struct WildcardNameTests {
    private static let issue = "acme-agent issue --directory https://ca.example/directory"

    private func session() async throws -> CommandLineSession {
        let session = try CommandLineSession()
        try await session.install("*.example.org", as: try CertificateName("_wildcard_.example.org"))
        return session
    }

    @Test(arguments: ["-d '*.example.org'", "-d x.example --name wildcard_.example.org --replace-names"])
    func issueFindsIt(names: String) async throws {
        let session = try await session()
        let outcome = try await session.run("\(Self.issue) \(names)")
        #expect(outcome.status == (names.contains("--name") ? 3 : 0), "\(outcome)")
        #expect(try await session.store.certificateNames().map(\.rawValue) == ["_wildcard_.example.org"])
        #expect(try await session.store.journalNames().isEmpty)
    }

    @Test(arguments: ["'*.example.org'", "wildcard_.example.org", "_wildcard_.example.org"])
    func eachSpellingFindsIt(name: String) async throws {
        let session = try await session()
        for (command, status) in [("show", 0), ("renew", 0), ("revoke", 3), ("forget --yes", 0)] {
            let outcome = try await session.run("acme-agent \(command) \(name)")
            #expect(outcome.status == Int32(status), "\(outcome)")
        }
        #expect(try await session.store.certificateNames().isEmpty)
        let gone = try await session.run("acme-agent show \(name)")
        #expect(gone.status == 1, "\(gone)")
    }

    /// Where both are there, each is found by its own name.
    @Test func ofTwoTheExactOneIsTaken() async throws {
        let session = try await session()
        try await session.install("*.example.org")
        for (name, other) in [("wildcard_.example.org", "_wildcard_.example.org"), ("_wildcard_.example.org", "wildcard_.example.org")] {
            let outcome = try await session.run("acme-agent show \(name)")
            #expect(outcome.output.contains("  \(name)\n") && !outcome.output.contains("  \(other)\n"), "\(outcome)")
        }
        let first = try await session.run("acme-agent show '*.example.org'")
        #expect(first.output.contains("  wildcard_.example.org\n"), "\(first)")
    }

    @Test func theConfigurationsPartForItIsFound() throws {
        var file = SettingsFile()
        var part = CertificateSettings()
        part.profile = "short"
        file.certificates["_wildcard_.example.org"] = part
        var options = GlobalOptions.unset
        options.stateDirectory = "/state"
        let settings = try Settings(options, environment: Environment(), configured: file, file: nil)
        for name in ["wildcard_.example.org", "_wildcard_.example.org"] {
            #expect(settings.certificate(named: name, given: CertificateSettings(), remembered: CertificateSettings()).profile == "short")
        }
    }

    @Test func longNamesHaveBothSpellingsFromTheirIdentifier() throws {
        let label = String(repeating: "a", count: 60)
        for base in ["example.org", "\(label).\(String(label.dropLast(4)))", "\(label).\(label).\(label).example"] {
            let names = CertificateName.spellings(for: try Identifier(argument: "*.\(base)"))
            #expect(names.count == 2 && names[0].rawValue.hasPrefix("wildcard_.") && names[1].rawValue.hasPrefix("_wildcard_."))
            #expect(names.allSatisfy { $0.rawValue.utf8.count <= CertificateName.maximumLength })
        }
        #expect(CertificateName.spellings(for: try Identifier(argument: "www.example.org")).count == 1)
        #expect(try CertificateName("www.example.org").spellings.count == 1)
    }
}
