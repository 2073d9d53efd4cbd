import AuditTrail

/// What was refused, why, and to whom.
struct RefusalSection: PageSection {
    static let title = "Refusals"
    static let anchor = Anchor.refusals
    static let titleAnchor = Anchor.refusalsTitle
    static let kinds = 50

    private let trail: Known<TrailFacts>

    init(_ trail: Known<TrailFacts>) { self.trail = trail }

    func content(_ section: inout Markup) {
        switch trail {
        case .unknown(let why): section.missing("Refusals cannot be shown without the audit trail", why)
        case .known(let trail):
            let activity = trail.activity
            guard activity.total.refused > 0 || activity.uncounted > 0 else {
                return section.paragraph("The part of the trail that was read has none.")
            }
            if activity.uncounted > 0 {
                section.paragraph(
                    "Of \(Phrase.count(activity.uncounted, "further refusal")) the trail has only the number: too many came within a minute."
                )
            }
            guard activity.total.refused > 0 else { return }
            let kinds = activity.refusals.sorted { one, other in
                one.value == other.value
                    ? (one.key.operation, one.key.reason) < (other.key.operation, other.key.reason) : one.value > other.value
            }
            let most = kinds.first?.value ?? 0
            section.table(
                "Refusals by operation and reason",
                [Column("Operation"), Column("Reason"), Column("Refusals", .number), Column("Share", .bar)],
                kinds.prefix(Self.kinds).map { kind, count in
                    [Cell(kind.operation), Cell(kind.reason), .number(count), .bar(count, of: most)]
                })
            let rest = kinds.dropFirst(Self.kinds).reduce(activity.otherRefusals) { $0 &+ $1.value }
            section.leftOut(Int(clamping: rest), "refusals of other kinds are not shown.")
            section.table(
                "The last refusals, the latest first",
                [Column("Time"), Column("Caller"), Column("Operation"), Column("Key"), Column("Names"), Column("Why")],
                activity.latestRefusals.reversed().map { row($0, trail) })
        }
    }

    /// Names of one request.
    private static let names = 4

    private func row(_ record: AuditRecord, _ trail: TrailFacts) -> [Cell] {
        let more = record.identifiers.count - Self.names
        return [
            Cell { $0.moment(record.time / 1_000) }, Cell(record.uid.map(trail.name)), Cell(record.operation), Cell(record.key?.rawValue),
            Cell(lines: record.identifiers.prefix(Self.names) + (more > 0 ? ["and \(more) more"] : [])),
            Cell(record.detail ?? record.error),
        ]
    }
}
