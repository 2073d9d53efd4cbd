import ACME

/// The page: one HTML document that needs nothing else, for a screen of any width and for paper.
public enum ReportPage {
    /// - Returns: UTF-8.
    public static func html(_ facts: ReportFacts) -> [UInt8] {
        let title = "Certificates and keys of \(facts.host), \(Phrase.day(facts.made))"
        return Markup.document(title: title, generator: "acme-agent \(facts.version)") { body in
            body.patterns()
            body.element(.header) { head(facts, &$0) }
            body.element(.main) { main in
                AttentionSection(facts.attention).write(to: &main)
                CertificateSection(facts.certificates, now: facts.made).write(to: &main)
                KeySection(facts.keys, facts.certificates).write(to: &main)
                TokenSection(facts.agent).write(to: &main)
                SignatureSection(facts.trail, now: facts.made).write(to: &main)
                RefusalSection(facts.trail).write(to: &main)
                AccessSection(facts.access).write(to: &main)
                TrailSection(facts.trail, facts.agent).write(to: &main)
            }
            body.element(.footer) { foot(facts, &$0) }
        }
    }

    /// The first bytes of every page: what a file must begin with to be replaced without being asked for.
    public static var beginning: [UInt8] { Array(Markup.beginning.utf8) }

    private static func head(_ facts: ReportFacts, _ header: inout Markup) {
        header.element(.h1) { title in
            title.text("Certificates and keys of ")
            title.foreign(facts.host)
        }
        header.element(.p, .classes(.muted)) { line in
            line.text("As of ")
            line.moment(facts.made)
            line.text(", as user ")
            line.foreign(facts.user)
            line.text(" may see it. All times are in UTC.")
        }
        header.element(.div, .classes(.figures)) { figures in
            for figure in Self.figures(facts) {
                figures.element(.p) { item in
                    item.element(.strong, text: figure.value)
                    item.element(.span, text: figure.meaning)
                }
            }
        }
        header.element(.nav, .label("Contents")) { nav in
            nav.element(.ul) { list in
                for (anchor, title) in Self.contents {
                    list.element(.li) { $0.element(.a, .href(anchor), text: title) }
                }
            }
        }
    }

    private static let contents: [(Anchor, String)] = [
        (.attention, AttentionSection.title), (.certificates, CertificateSection.title), (.keys, KeySection.title),
        (.tokens, TokenSection.title), (.signatures, SignatureSection.title), (.refusals, RefusalSection.title),
        (.access, AccessSection.title), (.trail, TrailSection.title),
    ]

    /// What a reader looks for first.
    private static func figures(_ facts: ReportFacts) -> [(value: String, meaning: String)] {
        var figures: [(value: String, meaning: String)] = []
        if let store = facts.certificates.value {
            let next = store.certificates.map(\.notAfter).filter { $0 >= facts.made }.min()
            let expiry = next.map { "; the first expires \(Phrase.distance($0, from: facts.made))" } ?? ""
            figures.append(
                (Phrase.number(store.certificates.count), (store.certificates.count == 1 ? "certificate" : "certificates") + expiry))
        }
        figures.append((Phrase.number(facts.attention.count), "to attend to"))
        if let keys = facts.keys.value {
            let active = keys.filter { $0.state == "active" }.count
            figures.append((Phrase.number(keys.count), (keys.count == 1 ? "key, " : "keys, ") + "\(Phrase.number(active)) active"))
        }
        // A caller without a grant is told of no token.
        if let agent = facts.agent.value, !agent.tokens.isEmpty {
            let ready = agent.tokens.filter { $0.state == "ready" }.count
            figures.append(("\(ready) of \(agent.tokens.count)", agent.tokens.count == 1 ? "token is ready" : "tokens are ready"))
        }
        if let trail = facts.trail.value {
            let since = trail.activity.begins.map { " since \(Phrase.day($0))" } ?? ""
            figures.append((Phrase.number(trail.activity.total.signed), "signatures\(since)"))
            figures.append((Phrase.number(trail.activity.total.refused &+ trail.activity.uncounted), "refusals\(since)"))
        }
        return figures
    }

    private static func foot(_ facts: ReportFacts, _ footer: inout Markup) {
        footer.element(.p) { line in
            line.text("Made by acme-agent \(facts.version)")
            if let agent = facts.agent.value {
                line.text(" from what acme-agentd ")
                line.foreign(agent.version)
                line.text(" on ")
                line.element(.code, text: agent.socket)
                line.text(" says")
            }
            if let store = facts.certificates.value {
                line.text(", and from the certificates in ")
                line.element(.code, text: store.folder)
            }
            line.text(". This page loads nothing and runs nothing.")
        }
        if let configuration = facts.agent.value?.configuration {
            footer.element(.p) { line in
                line.text("The agent's configuration was read at ")
                line.foreign(configuration.loaded)
                line.text("; its SHA-256 is ")
                line.element(.code, text: configuration.sha256)
                line.text(".")
            }
        }
    }
}
