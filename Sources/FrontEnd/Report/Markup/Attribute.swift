/// An attribute of an element: a closed list, too. None can hold a script, a style or an address on another computer.
struct Attribute: Sendable {
    /// As in the document.
    let name: StaticString
    let value: String

    private init(_ name: StaticString, _ value: String) {
        self.name = name
        self.value = value
    }

    static func classes(_ classes: Class...) -> Attribute { Attribute("class", classes.map(\.rawValue).joined(separator: " ")) }
    static func id(_ anchor: Anchor) -> Attribute { Attribute("id", anchor.rawValue) }
    static func href(_ anchor: Anchor) -> Attribute { Attribute("href", "#" + anchor.rawValue) }
    static func labelled(by anchor: Anchor) -> Attribute { Attribute("aria-labelledby", anchor.rawValue) }
    /// What a reader who does not see it is told; text of any origin.
    static func label(_ text: String) -> Attribute { Attribute("aria-label", text) }
    static let hidden = Attribute("aria-hidden", "true")
    /// A part that scrolls must be reachable by the keyboard (WCAG 2.1.1).
    static let focusable = Attribute("tabindex", "0")
    static let region = Attribute("role", "region")
    static let image = Attribute("role", "img")
    static let english = Attribute("lang", "en")
    static let column = Attribute("scope", "col")
    static let row = Attribute("scope", "row")
    /// RFC 3339.
    static func datetime(_ text: String) -> Attribute { Attribute("datetime", text) }

    // MARK: SVG

    enum Length: Sendable {
        /// Of the drawing's width, from 0 to 100.
        case percent(Double)
        case pixels(Double)

        var text: String {
            switch self {
            case .percent(let value): Attribute.decimal(value) + "%"
            case .pixels(let value): Attribute.decimal(value)
            }
        }
    }

    static func x(_ length: Length) -> Attribute { Attribute("x", length.text) }
    static func y(_ length: Length) -> Attribute { Attribute("y", length.text) }
    static func x1(_ length: Length) -> Attribute { Attribute("x1", length.text) }
    static func x2(_ length: Length) -> Attribute { Attribute("x2", length.text) }
    static func y1(_ length: Length) -> Attribute { Attribute("y1", length.text) }
    static func y2(_ length: Length) -> Attribute { Attribute("y2", length.text) }
    static func width(_ length: Length) -> Attribute { Attribute("width", length.text) }
    static func height(_ length: Length) -> Attribute { Attribute("height", length.text) }
    static let userSpace = Attribute("patternUnits", "userSpaceOnUse")

    enum TextAnchor: String, Sendable { case start, middle, end }
    static func textAnchor(_ anchor: TextAnchor) -> Attribute { Attribute("text-anchor", anchor.rawValue) }

    /// Two digits after the point; what is no number, or is out of all bounds, is 0.
    static func decimal(_ value: Double) -> String {
        guard value.isFinite, value.magnitude < 1e9 else { return "0" }
        let hundredths = Int64((value * 100).rounded())
        let whole = hundredths.magnitude / 100, rest = hundredths.magnitude % 100
        let sign = hundredths < 0 ? "-" : ""
        if rest == 0 { return "\(sign)\(whole)" }
        return "\(sign)\(whole).\(rest < 10 ? "0" : "")\(rest)"
    }
}

/// The places that other places of the page refer to.
enum Anchor: String, CaseIterable, Sendable {
    case attention, certificates, keys, tokens, signatures, refusals, access, trail, about
    case attentionTitle = "attention-title"
    case certificatesTitle = "certificates-title"
    case keysTitle = "keys-title"
    case tokensTitle = "tokens-title"
    case signaturesTitle = "signatures-title"
    case refusalsTitle = "refusals-title"
    case accessTitle = "access-title"
    case trailTitle = "trail-title"
    case aboutTitle = "about-title"
    // Patterns of the bars.
    case pattern2, pattern3, pattern4, pattern5, pattern6

    static let patterns: [Anchor] = [.pattern2, .pattern3, .pattern4, .pattern5, .pattern6]
}
