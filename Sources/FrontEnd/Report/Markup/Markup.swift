import ACME

/// A piece of a document. Text enters it through `text` and attributes' values only, and both escape it: nothing that
/// somebody else has written can become an element, whatever it contains.
struct Markup: Sendable {
    /// UTF-8.
    private(set) var bytes: [UInt8] = []

    init() {}

    // MARK: Elements

    mutating func element(_ tag: Tag, _ attributes: Attribute..., content: (inout Markup) -> Void) {
        open(tag.rawValue, attributes)
        content(&self)
        append("</\(tag.rawValue)>")
        if Self.endsLine.contains(tag) { append("\n") }
    }

    mutating func element(_ tag: Tag, _ attributes: Attribute..., text: String) {
        open(tag.rawValue, attributes)
        self.text(text)
        append("</\(tag.rawValue)>")
        if Self.endsLine.contains(tag) { append("\n") }
    }

    /// Elements after which the source goes on with another line, so that people can read it.
    private static let endsLine: Set<Tag> = [
        .title, .h1, .h2, .h3, .p, .ul, .li, .dl, .dd, .table, .caption, .thead, .tbody, .tr, .section, .figure, .svg, .div, .header, .nav,
    ]

    private mutating func open(_ name: String, _ attributes: [Attribute]) {
        append("<\(name)")
        for attribute in attributes {
            append(" \(attribute.name)=\"")
            for scalar in attribute.value.unicodeScalars { escape(scalar, unseen: Self.inWords) }
            append("\"")
        }
        append(">")
    }

    // MARK: Text

    /// Unicode scalars kept of one text.
    static let longestText = TerminalText.maximumScalars

    /// Text of any origin. A character that cannot be seen, or that changes the direction of others, is shown by its
    /// number.
    mutating func text(_ text: String) { each(of: text) { $0.escape($1, unseen: Self.inElement) } }

    /// Text that somebody else has written, kept apart from ours: letters that are written from right to left would
    /// otherwise move what stands beside them.
    mutating func foreign(_ text: String) { element(.bdi) { $0.text(text) } }

    /// The text of `title`, in which there are no elements.
    fileprivate mutating func words(_ text: String) { each(of: text) { $0.escape($1, unseen: Self.inWords) } }

    private mutating func each(of text: String, _ body: (inout Markup, Unicode.Scalar) -> Void) {
        var count = 0
        for scalar in text.unicodeScalars {
            guard count < Self.longestText else { return append("…") }
            body(&self, scalar)
            count += 1
        }
    }

    private mutating func escape(_ scalar: Unicode.Scalar, unseen: (Unicode.Scalar) -> String) {
        switch scalar {
        case "&": append("&amp;")
        case "<": append("&lt;")
        case ">": append("&gt;")
        case "\"": append("&quot;")
        case "'": append("&#39;")
        case _ where TerminalText.isSafe(scalar): bytes.append(contentsOf: UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter)
        default: append(unseen(scalar))
        }
    }

    private static func inElement(_ scalar: Unicode.Scalar) -> String { "<span class=\"unseen\">\(number(scalar))</span>" }
    private static func inWords(_ scalar: Unicode.Scalar) -> String { "[\(number(scalar))]" }

    /// `U+202E`, as Unicode writes it.
    private static func number(_ scalar: Unicode.Scalar) -> String {
        let digits = String(scalar.value, radix: 16, uppercase: true)
        return "U+" + String(repeating: "0", count: max(0, 4 - digits.utf8.count)) + digits
    }

    /// Of this file only: everything else must be escaped.
    fileprivate mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }
}

extension Markup {
    /// A whole document (HTML Living Standard, 2026): the style sheet is all that it consists of beside the body, and its
    /// policy (CSP Level 3) allows nothing else.
    static func document(title: String, generator: String, _ body: (inout Markup) -> Void) -> [UInt8] {
        var markup = Markup()
        markup.append(beginning)
        // Before the style sheet, which it allows.
        markup.meta("http-equiv", "Content-Security-Policy", StyleSheet.policy)
        markup.meta("name", "viewport", "width=device-width, initial-scale=1")
        markup.meta("name", "color-scheme", "light dark")
        markup.meta("name", "referrer", "no-referrer")
        markup.meta("name", "robots", "noindex, nofollow")
        markup.meta("name", "generator", generator)
        markup.append("<title>")
        markup.words(title)
        markup.append("</title>\n<style>\(StyleSheet.text)</style>\n</head>\n")
        markup.element(.body, content: body)
        markup.append("\n</html>\n")
        return markup.bytes
    }

    /// How each document begins: by this, a file is known as a page that may be replaced.
    static let beginning = "<!DOCTYPE html>\n<html lang=\"en\" class=\"acme-agent-report\">\n<head>\n<meta charset=\"utf-8\">\n"

    private mutating func meta(_ kind: StaticString, _ name: StaticString, _ content: String) {
        append("<meta \(kind)=\"\(name)\" content=\"")
        // The style sheet's hash has no character that would be escaped; quotation marks of the policy may be `&#39;`.
        words(content)
        append("\">\n")
    }
}
