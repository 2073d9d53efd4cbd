import ACME
import ConfigurationFile
import Foundation
import TestSupport

@testable import acme_agent

/// Installations of other tools, as these tools lay them out.
final class ForeignFixture: Sendable {
    let folder: TemporaryFolder
    private let authority = FakeAuthority()
    /// A value that must never be printed.
    static let secret = "s3cr3t-t0k3n"

    init() throws { folder = try TemporaryFolder() }

    @discardableResult
    func write(_ name: String, _ text: String, mode: Int = 0o600) throws -> String {
        let path = folder.file(name)
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        return try folder.write(name, text, mode: mode)
    }

    func link(_ name: String, to target: String) throws {
        let path = folder.file(name)
        try FileManager.default.createDirectory(
            atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: target)
    }

    /// A chain in PEM for a P-256 key.
    func pem(_ names: [String]) throws -> String {
        let csr = try SoftwareKey().certificateRequest(try names.map { try Identifier(argument: $0) })
        return String(decoding: try authority.issue(csr: csr, now: CommandLineSession.now), as: UTF8.self)
    }

    /// One lineage of certbot: the certificate in `archive`, the links in `live`, and the renewal file.
    func certbot(_ name: String, _ names: [String], _ parameters: String) throws {
        try write("archive/\(name)/cert3.pem", try pem(names))
        try write("archive/\(name)/privkey3.pem", Self.secret)
        try link("live/\(name)/cert.pem", to: "../../archive/\(name)/cert3.pem")
        try link("live/\(name)/privkey.pem", to: "../../archive/\(name)/privkey3.pem")
        try write(
            "renewal/\(name).conf",
            """
            # renew_before_expiry = 30 days
            version = 2.11.0
            archive_dir = \(folder.path)/archive/\(name)
            cert = \(folder.path)/live/\(name)/cert.pem
            privkey = \(folder.path)/live/\(name)/privkey.pem
            chain = \(folder.path)/live/\(name)/chain.pem
            fullchain = \(folder.path)/live/\(name)/fullchain.pem

            # Options used in the renewal process
            [renewalparams]
            account = 0123456789abcdef0123456789abcdef
            \(parameters)

            """, mode: 0o644)
    }

    /// A certificate of acme.sh.
    func acmeShell(_ folder: String, _ domain: String, _ lines: String) throws {
        try write("\(folder)/\(domain).key", Self.secret)
        try write("\(folder)/\(domain).conf", "Le_Domain='\(domain)'\n\(lines)\n")
    }

    static func base64(_ text: String) -> String {
        "__ACME_BASE64__START_\(Data(text.utf8).base64EncodedString())__ACME_BASE64__END_"
    }

    /// As whom the units renew.
    static let client = RenewingUser(name: RenewingUser.systemUser, keyPart: "998", hasUnits: true)

    /// - Parameters:
    ///   - configuration: the acme-agent.toml to which the parts are added.
    ///   - named: the path that is printed, if it is another one.
    func read(
        _ tool: ForeignTool, configuration: String = "", user: RenewingUser = client, folder named: String? = nil
    ) throws -> (text: MigrationText, installation: ForeignInstallation) {
        let installation = try tool.read(try ForeignFolder(folder.path, of: tool.rawValue))
        var settings = try Self.settings(configuration)
        if user.hasUnits { settings.stateDirectory = Environment.rootStateDirectory }
        return (MigrationText(installation, of: tool, in: named ?? folder.path, settings: settings, user: user), installation)
    }

    /// As acme-agent reads it.
    static func settings(_ text: String) throws -> Settings {
        var environment = Environment()
        environment.home = "/home/u"
        let file = try SettingsFile(ConfigurationFile.parse(Array(text.utf8), file: "migrated.toml"))
        return try Settings(try GlobalOptions.parse([]), environment: environment, configured: file, file: nil)
    }

    /// With the settings that are commented out, as a user gets them who deletes their `#`.
    static func uncommented(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false)
            .map { $0.hasPrefix("# ") || $0 == "#" ? "" : $0.hasPrefix("#") ? $0.dropFirst() : $0 }.joined(separator: "\n")
    }
}
