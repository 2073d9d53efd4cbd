import Glibc

/// The importance of a text, as a colour.
enum Tint: String {
    case none
    /// Needs attention.
    case alarm = "31"
    /// Worth knowing.
    case notice = "33"
}

/// The properties of the output: its width, and whether it has colours.
struct Terminal {
    /// Columns; `nil` for a file, where nothing is cut.
    var width: Int?
    var hasColours: Bool

    /// Anything that is not a terminal.
    static let file = Terminal(width: nil, hasColours: false)
    /// For a terminal whose width is unknown.
    private static let usualWidth = 80

    /// Standard output. Colours are off with NO_COLOR (no-color.org) and on a terminal without colours.
    static var standardOutput: Terminal {
        guard isatty(STDOUT_FILENO) == 1 else { return .file }
        func isSet(_ name: String) -> Bool { getenv(name).map { $0.pointee != 0 } ?? false }
        let isDumb = getenv("TERM").map { String(cString: $0) == "dumb" } ?? true
        var size = winsize()
        let isKnown = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 10
        return Terminal(width: isKnown ? Int(size.ws_col) : usualWidth, hasColours: !isSet("NO_COLOR") && !isDumb)
    }

    func tinted(_ text: String, _ tint: Tint) -> String {
        hasColours && tint != .none ? "\u{1B}[\(tint.rawValue)m\(text)\u{1B}[0m" : text
    }
}
