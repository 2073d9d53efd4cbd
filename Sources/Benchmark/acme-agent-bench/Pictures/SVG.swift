/// Functions shared by the pictures.
enum SVG {
    /// Text escaped for an element or an attribute.
    static func escaped(_ text: String) -> String {
        text.map { character in
            switch character {
            case "&": "&amp;"
            case "<": "&lt;"
            case ">": "&gt;"
            case "\"": "&quot;"
            default: String(character)
            }
        }.joined()
    }

    /// A coordinate, to a tenth of a pixel.
    static func rounded(_ value: Double) -> Double { (value * 10).rounded() / 10 }
}
