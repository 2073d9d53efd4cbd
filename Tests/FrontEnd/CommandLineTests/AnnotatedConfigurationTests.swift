import ConfigurationFile
import DurableFile
import Testing

@testable import acme_agent

/// Config/acme-agent.toml is the manual of the settings: it loads, names each of them, and its defaults are the
/// program's.
@Suite struct AnnotatedConfigurationTests {
    private static let path = #filePath.split(separator: "/").dropLast(4).map { "/" + $0 }.joined() + "/Config/acme-agent.toml"

    private func text() throws -> String { String(decoding: try DurableFile.read(Self.path, limit: 1 << 20), as: UTF8.self) }

    @Test func loadsAsItComes() throws {
        let file = try SettingsFile.load(Self.path)
        #expect(file.socket == nil)
    }

    /// Without the comment signs, and with one of the alternatives.
    @Test func everySettingIsExplainedAndValid() throws {
        let lines = try text().split(separator: "\n", omittingEmptySubsequences: false)
        let settings = lines.filter { $0.hasPrefix("#") && $0.dropFirst().first.map { $0.isLetter || $0 == "[" } == true }.map {
            $0.dropFirst()
        }
        let general = settings.prefix { !$0.hasPrefix("[[") }
        let names = Set(general.map { String($0.prefix { $0 != " " }) })
        #expect(names.union(["certificate", "challenge", "ca"]) == Set(SettingsFile.settings))
        // Of the same kind: one at a time.
        let parts = settings.dropFirst(general.count)
        for others in [
            ["webroot", "directory", "dns-hook", "dns-cleanup-hook", "hook-protocol"],
            ["http01-address", "default-ca", "dns-update", "dns-key", "dns-resolver"],
        ] {
            let toml = general.filter { line in !others.contains { line.hasPrefix($0 + " ") } } + parts
            _ = try SettingsFile(ConfigurationFile.parse(Array(toml.joined(separator: "\n").utf8), file: Self.path))
        }
    }

    @Test func defaultsAreTheProgramsOwn() throws {
        let text = try text()
        for line in [
            "#socket = \"/run/acme-agent/agent.sock\"", "#default-ca = \"\(PublicCA.standard)\"",
            "#audit-file = \"\(Settings.defaultAuditFile)\"", "#key-type = \"\(Settings.defaultKeyType.rawValue)\"",
            "#http01-address = \"*:80\"",
            "#dns-wait-seconds = 0",
        ] {
            #expect(text.contains("\n" + line + "\n"), "\(line)")
        }
    }
}
