/// How the tokens are, and what the agent has counted since it was started.
struct TokenSection: PageSection {
    static let title = "Tokens"
    static let anchor = Anchor.tokens
    static let titleAnchor = Anchor.tokensTitle

    private let agent: Known<AgentFacts>

    init(_ agent: Known<AgentFacts>) { self.agent = agent }

    func content(_ section: inout Markup) {
        switch agent {
        case .unknown(let why): section.missing("The tokens cannot be shown", why)
        case .known(let agent) where agent.tokens.isEmpty: section.paragraph("There are none that the agent shows to this user.")
        case .known(let agent):
            var columns = [Column("Token"), Column("State"), Column("Label and model"), Column("Helper restarted", .number)]
            let counts = agent.counts.value
            if counts != nil { columns += [Column("Logins", .number), Column("Waiting requests", .number)] }
            section.table("Tokens of the agent", columns, agent.tokens.map { row($0, counts) })
            switch agent.counts {
            case .known(let counts): totals(counts, &section)
            case .unknown(let why): section.missing("Logins, waiting requests and times cannot be shown", why)
            }
        }
    }

    private func row(_ token: TokenFact, _ counts: AgentCounts?) -> [Cell] {
        let state = Cell { cell in
            token.state == "ready" ? cell.foreign(token.state) : cell.element(.strong, .classes(.alarm)) { $0.foreign(token.state) }
            for line in [token.message, token.hint].compactMap(\.self) { cell.element(.div) { $0.foreign(line) } }
        }
        let what = [token.label, token.model].compactMap(\.self).joined(separator: ", ")
        var cells = [Cell(token.name), state, Cell(what), .number(token.restarts)]
        if let counts {
            let own = counts.tokens[token.name]
            cells += [.number(own?.logins ?? 0), .number(own?.waiting ?? 0)]
        }
        return cells
    }

    private func totals(_ counts: AgentCounts, _ section: inout Markup) {
        section.element(.p) { line in
            line.text("Since the agent was started")
            if let started = counts.started {
                line.text(", at ")
                line.moment(started)
            }
            line.text(
                ", it has made \(Phrase.count(counts.signed, "signature")) and failed at \(Phrase.number(counts.failed)), without "
                    + "those of keys that were deleted, and refused \(Phrase.count(counts.refused, "request"))")
            if let milliseconds = counts.milliseconds { line.text("; one took it \(Attribute.decimal(milliseconds)) ms on average") }
            line.text(".")
        }
    }
}
