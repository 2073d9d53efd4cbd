import ACME

/// The keys, and where they are.
struct KeySection: PageSection {
    static let title = "Keys and where they are"
    static let anchor = Anchor.keys
    static let titleAnchor = Anchor.keysTitle
    static let shown = 2_000
    /// Certificates of one key.
    private static let certificates = 6

    private let keys: Known<[KeyFact]>
    /// Names of the certificates of each key.
    private let uses: [String: [String]]

    init(_ keys: Known<[KeyFact]>, _ store: Known<StoreFacts>) {
        self.keys = keys
        uses = Dictionary(grouping: store.value?.certificates ?? [], by: \.key).mapValues { $0.map(\.name).sorted() }
    }

    func content(_ section: inout Markup) {
        switch keys {
        case .unknown(let why): section.missing("The keys cannot be shown", why)
        case .known(let keys) where keys.isEmpty: section.paragraph("There are none that a grant shows to this user.")
        case .known(let keys):
            section.paragraph(
                "Each key was made in its token, or adopted there, and signs only for the agent. None is in a file of the agent's.")
            byToken(keys, &section)
            let columns = [
                Column("Key"), Column("Use"), Column("State"), Column("Token"), Column("Certificates, or CA"), Column("Made"),
                Column("SHA-256 of the public key"),
            ]
            section.table("Keys, by name", columns, keys.sorted { $0.name < $1.name }.prefix(Self.shown).map(row))
            section.leftOut(keys.count - Self.shown, "more keys are not shown: acme-agent keys list shows all.")
        }
    }

    private func byToken(_ keys: [KeyFact], _ section: inout Markup) {
        let tokens = Dictionary(grouping: keys, by: \.token).sorted { $0.key < $1.key }
        guard tokens.count > 1 else { return }
        let most = tokens.map { UInt64($0.value.count) }.max() ?? 0
        section.table(
            "Keys in each token", [Column("Token"), Column("Keys", .number), Column("Share", .bar)],
            tokens.map { [Cell($0.key), .number($0.value.count), .bar(UInt64($0.value.count), of: most)] })
    }

    private func row(_ key: KeyFact) -> [Cell] {
        let names = uses[key.name] ?? [], more = names.count - Self.certificates
        let place =
            names.isEmpty ? [key.directory].compactMap(\.self) : names.prefix(Self.certificates) + (more > 0 ? ["and \(more) more"] : [])
        return [
            Cell(key.name),
            Cell { cell in
                for word in [key.usage, key.algorithm] { cell.element(.div, text: word) }
            }, state(key),
            Cell { cell in
                cell.foreign(key.token)
                cell.element(.div, .classes(.muted)) { $0.element(.code, text: key.uri) }
            }, Cell(lines: Array(place)), .day(RFC3339.seconds(key.created)), .code(Phrase.short(key.fingerprint)),
        ]
    }

    private func state(_ key: KeyFact) -> Cell {
        guard let weaknesses = key.weaknesses else { return .word("\(key.state); whether it is weak is not known") }
        return weaknesses.isEmpty ? .word(key.state) : .marked("\(key.state), weak: \(weaknesses.joined(separator: ", "))", .alarm)
    }
}
