import Glibc

/// How important something is, as a colour.
enum Tint: String {
    case none
    /// Something to do something about.
    case alarm = "31"
    /// Something to know.
    case notice = "33"
}

/// Where results are shown: how wide it is, and whether it has colours.
struct Terminal {
    /// Columns; `nil` for a file, where nothing is cut.
    var width: Int?
    var hasColours: Bool

    /// Whatever is no terminal.
    static let file = Terminal(width: nil, hasColours: false)
    /// Where a terminal does not say.
    private static let usualWidth = 80

    /// Standard output. Colours are off by NO_COLOR (no-color.org) and on a terminal that has none.
    static var standardOutput: Terminal {
        guard Output.isStandardOutputTerminal else { return .file }
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
