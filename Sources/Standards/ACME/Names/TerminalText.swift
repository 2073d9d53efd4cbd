/// Text from elsewhere (a CA, a file, a caller) as it may be shown on a terminal or written to a log.
///
/// Escape sequences could move the cursor, retitle the window or forge a line; directional marks could show a name backwards. So each
/// control, format, line-separating, private or unassigned scalar becomes U+FFFD, and the length is bounded.
public enum TerminalText {
    /// Unicode scalars that are kept of one text; a screen and a half.
    public static let maximumScalars = 4096

    /// - Parameter limit: scalars kept; where more came an ellipsis follows.
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

    /// Whether the scalar may stand in a line of output as it is.
    public static func isSafe(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.value < 0x7F { return scalar.value >= 0x20 }
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: return false
        default: return true
        }
    }
}
