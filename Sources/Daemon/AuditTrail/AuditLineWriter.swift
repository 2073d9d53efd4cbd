import JOSE

/// Writes the parts of a line into memory of a fixed size. What does not fit is left out, and the writer reports that
/// it is full.
struct AuditLineWriter {
    private let memory: UnsafeMutableBufferPointer<UInt8>
    private var count = 0
    /// Whether something was left out: then the line is useless.
    private(set) var isFull = false

    init(_ memory: UnsafeMutableBufferPointer<UInt8>) { self.memory = memory }

    /// What has been written so far.
    var written: UnsafeBufferPointer<UInt8> { UnsafeBufferPointer(rebasing: memory[..<count]) }

    mutating func text(_ text: StaticString) { put(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)) }

    mutating func number(_ name: StaticString, _ value: some FixedWidthInteger) {
        text(name)
        if value < 0 { put(UInt8(ascii: "-")) }
        var rest = value.magnitude
        // The longest number of 64 bits has 20 digits.
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
            var at = 20
            repeat {
                at -= 1
                digits[at] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            } while rest > 0 && at > 0
            put(UnsafeBufferPointer(rebasing: UnsafeBufferPointer(digits)[at...]))
        }
    }

    /// Writes nothing if there is no value.
    /// - Parameter name: What comes before the value, including its opening quote.
    mutating func string(_ name: StaticString, _ value: String?) {
        guard let value else { return }
        text(name)
        // Always the case for strings that Swift made.
        let wasContiguous = value.utf8.withContiguousStorageIfAvailable { utf8 in
            string(utf8)
            return true
        }
        if wasContiguous != true { escaped(value.unicodeScalars) }
        put(UInt8(ascii: "\""))
    }

    private mutating func string(_ utf8: UnsafeBufferPointer<UInt8>) {
        if AuditLineWriter.isPlainASCII(utf8) { return put(utf8) }
        escaped(String(decoding: utf8, as: UTF8.self).unicodeScalars)
    }

    /// Always runs to the end, and with sums, so that one instruction can look at many bytes.
    private static func isPlainASCII(_ utf8: UnsafeBufferPointer<UInt8>) -> Bool {
        var escapes: UInt8 = 0
        for index in utf8.indices {
            let byte = utf8[index]
            escapes |= (byte < 0x20 ? 1 : 0) | (byte == 0x22 ? 1 : 0) | (byte == 0x5C ? 1 : 0) | (byte > 0x7E ? 1 : 0)
        }
        return escapes == 0
    }

    private mutating func escaped(_ scalars: String.UnicodeScalarView) {
        for scalar in scalars {
            if scalar.value < 0x80 {
                escaped(UInt8(truncatingIfNeeded: scalar.value))
            } else if AuditLineWriter.isShown(scalar) {
                for byte in UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter { put(byte) }
            } else {
                for unit in UTF16.encode(scalar) ?? UTF16.encodedReplacementCharacter { escaped(unit) }
            }
        }
    }

    /// Whether a scalar may appear in the file unescaped. A reader on a terminal must see what is there: no control
    /// sequence (U+009B begins one), no extra line (U+2028), no reversed text (bidirectional marks), nothing invisible.
    private static func isShown(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: false
        default: true
        }
    }

    private mutating func escaped(_ unit: UInt16) {
        text("\\u")
        for shift in stride(from: 12, through: 0, by: -4) { put(Hexadecimal.digit(UInt8(truncatingIfNeeded: unit >> shift) & 15)) }
    }

    /// As JSON requires, and DEL.
    private static func needsEscape(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte == 0x7F
    }

    private mutating func escaped(_ byte: UInt8) {
        guard AuditLineWriter.needsEscape(byte) else { return put(byte) }
        put(UInt8(ascii: "\\"))
        if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
            put(byte)
        } else {
            text("u00")
            put(Hexadecimal.digit(byte >> 4))
            put(Hexadecimal.digit(byte & 15))
        }
    }

    /// Lower-case hex.
    mutating func hash(_ hash: AuditHash) { hash.withDigits { put(UnsafeBufferPointer($0)) } }

    private mutating func put(_ byte: UInt8) {
        guard count < memory.count else { return isFull = true }
        memory[count] = byte
        count += 1
    }

    private mutating func put(_ bytes: UnsafeBufferPointer<UInt8>) {
        guard bytes.count <= memory.count - count else { return isFull = true }
        guard let source = bytes.baseAddress, let target = memory.baseAddress else { return }
        (target + count).update(from: source, count: bytes.count)
        count += bytes.count
    }
}
