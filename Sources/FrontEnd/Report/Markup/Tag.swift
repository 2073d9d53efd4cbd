/// The elements that a page may have: a closed list, without any that runs, loads, embeds or submits something.
enum Tag: String, CaseIterable, Sendable {
    // HTML
    case html, head, title, body, header, main, nav, footer, section, h1, h2, h3, p, div, span, strong, code, bdi, time
    case ul, li, dl, dt, dd, figure, figcaption, table, caption, thead, tbody, tr, th, td, a
    // SVG
    case svg, defs, pattern, g, rect, line, text
}

/// The classes that the style sheet knows.
enum Class: String, CaseIterable, Sendable {
    /// Text that is less important.
    case muted
    /// Needs attention.
    case alarm
    case notice
    /// A character that cannot be seen, shown by its number.
    case unseen
    /// A table that scrolls within itself.
    case scroll
    /// Figures, aligned at their last digit.
    case number
    /// The summary's list of figures.
    case figures
    /// A cell with a bar, or with the line of a calendar.
    case bar
    /// A chart with its axis at the left.
    case chart
    case axis
    case legend
    case swatch
    case grid
    /// Marks the moment at which the page was made.
    case today
    /// Marks a moment that somebody chose, such as a renewal.
    case mark
    /// A part that is not there, and why.
    case missing
    // Fillings of bars, told apart by their patterns as well as by their colours.
    case fill1, fill2, fill3, fill4, fill5, fill6
    // What the patterns consist of.
    case ink1, ink2, ink3, ink4, ink5, ink6, ground

    static let fills: [Class] = [.fill1, .fill2, .fill3, .fill4, .fill5, .fill6]
    static let inks: [Class] = [.ink1, .ink2, .ink3, .ink4, .ink5, .ink6]
}
