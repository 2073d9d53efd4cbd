import StrictJSON

/// Writes a record's line straight behind those that are pending. On the path of every signature, twice, so it does without the
/// intermediate steps of a general JSON writer; the strict reader reads every line of the tests back.
enum AuditLine {
    /// Appends the line without its newline.
    /// - Parameter previous: The hash of the line before.
    /// - Returns: The line's own hash.
    static func append(_ record: AuditRecord, sequence: UInt64, previous: AuditHash, to bytes: inout [UInt8]) -> AuditHash {
        let start = bytes.count
        number("{\"sequence\":", sequence, &bytes)
        number(",\"time\":", record.time, &bytes)
        string(",\"kind\":\"", record.kind.rawValue, &bytes)
        if record.kind == .genesis { number(",\"format\":", AuditEntry.format, &bytes) }
        string(",\"trail\":\"", record.trail, &bytes)
        string(",\"correlation\":\"", record.correlation, &bytes)
        if let uid = record.uid { number(",\"uid\":", uid, &bytes) }
        if let gid = record.gid { number(",\"gid\":", gid, &bytes) }
        // The reader's integers have 63 bits.
        if let connection = record.connection { number(",\"connection\":", Int64(clamping: connection), &bytes) }
        string(",\"grant\":\"", record.grant, &bytes)
        string(",\"key\":\"", record.key, &bytes)
        string(",\"fingerprint\":\"", record.fingerprint, &bytes)
        string(",\"operation\":\"", record.operation, &bytes)
        string(",\"ca\":\"", record.ca, &bytes)
        string(",\"url\":\"", record.url, &bytes)
        if !record.identifiers.isEmpty {
            text(",\"identifiers\":", &bytes)
            for (index, identifier) in record.identifiers.enumerated() { string(index == 0 ? "[\"" : ",\"", identifier, &bytes) }
            text("]", &bytes)
        }
        string(",\"digest\":\"", record.digest, &bytes)
        string(",\"result\":\"", record.result, &bytes)
        string(",\"error\":\"", record.error, &bytes)
        string(",\"detail\":\"", record.detail, &bytes)
        text(",\"previous\":\"", &bytes)
        previous.append(to: &bytes)
        text("\"", &bytes)
        let hash = AuditHash(of: bytes[start...])
        text(",\"hash\":\"", &bytes)
        hash.append(to: &bytes)
        text("\"}", &bytes)
        return hash
    }

    static func hex(_ bytes: some Sequence<UInt8>) -> [UInt8] { bytes.flatMap { [digit($0 >> 4), digit($0 & 15)] } }

    static func digit(_ nibble: UInt8) -> UInt8 { nibble < 10 ? 0x30 + nibble : 0x57 + nibble }

    private static func text(_ text: StaticString, _ bytes: inout [UInt8]) {
        bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    private static func number(_ name: StaticString, _ value: some FixedWidthInteger, _ bytes: inout [UInt8]) {
        text(name, &bytes)
        var rest = value.magnitude
        if value < 0 { bytes.append(UInt8(ascii: "-")) }
        // 20 digits are the longest number of 64 bits.
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 20) { digits in
            var at = 20
            repeat {
                at -= 1
                digits[at] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            } while rest > 0 && at > 0
            bytes.append(contentsOf: UnsafeBufferPointer(rebasing: digits[at...]))
        }
    }

    /// Nothing where there is no value.
    /// - Parameter name: What comes before the value, its opening quote included.
    private static func string(_ name: StaticString, _ value: String?, _ bytes: inout [UInt8]) {
        guard let value else { return }
        text(name, &bytes)
        let wasPlain = value.utf8.withContiguousStorageIfAvailable { utf8 in
            guard JSONWriter.isPlain(utf8) else { return false }
            bytes.append(contentsOf: utf8)
            return true
        }
        if wasPlain != true { for byte in value.utf8 { escaped(byte, &bytes) } }
        bytes.append(UInt8(ascii: "\""))
    }

    /// As `JSONWriter.isPlain`, for one byte.
    private static func needsEscape(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte == 0x7F
    }

    private static func escaped(_ byte: UInt8, _ bytes: inout [UInt8]) {
        guard needsEscape(byte) else { return bytes.append(byte) }
        bytes.append(UInt8(ascii: "\\"))
        if byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") {
            bytes.append(byte)
        } else {
            text("u00", &bytes)
            bytes.append(digit(byte >> 4))
            bytes.append(digit(byte & 15))
        }
    }
}
