/// Makes text from elsewhere (a CA, a file, a caller) safe for a terminal or a log.
///
/// Escape sequences could move the cursor, retitle the window or forge a line; directional marks could show a name
/// backwards. Each control, format, line-separating, private-use or unassigned scalar therefore becomes U+FFFD, and the
/// length is bounded.
public enum TerminalText {
    /// Unicode scalars kept of one text: a screen and a half.
    public static let maximumScalars = 4096

    /// - Parameter limit: scalars kept; an ellipsis follows if there were more.
    public static func safe(_ text: some StringProtocol, limit: Int = maximumScalars) -> String {
        var result = String.UnicodeScalarView()
        var count = 0
        for scalar in text.unicodeScalars {
            guard count < limit else {
                result.append("…")
                break
            }
            result.append(isSafe(scalar) ? scalar : "\u{FFFD}")
            count += 1
        }
        return String(result)
    }

    /// Whether the scalar may be printed unchanged in a line of output.
    public static func isSafe(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.value < 0x7F { return scalar.value >= 0x20 }
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: return false
        default: return true
        }
    }
}
