struct AttentionSection: PageSection {
    static let title = "What needs attention"
    static let anchor = Anchor.attention
    static let titleAnchor = Anchor.attentionTitle
    /// More than anybody reads; a store with one fault in common has many.
    private static let shown = 100

    private let lines: [String]

    init(_ lines: [String]) { self.lines = lines }

    func content(_ section: inout Markup) {
        guard !lines.isEmpty else { return section.paragraph("Nothing, as far as this page can see.") }
        section.element(.ul) { list in
            for line in lines.prefix(Self.shown) { list.element(.li) { $0.foreign(line) } }
        }
        section.leftOut(lines.count - Self.shown, "more are not shown: acme-agent status shows all.")
    }
}
