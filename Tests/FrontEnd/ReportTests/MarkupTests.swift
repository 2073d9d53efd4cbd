import ACME
import Foundation
import Testing

@testable import Report

@Suite struct MarkupTests {
    private func written(_ body: (inout Markup) -> Void) -> String {
        var markup = Markup()
        body(&markup)
        return String(decoding: markup.bytes, as: UTF8.self)
    }

    @Test func textAndAttributesAreEscaped() {
        let text = written { $0.element(.p, .label("\"><b>'"), text: "<b>&amp;\"'</b>") }
        #expect(text == "<p aria-label=\"&quot;&gt;&lt;b&gt;&#39;\">&lt;b&gt;&amp;amp;&quot;&#39;&lt;/b&gt;</p>\n")
    }

    @Test func whatCannotBeSeenIsShownByItsNumber() {
        #expect(
            written { $0.foreign("a\u{202E}b\nc\u{0}") }
                == "<bdi>a<span class=\"unseen\">U+202E</span>b<span class=\"unseen\">U+000A</span>c<span class=\"unseen\">U+0000</span></bdi>"
        )
        #expect(written { $0.element(.p, .label("a\u{200B}\u{E0001}"), text: "") } == "<p aria-label=\"a[U+200B][U+E0001]\"></p>\n")
        // Letters of any script stay.
        #expect(written { $0.text("bücher 例え עברית") } == "bücher 例え עברית")
    }

    @Test func aLongTextIsCut() {
        let text = written { $0.text(String(repeating: "<", count: Markup.longestText + 5)) }
        #expect(text == String(repeating: "&lt;", count: Markup.longestText) + "…")
    }

    @Test(arguments: [
        (0, "0"), (100, "100"), (33.333, "33.33"), (0.05, "0.05"), (-1.5, "-1.50"), (.infinity, "0"), (.nan, "0"), (1e300, "0"),
    ])
    func decimalsHaveNoExponent(_ value: Double, _ text: String) { #expect(Attribute.decimal(value) == text) }

    /// Whatever a text is, it is one text: no element and no attribute comes of it.
    @Test func noTextBecomesMarkup() throws {
        var generator = SystemRandomNumberGenerator()
        let pieces = [
            "<script>", "</script>", "\"", "'", ">", "<", "&", "&lt;", "&#60;", "<!--", "-->", "]]>", "</title>", "</style>", "</bdi>", "=",
            " ",
            "onload=", "javascript:", "style=", "url(", "\u{0}", "\r\n", "\u{202E}", "\u{2066}", "\u{FEFF}", "\u{FFFF}", "é", "漢", "🏳️‍🌈",
        ]
        for _ in 0..<2_000 {
            var text = ""
            for _ in 0..<Int.random(in: 1...12, using: &generator) {
                if Bool.random(using: &generator) {
                    text += pieces.randomElement(using: &generator) ?? ""
                } else if let scalar = Unicode.Scalar(UInt32.random(in: 0...0x10FFFF, using: &generator)) {
                    text.unicodeScalars.append(scalar)
                }
            }
            // An empty cell has other elements.
            if text.isEmpty { text = "=" }
            let page = try DocumentReader(
                Markup.document(title: text, generator: text) { body in
                    body.element(.p, .label(text)) { $0.text(text) }
                    body.table(text, [Column(text), Column("b")], [[Cell(text), .code(text)]])
                    body.fields([(text, Cell(lines: [text]))])
                })
            let expected = try DocumentReader(
                Markup.document(title: "t", generator: "t") { body in
                    body.element(.p, .label("t")) { $0.text("t") }
                    body.table("t", [Column("t"), Column("b")], [[Cell("t"), .code("t")]])
                    body.fields([("t", Cell(lines: ["t"]))])
                })
            // The same elements with the same attributes, but for what marks unseen characters.
            #expect(page.structure.filter { $0 != "span class" } == expected.structure, "\(text.debugDescription)")
            // And the text is all there.
            let shown = text.unicodeScalars.map { TerminalText.isSafe($0) ? String($0) : String(format: "U+%04X", $0.value) }.joined()
            #expect(Array((page.texts["p"] ?? "").unicodeScalars) == Array(shown.unicodeScalars), "\(text.debugDescription)")
        }
    }
}
