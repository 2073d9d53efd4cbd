import ACME
import ConfigurationFile

/// The CAs that have names: the configuration's `[[ca]]` parts in their order, then the public ones.
struct NamedCAs: Sendable {
    static let settings = ["name", "staging-directory", "pending-authorizations"] + CASettings.settings

    private(set) var all: [ResolvedCA]

    /// Only the public ones.
    init() { all = PublicCA.all.compactMap { ResolvedCA($0) } }

    /// - Throws: `ConfigurationError` with file and line.
    init(_ tables: [ConfigurationTable], general: CASettings) throws(ConfigurationError) {
        var own: [ResolvedCA] = []
        for table in tables {
            let ca = try NamedCAs.ca(table, general: general)
            if own.contains(where: { $0.name == ca.name }) { throw table.error("name", "occurs twice: \(ca.name ?? "")") }
            if let other = own.first(where: { $0.directory == ca.directory }) {
                throw table.error("directory", "is also that of the CA \"\(other.name ?? "")\"", hint: "one [[ca]] for each directory")
            }
            own.append(ca)
        }
        let presets = PublicCA.all.filter { preset in !own.contains { $0.name == preset.name } }
        all = own + presets.compactMap { ResolvedCA($0) }
    }

    private static func ca(_ table: ConfigurationTable, general: CASettings) throws(ConfigurationError) -> ResolvedCA {
        try table.finish(known: settings)
        let name = try table.requiredString("name")
        guard isName(name) else {
            throw table.error("name", "is refused: \"\(TerminalText.safe(name, limit: 80))\"", hint: nameRule)
        }
        var own = try CASettings(table)
        // Whom the CA may contact is rarely a question of the CA.
        own.contact = own.contact ?? general.contact
        let preset = PublicCA.named(name)
        let base = preset.flatMap { ResolvedCA($0) }
        guard let directory = own.directory ?? base?.directory else {
            throw table.error(
                nil, "the CA \"\(name)\" has no directory",
                hint: "directory = \"https://…\", or the name of a public CA: \(PublicCA.all.map(\.name).joined(separator: ", "))")
        }
        own.directory = directory
        let staging = try table.parsed("staging-directory") { try ACMEURL($0) }
        var ca = ResolvedCA(name: name, directory: directory, staging: staging ?? base?.staging, settings: own, preset: preset)
        ca.pendingAuthorizations = try table.integer("pending-authorizations", in: 1...1_000_000)
        return ca
    }

    private static let nameRule =
        "a CA's name has at most 64 lower-case letters, digits, \"-\", \"_\" and \".\", the first a letter or digit"

    /// Such a name is one plain word for a shell, and not an option.
    static func isName(_ text: String) -> Bool {
        func isPlain(_ byte: UInt8) -> Bool {
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte) || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        }
        guard let first = text.utf8.first, isPlain(first), text.utf8.count <= 64 else { return false }
        return text.utf8.allSatisfy { isPlain($0) || "-_.".utf8.contains($0) }
    }

    /// Known names for a hint.
    var names: String { all.compactMap(\.name).joined(separator: ", ") }

    func named(_ name: String) -> ResolvedCA? { all.first { $0.name == name } }

    func at(_ directory: ACMEURL) -> ResolvedCA? { all.first { $0.directory == directory } }

    /// - Throws: `ConfigurationError` if the table's setting names no CA.
    func reference(_ key: String, in table: ConfigurationTable) throws(ConfigurationError) -> ResolvedCA? {
        guard let name = try table.string(key) else { return nil }
        guard let ca = named(name) else {
            throw table.error(
                key, "names no CA: \"\(TerminalText.safe(name, limit: 80))\"", hint: "a [[ca]] part makes one; there are: \(names)")
        }
        return ca
    }

    /// The name for an origin in a message; `nil` if there are none or several.
    func name(of origin: Origin) -> String? {
        let found = all.filter { $0.directory.origin == origin }
        return found.count == 1 ? found[0].name : nil
    }
}
