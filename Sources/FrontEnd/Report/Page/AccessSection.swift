import ACME

/// Who may do what: a row for each grant, a column for each group of operations.
struct AccessSection: PageSection {
    static let title = "Who may do what"
    static let anchor = Anchor.access
    static let titleAnchor = Anchor.accessTitle
    static let shown = 500
    /// Texts in one cell.
    private static let lines = 12

    private let matrix: Known<AccessMatrix>

    init(_ matrix: Known<AccessMatrix>) { self.matrix = matrix }

    /// Operations that a reader takes for one.
    private static let groups: [(title: String, operations: [Operation])] = [
        ("Accounts", [.newAccount, .updateAccount, .deactivateAccount, .keyChange]),
        ("Orders", [.newOrder, .respondToChallenge, .deactivateAuthorization, .finalize, .postAsGet]),
        ("Revoke", [.revokeCertificate]), ("CSRs", [.signRequest]),
        ("Handshakes", [.signHandshake, .signClientHandshake, .signServerKeyExchange]),
        ("Keys", [.listKeys, .createKey, .adoptKey, .retireKey, .deleteKey]), ("Read", [.readAudit, .readMetrics]),
    ]

    func content(_ section: inout Markup) {
        switch matrix {
        case .unknown(let why): section.missing("Grants cannot be shown", why)
        case .known(let matrix) where matrix.rows.isEmpty:
            section.paragraph(matrix.isComplete ? "The policy has no grants: nobody may do anything." : "No grant names this user.")
        case .known(let matrix):
            section.paragraph(
                (matrix.isComplete
                    ? "These are all grants of the policy."
                    : "These are the grants of the user who had this page made; the agent does not show those of others.")
                    + " One grant must allow a request as a whole: rows do not add up. What is not granted is refused.")
            let columns =
                [Column("Who"), Column("Grant")] + Self.groups.map { Column($0.title) } + [
                    Column("With keys"), Column("For names"), Column("At CAs"), Column("At most"),
                ]
            section.table("Grants", columns, matrix.rows.prefix(Self.shown).map(row))
            section.leftOut(matrix.rows.count - Self.shown, "more grants are not shown.")
        }
    }

    private func row(_ row: AccessMatrix.Row) -> [Cell] {
        let grant = Cell { cell in
            cell.foreign(row.grant)
            if let line = row.line { cell.element(.div, .classes(.muted), text: "line \(line)") }
            guard let off = row.off else { return }
            cell.element(.div) { $0.element(.strong, .classes(.alarm)) { $0.foreign("off: \(off)") } }
        }
        return [Self.list(row.who), grant] + Self.groups.map { Self.cell($0.operations, row.operations) }
            + [Self.list(row.keys), Self.list(row.identifiers), Self.list(row.cas), Self.list(row.limits)]
    }

    private static func list(_ texts: [String]) -> Cell {
        let more = texts.count - lines
        return Cell(lines: texts.prefix(lines) + (more > 0 ? ["and \(more) more"] : []))
    }

    /// `all`, a dash, or the operations of the group that are granted.
    private static func cell(_ group: [Operation], _ granted: Set<String>) -> Cell {
        let names = group.map(\.rawValue).filter(granted.contains)
        return names.count == group.count ? .word(group.count == 1 ? "yes" : "all") : Cell(lines: names)
    }
}
