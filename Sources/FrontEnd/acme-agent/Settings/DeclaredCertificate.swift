import ACME
import CertificateStore
import ConfigurationFile

/// A certificate that should exist: a `[[certificate]]` of the configuration with names.
struct DeclaredCertificate: Sendable {
    static let settings = ["name", "names", "ca", "second-ca", "must-staple"]

    var name: CertificateName
    /// At least one, each once, in their order. They are all that it has.
    var identifiers: [Identifier]
    /// The part's own settings.
    var settings: CertificateSettings

    init(
        _ name: String, _ identifiers: [Identifier], _ settings: CertificateSettings, _ table: ConfigurationTable
    ) throws(ConfigurationError) {
        do { self.name = try CertificateName(name) } catch { throw table.error("name", "is refused: \(error)") }
        self.identifiers = identifiers
        self.settings = settings
    }

    /// The names in the certificate; `nil` for a part that only has settings.
    static func names(_ table: ConfigurationTable) throws(ConfigurationError) -> [Identifier]? {
        guard let texts = try table.strings("names") else { return nil }
        guard !texts.isEmpty else {
            throw table.error("names", "is empty", hint: "list the certificate's names, or omit it to give only settings")
        }
        var identifiers: [Identifier] = []
        for text in texts {
            do {
                let identifier = try Identifier(argument: text)
                if !identifiers.contains(identifier) { identifiers.append(identifier) }
            } catch { throw table.error("names", "is refused: \(Failure(notAName: text, error).message)") }
        }
        return identifiers
    }

    /// The name under which it is stored: by default that of its first name.
    static func name(_ table: ConfigurationTable, names: [Identifier]?) throws(ConfigurationError) -> String {
        if let name = try table.string("name") { return name }
        if let first = names?.first { return CertificateName(first).rawValue }
        return try table.requiredString("name")
    }
}
