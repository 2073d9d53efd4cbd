/// The labels of one series, in the order of their names.
struct Labels: Hashable, Comparable {
    private let pairs: [Pair]

    private struct Pair: Hashable {
        var name: String
        var value: String
    }

    /// - Parameter longestValue: Bytes that are kept of each value.
    init(_ dimensions: [(String, String)], longestValue: Int) {
        pairs = dimensions.map { Pair(name: $0.0, value: Self.cut($0.1, longestValue)) }.sorted { $0.name < $1.name }
    }

    /// Whether a label has this value, as far as it is kept.
    func has(_ name: String, _ value: String, longestValue: Int) -> Bool {
        pairs.contains(Pair(name: name, value: Self.cut(value, longestValue)))
    }

    static func < (one: Labels, other: Labels) -> Bool {
        one.pairs.lexicographicallyPrecedes(other.pairs) { ($0.name, $0.value) < ($1.name, $1.value) }
    }

    /// `{a="1",b="2"}`, or nothing without labels.
    /// - Parameter further: A last label, such as a bucket's bound.
    func text(and further: (name: String, value: String)? = nil) -> String {
        var parts = pairs.map { "\($0.name)=\"\(Self.escaped($0.value))\"" }
        if let further { parts.append("\(further.name)=\"\(further.value)\"") }
        return parts.isEmpty ? "" : "{" + parts.joined(separator: ",") + "}"
    }

    /// Ends before the character that would be beyond the length.
    private static func cut(_ value: String, _ length: Int) -> String {
        guard value.utf8.count > length else { return value }
        var result = "", count = 0
        for scalar in value.unicodeScalars {
            count += UTF8.width(scalar)
            guard count <= length else { break }
            result.unicodeScalars.append(scalar)
        }
        return result
    }

    /// Control characters would be shown by a terminal; the format forbids none but the line feed.
    private static func escaped(_ value: String) -> String {
        var result = ""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\\": result += "\\\\"
            case "\"": result += "\\\""
            case "\n": result += "\\n"
            case _ where scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value): result += "\u{FFFD}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
