import AuditTrail

/// How much of the audit trail was read, and its head, with which nobody can cut its end off unnoticed.
struct TrailSection: PageSection {
    static let title = "The audit trail"
    static let anchor = Anchor.trail
    static let titleAnchor = Anchor.trailTitle

    private let trail: Known<TrailFacts>
    private let agent: Known<AgentFacts>

    init(_ trail: Known<TrailFacts>, _ agent: Known<AgentFacts>) {
        self.trail = trail
        self.agent = agent
    }

    /// Which records the figures are of.
    static func coverage(_ trail: TrailFacts) -> String {
        let activity = trail.activity
        let range = [activity.begins, activity.ends].compactMap(\.self).map(Phrase.moment)
        let time = range.count == 2 ? ", from \(range[0]) to \(range[1])" : ""
        let records = Phrase.count(activity.records, "record")
        guard let first = activity.first, first > 0 else { return "From the whole audit trail: \(records)\(time)." }
        let left = "\(Phrase.count(first, "earlier record")) \(first == 1 ? "is" : "are") left out: "
        switch trail.source {
        case .files: return "From the last \(records) of the audit trail\(time). \(left)older files of the trail are not there."
        case .agent(let most):
            return "From the last \(records) of the audit trail\(time). \(left)the agent gives at most \(Phrase.number(most)), and "
                + "--audit-file reads all."
        }
    }

    func content(_ section: inout Markup) {
        if let state = agent.value?.trailState, !state.isEmpty, state != "writable" {
            section.element(.p, .classes(.alarm)) { line in
                line.text("The agent cannot write it, and signs nothing: ")
                line.foreign(state)
            }
        }
        switch trail {
        case .unknown(let why): section.missing("The trail cannot be shown", why)
        case .known(let trail): known(trail, &section)
        }
    }

    private func known(_ trail: TrailFacts, _ section: inout Markup) {
        section.paragraph(Self.coverage(trail))
        if let fault = trail.fault {
            section.element(.p, .classes(.alarm)) { line in
                line.text("It is broken: ")
                line.foreign(fault)
                line.text(". What comes after that place cannot be trusted, and is not on this page.")
            }
        }
        var fields: [(name: String, value: Cell)] = []
        if let head = trail.activity.head { fields.append(("Head", .code("\(head.sequence):\(head.hash)"))) }
        fields.append(("Verified", Cell(Self.verification(trail))))
        if case .files(let files) = trail.source { fields.append(("Files", Cell(lines: files))) }
        if !trail.gaps.isEmpty { fields.append(("Gaps", Cell(lines: trail.gaps))) }
        section.fields(fields)
        if let head = trail.activity.head {
            section.element(.p) { line in
                line.text("Keep the head elsewhere. Later, ")
                line.element(.code, text: "acme-agent audit verify --expect \(head.sequence):\(head.hash)")
                line.text(" proves that nothing up to it was changed or cut off.")
            }
        }
        guard !trail.activity.latestEvents.isEmpty else { return }
        section.table(
            "The last events of the agent, the latest first", [Column("Time"), Column("Event"), Column("Result"), Column("Detail")],
            trail.activity.latestEvents.reversed().map { record in
                [
                    Cell { $0.moment(record.time / 1_000) }, Cell(record.operation), Cell(record.result),
                    Cell(record.detail.map { Phrase.short($0, 300) }),
                ]
            })
    }

    private static func verification(_ trail: TrailFacts) -> String {
        if trail.fault != nil { return "broken, see above" }
        let whole = trail.gaps.isEmpty ? "whole" : "whole, except for the gaps below"
        switch trail.source {
        case .files: return "the chain of all records that were read is \(whole)"
        case .agent: return "the chain of the records that were read is \(whole); that of all records was not looked at"
        }
    }
}
