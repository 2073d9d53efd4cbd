/// A part of the page, with a heading that the contents lead to.
protocol PageSection {
    static var title: String { get }
    static var anchor: Anchor { get }
    static var titleAnchor: Anchor { get }
    func content(_ section: inout Markup)
}

extension PageSection {
    func write(to markup: inout Markup) {
        markup.element(.section, .id(Self.anchor), .labelled(by: Self.titleAnchor)) { section in
            section.element(.h2, .id(Self.titleAnchor), text: Self.title)
            content(&section)
        }
    }
}

extension Markup {
    /// Says why a part is not there.
    mutating func missing(_ what: String, _ why: String) {
        element(.p, .classes(.missing)) { line in
            line.text("\(what): ")
            line.foreign(why)
            line.text(".")
        }
    }

    mutating func paragraph(_ text: String) { element(.p, text: text) }

    /// Says how many rows a table lacks.
    mutating func leftOut(_ count: Int, _ what: String) {
        guard count > 0 else { return }
        element(.p, .classes(.muted), text: "\(Phrase.number(count)) \(what)")
    }
}
