/// A host name as in certificates (RFC 5280 §4.2.1.6, RFC 8555 §7.1.4): lower case, A-labels, no trailing dot, or a
/// wildcard for one label (`*.example.org`). Two names are equal if and only if their bytes are.
public struct DNSName: Hashable, Sendable, Comparable, CustomStringConvertible {
    /// RFC 1035 §2.3.4: 255 octets on the wire are 253 in text.
    public static let maximumLength = 253
    /// RFC 1035 §2.3.4.
    public static let maximumLabelLength = 63

    /// The canonical text, with `*.` in front of a wildcard.
    public let text: String
    /// Whether the first label is `*`.
    public let isWildcard: Bool

    /// Canonicalises upper case and one trailing dot, and refuses everything else that is not in the form above. An
    /// internationalised name must be given as A-labels.
    public init(_ text: String) throws(IdentifierError) {
        var bytes = Array(text.utf8)
        guard bytes.count <= DNSName.maximumLength + 1 else {
            throw .name(text, "it is longer than \(DNSName.maximumLength) characters")
        }
        if bytes.last == UInt8(ascii: ".") { bytes.removeLast() }
        guard !bytes.isEmpty else { throw .name(text, "it is empty") }
        guard bytes.count <= DNSName.maximumLength else {
            throw .name(text, "it is longer than \(DNSName.maximumLength) characters")
        }
        for index in bytes.indices where (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(bytes[index]) { bytes[index] |= 0x20 }
        isWildcard = bytes.first == UInt8(ascii: "*") && (bytes.count == 1 || bytes[1] == UInt8(ascii: "."))
        guard !isWildcard || bytes.count > 1 else {
            throw .name(text, "a wildcard stands for one label of a name, such as *.example.org")
        }
        if let reason = DNSName.problem(ofName: isWildcard ? bytes[2...] : bytes[...]) { throw .name(text, reason) }
        self.text = String(decoding: bytes, as: UTF8.self)
    }

    /// What is wrong with a lower-case name that is not a wildcard, in words. Its length is not checked.
    static func problem(ofName name: ArraySlice<UInt8>) -> String? {
        var rest = name
        while true {
            let end = rest.firstIndex(of: UInt8(ascii: ".")) ?? rest.endIndex
            let label = rest[..<end]
            if let reason = problem(ofLabel: label) { return reason }
            if end == rest.endIndex { return label.allSatisfy(isDigit) ? "its last label is a number" : nil }
            rest = rest[(end + 1)...]
        }
    }

    /// What is wrong with a lower-case label, in words.
    private static func problem(ofLabel label: ArraySlice<UInt8>) -> String? {
        guard !label.isEmpty else { return "a label is empty" }
        guard label.count <= maximumLabelLength else { return "a label is longer than \(maximumLabelLength) characters" }
        for byte in label {
            if byte >= 0x80 { return "it has a character that is not ASCII; give it as an A-label (xn--…)" }
            if byte == UInt8(ascii: "*") { return "\"*\" is allowed only as the whole first label" }
            guard isLetterOrDigit(byte) || byte == UInt8(ascii: "-") else { return "a label may have only letters, digits and \"-\"" }
        }
        guard label.first != UInt8(ascii: "-"), label.last != UInt8(ascii: "-") else {
            return "a label begins or ends with \"-\""
        }
        if label.starts(with: "xn--".utf8), !Punycode.isCanonicalALabel(label.dropFirst(4)) {
            return "the label \"\(String(decoding: label, as: UTF8.self))\" is not valid punycode"
        }
        return nil
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
    private static func isLetterOrDigit(_ byte: UInt8) -> Bool {
        isDigit(byte) || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
    }

    /// The name without `*.`: the domain that a wildcard's challenge is for (RFC 8555 §7.1.3).
    public var base: String { isWildcard ? String(text.utf8.dropFirst(2)) ?? text : text }

    /// From left to right, including `*`.
    public var labels: [Substring] { text.split(separator: ".", omittingEmptySubsequences: false) }

    public var description: String { text }

    public static func < (left: DNSName, right: DNSName) -> Bool { left.text.utf8.lexicographicallyPrecedes(right.text.utf8) }
}
