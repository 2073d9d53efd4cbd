/// Signatures over time, by purpose and by caller.
struct SignatureSection: PageSection {
    static let title = "Signatures"
    static let anchor = Anchor.signatures
    static let titleAnchor = Anchor.signaturesTitle
    /// Callers with a series of their own in the chart; the rest is one more.
    private static let series = 5
    /// Rows of the tables.
    static let callers = 50
    static let keys = 50

    private let trail: Known<TrailFacts>
    private let now: Int64

    init(_ trail: Known<TrailFacts>, now: Int64) {
        self.trail = trail
        self.now = now
    }

    func content(_ section: inout Markup) {
        switch trail {
        case .unknown(let why): section.missing("Signatures cannot be shown without the audit trail", why)
        case .known(let trail):
            let activity = trail.activity
            section.paragraph(TrailSection.coverage(trail))
            guard activity.total.signed > 0 else { return section.paragraph("The trail has no signatures there.") }
            let timeline = Timeline(activity, now: now)
            purposes(activity, timeline, &section)
            callers(trail, timeline, &section)
            keys(activity, &section)
            section.leftOut(
                Int(clamping: timeline.before), "signatures of other days are in the totals and not in the charts.")
        }
    }

    private func purposes(_ activity: TrailActivity, _ timeline: Timeline, _ section: inout Markup) {
        // A purpose has the same filling on every page.
        let series = Purpose.allCases, present = series.filter { (activity.byPurpose[$0]?.signed ?? 0) > 0 }
        section.element(.h3, text: "By purpose")
        ColumnChart(
            caption: "Signatures in each \(timeline.unit), by purpose",
            series: zip(series, Class.fills).filter { present.contains($0.0) }.map { ($0.0.title, $0.1) },
            buckets: timeline.periods.map { period in
                ColumnChart.Bucket(label: period.name, values: present.map { period.day.purposes[$0] ?? 0 })
            }
        ).write(to: &section)
        let most = activity.byPurpose.values.map(\.signed).max() ?? 0
        section.table(
            "Signatures by purpose",
            [Column("Purpose"), Column("Signed", .number), Column("Failed", .number), Column("Last"), Column("Share", .bar)],
            series.compactMap { purpose in
                guard let tally = activity.byPurpose[purpose] else { return nil }
                return [
                    Cell(purpose.title), .number(tally.signed), .number(tally.failed), .day(tally.last), .bar(tally.signed, of: most),
                ]
            })
        section.table(
            "Signatures in each \(timeline.unit)\(timeline.isByWeek ? ", named by its Monday" : ""): the figures of the chart",
            [Column(timeline.isByWeek ? "Week of" : "Day")] + present.map { Column($0.title, .number) } + [Column("All", .number)],
            timeline.periods.filter { !$0.day.purposes.isEmpty }.map { period in
                let values = present.map { period.day.purposes[$0] ?? 0 }
                return [Cell.period(period.name)] + values.map { Cell.number($0) } + [.number(values.reduce(0, &+))]
            })
    }

    private func callers(_ trail: TrailFacts, _ timeline: Timeline, _ section: inout Markup) {
        let activity = trail.activity, callers = activity.callers
        let signing = callers.filter { $0.tally.signed > 0 }.sorted { $0.tally.signed > $1.tally.signed }
        let own = signing.prefix(Self.series), hasOther = signing.count > own.count || activity.otherCallers.signed > 0
        /// The signatures of each of them, and of all others.
        func values(_ day: TrailActivity.Day) -> [UInt64] {
            let values = own.map { day.callers[$0.uid] ?? 0 }, all = day.purposes.values.reduce(0, &+)
            let rest = all.subtractingReportingOverflow(values.reduce(0, &+))
            return values + (hasOther ? [rest.overflow ? 0 : rest.partialValue] : [])
        }
        section.element(.h3, text: "By caller")
        ColumnChart(
            caption: "Signatures in each \(timeline.unit), by caller",
            series: zip(own.map { trail.name(of: $0.uid) } + (hasOther ? ["other callers"] : []), Class.fills).map { $0 },
            buckets: timeline.periods.map { ColumnChart.Bucket(label: $0.name, values: values($0.day)) }
        ).write(to: &section)
        let most = callers.map(\.tally.signed).max() ?? 0
        var rows = callers.prefix(Self.callers).map { caller in
            row(trail.name(of: caller.uid), caller.tally, most)
        }
        let rest = callers.dropFirst(Self.callers).map(\.tally) + [activity.otherCallers]
        let other = Self.sum(rest)
        if !other.isEmpty { rows.append(row("all others", other, most)) }
        section.table(
            "Callers, by user",
            [
                Column("Caller"), Column("Signed", .number), Column("Failed", .number), Column("Refused", .number), Column("Last"),
                Column("Share", .bar),
            ], rows)
        section.table(
            "Signatures of callers in each \(timeline.unit): the figures of the chart",
            [Column(timeline.isByWeek ? "Week of" : "Day")] + own.map { Column(trail.name(of: $0.uid), .number, isForeign: true) }
                + (hasOther ? [Column("Other callers", .number)] : []) + [Column("All", .number)],
            timeline.periods.filter { !$0.day.purposes.isEmpty }.map { period in
                [Cell.period(period.name)] + values(period.day).map { Cell.number($0) }
                    + [.number(period.day.purposes.values.reduce(0, &+))]
            })
    }

    private static func sum(_ tallies: [TrailActivity.Tally]) -> TrailActivity.Tally {
        tallies.reduce(into: TrailActivity.Tally()) { sum, tally in
            sum.signed &+= tally.signed
            sum.failed &+= tally.failed
            sum.refused &+= tally.refused
            sum.last = max(sum.last, tally.last)
        }
    }

    private func row(_ name: String, _ tally: TrailActivity.Tally, _ most: UInt64) -> [Cell] {
        [
            Cell(name), .number(tally.signed), .number(tally.failed), .number(tally.refused), .day(tally.last),
            .bar(tally.signed, of: most),
        ]
    }

    private func keys(_ activity: TrailActivity, _ section: inout Markup) {
        let keys = activity.byKey.sorted { ($1.value.signed, $0.key) < ($0.value.signed, $1.key) }
        let most = keys.first?.value.signed ?? 0
        func row(_ name: String, _ tally: TrailActivity.Tally) -> [Cell] {
            [Cell(name), .number(tally.signed), .number(tally.failed), .day(tally.last), .bar(tally.signed, of: most)]
        }
        var rows = keys.prefix(Self.keys).map { row($0.key, $0.value) }
        // Of keys beyond the bound nobody knows how many they are.
        let other = Self.sum(keys.dropFirst(Self.keys).map(\.value) + [activity.otherKeys])
        if !other.isEmpty { rows.append(row("all others", other)) }
        section.element(.h3, text: "By key")
        section.table(
            "Keys with most signatures",
            [Column("Key"), Column("Signed", .number), Column("Failed", .number), Column("Last"), Column("Share", .bar)], rows)
        if activity.otherKeys.isEmpty { section.leftOut(keys.count - Self.keys, "more keys have signed less often.") }
    }
}

extension TrailFacts {
    /// `alice (1000)`, or `user 1000` if this machine has no name for it.
    func name(of uid: UInt32) -> String { users[uid].map { "\($0) (\(uid))" } ?? "user \(uid)" }
}
