/// The file format of `PINAttempts`.
///
/// A line with the format's name and version, and a byte with the number of records. For each record 16 bytes of salt,
/// 2 bytes of tag (big endian), a byte with the number of tries and a byte of flags. At the end the FNV-1a hash of all
/// of that, since a record that has lost a bit could allow one more try.
enum PINAttemptsFile {
    /// Why the bytes cannot be used; no try is made then.
    enum Mistake: Error, Hashable, Sendable {
        case damaged
        /// Written by a later version of this program.
        case newer(version: Int)
    }

    static let version = 2
    static let saltLength = 16
    /// Length of the longest file in bytes.
    static let longest = header.count + 1 + PINAttempts.mostRecords * recordLength + checkLength

    static func encode(_ attempts: PINAttempts) -> [UInt8] {
        var bytes = header + [UInt8(attempts.records.count)]
        for record in attempts.records {
            bytes += record.mark.salt
            bytes += [UInt8(record.mark.tag >> 8), UInt8(record.mark.tag & 0xFF), UInt8(record.tries)]
            bytes.append((record.isRefused ? refusedFlag : 0) | (record.isBeforeSuccess ? beforeSuccessFlag : 0))
        }
        return bytes + check(bytes)
    }

    /// Also reads version 1: one PIN, without a note whether the token had refused it.
    static func decode(_ bytes: [UInt8]) throws(Mistake) -> PINAttempts {
        guard bytes.starts(with: name) else { throw .damaged }
        let number = bytes.dropFirst(name.count).prefix { $0 != UInt8(ascii: "\n") }
        guard (1...4).contains(number.count), number.allSatisfy({ (0x30...0x39).contains($0) }),
            let version = Int(String(decoding: number, as: UTF8.self)), version >= 1
        else { throw .damaged }
        let content = bytes.dropFirst(name.count + number.count + 1)
        switch version {
        case 1: return try decodeFirst(Array(content))
        case Self.version: return try decode(whole: bytes, content: Array(content))
        default: throw .newer(version: version)
        }
    }

    private static func decodeFirst(_ content: [UInt8]) throws(Mistake) -> PINAttempts {
        guard content.count == saltLength + 2 else { throw .damaged }
        var attempts = PINAttempts()
        let tag = UInt16(content[saltLength]) << 8 | UInt16(content[saltLength + 1])
        attempts.adopt(PINAttempts.Mark(salt: Array(content.prefix(saltLength)), tag: tag))
        return attempts
    }

    private static func decode(whole bytes: [UInt8], content: [UInt8]) throws(Mistake) -> PINAttempts {
        guard let count = content.first, content.count == 1 + Int(count) * recordLength + checkLength,
            Array(bytes.suffix(checkLength)) == check(Array(bytes.dropLast(checkLength)))
        else { throw .damaged }
        var records: [PINAttempts.Record] = []
        for index in 0..<Int(count) {
            let record = Array(content.dropFirst(1 + index * recordLength).prefix(recordLength))
            guard record.count == recordLength, record[19] & ~(refusedFlag | beforeSuccessFlag) == 0 else { throw .damaged }
            records.append(
                PINAttempts.Record(
                    mark: PINAttempts.Mark(salt: Array(record.prefix(saltLength)), tag: UInt16(record[16]) << 8 | UInt16(record[17])),
                    tries: Int(record[18]), isRefused: record[19] & refusedFlag != 0,
                    isBeforeSuccess: record[19] & beforeSuccessFlag != 0))
        }
        guard let attempts = PINAttempts(records: records) else { throw .damaged }
        return attempts
    }

    private static func check(_ bytes: [UInt8]) -> [UInt8] {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        return (0..<checkLength).map { UInt8(truncatingIfNeeded: hash >> UInt64(8 * $0)) }
    }

    private static let name = Array("acme-agent pin attempt ".utf8)
    private static let header = name + Array("\(version)\n".utf8)
    private static let recordLength = saltLength + 4
    private static let checkLength = 8
    private static let refusedFlag: UInt8 = 1
    private static let beforeSuccessFlag: UInt8 = 2
}
