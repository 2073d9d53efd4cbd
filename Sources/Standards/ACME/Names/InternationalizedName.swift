@_spi(_Unicode) import Swift

/// Converts a name as people write it to A-labels (RFC 5891 §4, RFC 5892), for the command line and configurations.
/// Names from a connection must already be A-labels: `DNSName` accepts nothing else.
///
/// Where the standard library lacks a property (joining types, bidi classes), the rule here is stricter than IDNA's,
/// and the error says how to give the name nevertheless.
public enum InternationalizedName {
    /// The name in A-labels if it has characters that are not ASCII, otherwise unchanged. The rest is checked by
    /// `DNSName`.
    public static func aLabels(_ text: String) throws(IdentifierError) -> String {
        guard text.utf8.contains(where: { $0 >= 0x80 }) else { return text }
        guard text.utf8.count <= 4 * DNSName.maximumLength else { throw .name(text, "it is too long") }
        var labels: [String] = []
        // By scalars, since a full stop with a combining mark is one Character.
        for label in text.unicodeScalars.split(separator: ".", omittingEmptySubsequences: false) {
            labels.append(try aLabel(String(label), of: text))
        }
        return labels.joined(separator: ".")
    }

    private static func aLabel(_ label: String, of name: String) throws(IdentifierError) -> String {
        guard label.utf8.contains(where: { $0 >= 0x80 }) else { return label }
        // RFC 5895 §2: lower case first, then composed.
        let scalars = Array(label.lowercased()._nfc)
        for (index, scalar) in scalars.enumerated() where !isValid(scalar, at: index, in: scalars) {
            let code = String(scalar.value, radix: 16, uppercase: true)
            throw .name(name, "U+\(code) is not allowed in a name; if you need it, give the label as xn--…")
        }
        guard let first = scalars.first, first != "-", scalars.last != "-" else { throw .name(name, "a label begins or ends with \"-\"") }
        // RFC 5891 §4.2.3.1 and §4.2.3.2
        guard scalars.count < 4 || scalars[2] != "-" || scalars[3] != "-" else {
            throw .name(name, "a label has \"--\" as its third and fourth character")
        }
        guard !isMark(first) else { throw .name(name, "a label begins with a combining mark") }
        guard isOfOneDirection(scalars) else { throw .name(name, "a label mixes writing directions, or begins with a digit") }
        guard let encoded = Punycode.encode(scalars) else { throw .name(name, "a label is too long") }
        return "xn--" + String(decoding: encoded, as: UTF8.self)
    }

    private static func isMark(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .spacingMark, .enclosingMark: true
        default: false
        }
    }

    /// RFC 5892 §2 and §3: PVALID, or CONTEXTJ and CONTEXTO with their rules of appendix A.
    private static func isValid(_ scalar: Unicode.Scalar, at index: Int, in label: [Unicode.Scalar]) -> Bool {
        let before = index > 0 ? label[index - 1] : nil
        let behind = index + 1 < label.count ? label[index + 1] : nil
        switch scalar.value {
        // Exceptions (§2.6)
        case 0xDF, 0x3C2, 0x6FD, 0x6FE, 0xF0B, 0x3007: return true
        case 0x640, 0x7FA, 0x302E, 0x302F, 0x3031...0x3035, 0x303B: return false
        // Contextual rules (appendix A)
        case 0xB7: return before == "l" && behind == "l"
        case 0x375: return behind.map(isGreek) ?? false
        case 0x5F3, 0x5F4: return before.map { (0x590...0x5FF).contains($0.value) } ?? false
        case 0x30FB: return label.contains(where: isJapanese)
        case 0x660...0x669: return !label.contains { (0x6F0...0x6F9).contains($0.value) }
        case 0x6F0...0x6F9: return !label.contains { (0x660...0x669).contains($0.value) }
        // After a virama. The rule for ZWNJ between joining types is left out: the standard library does not know them.
        case 0x200C, 0x200D: return before?.properties.canonicalCombiningClass == .virama
        // Letters, digits, hyphen (§2.4)
        case 0x2D, 0x30...0x39, 0x61...0x7A: return true
        case 0..<0x80: return false
        // Conjoining jamo (§2.9)
        case 0x1100...0x11FF, 0xA960...0xA97F, 0xD7B0...0xD7FF: return false
        default: break
        }
        let properties = scalar.properties
        guard !properties.changesWhenNFKCCaseFolded, !properties.isDefaultIgnorableCodePoint, !properties.isWhitespace,
            !properties.isNoncharacterCodePoint
        else { return false }
        switch properties.generalCategory {
        case .lowercaseLetter, .uppercaseLetter, .otherLetter, .modifierLetter, .nonspacingMark, .spacingMark, .decimalNumber: return true
        default: return false
        }
    }

    private static func isGreek(_ scalar: Unicode.Scalar) -> Bool {
        (0x370...0x3FF).contains(scalar.value) || (0x1F00...0x1FFF).contains(scalar.value)
    }

    /// Hiragana, Katakana, Han (RFC 5892 appendix A.7).
    private static func isJapanese(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.value {
        case 0x3041...0x3096, 0x309D...0x309F, 0x30A1...0x30FA, 0x30FD...0x30FF, 0x31F0...0x31FF, 0x3005, 0x3007, 0x3400...0x4DBF,
            0x4E00...0x9FFF, 0xF900...0xFAFF, 0x20000...0x3FFFF:
            true
        default: false
        }
    }

    /// Replaces the Bidi rule (RFC 5893 §2): a label with right-to-left letters has no others and does not begin with a
    /// digit.
    private static func isOfOneDirection(_ label: [Unicode.Scalar]) -> Bool {
        func isRightToLeft(_ scalar: Unicode.Scalar) -> Bool {
            switch scalar.value {
            case 0x590...0x8FF, 0xFB1D...0xFDFF, 0xFE70...0xFEFF, 0x10800...0x10FFF, 0x1E800...0x1EFFF: true
            default: false
            }
        }
        func isDigit(_ scalar: Unicode.Scalar) -> Bool { scalar.properties.generalCategory == .decimalNumber }
        guard label.contains(where: { isRightToLeft($0) && !isDigit($0) && !isMark($0) }) else { return true }
        guard let first = label.first, !isDigit(first) else { return false }
        return label.allSatisfy { isRightToLeft($0) || isDigit($0) || $0 == "-" || $0.properties.isJoinControl }
    }
}
