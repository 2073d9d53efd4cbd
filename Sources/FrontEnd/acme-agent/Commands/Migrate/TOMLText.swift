import ACME

/// Values and comments of a TOML file (https://toml.io/en/v1.0.0) from texts of any content.
enum TOMLText {
    /// A basic string on one line. What a terminal would interpret, or show in reverse, is escaped.
    static func string(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case _ where TerminalText.isSafe(scalar): result.unicodeScalars.append(scalar)
            default:
                let digits = String(scalar.value, radix: 16, uppercase: true)
                let width = scalar.value > 0xFFFF ? 8 : 4
                result += (width == 8 ? "\\U" : "\\u") + String(repeating: "0", count: width - digits.count) + digits
            }
        }
        return result + "\""
    }

    static func strings(_ texts: [String]) -> String { "[" + texts.map(string).joined(separator: ", ") + "]" }

    private static let width = 100

    /// A comment that is not wrapped, since it has a path.
    static func line(_ text: String) -> String { "# " + TerminalText.safe(text) }

    /// Lines of a comment, none of which can be taken for a setting that is commented out.
    static func comment(_ text: String) -> [String] { Wording.wrapped(TerminalText.safe(text), width: width).map { "# \($0)" } }
}
