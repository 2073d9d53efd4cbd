import ACME
import StrictJSON

/// A record as written in a file: one line of JSON, chained to the line before it.
///
/// `{"sequence":7,…,"previous":"<hash of line 6>","hash":"<SHA-256>"}`: the hash is over the line's bytes before
/// `,"hash":`, so it covers `previous`, and with it every line before. No line can be changed, removed or inserted
/// without breaking every later one.
public struct AuditEntry: Hashable, Sendable {
    public var record: AuditRecord
    /// Hash of the line before, lower-case hex; 64 zeros in the genesis record.
    public var previous: String
    /// This line's hash, lower-case hex.
    public var hash: String
    /// The line without its newline.
    public var line: [UInt8]

    /// The newest format that this program reads. A line names its format; without a name it is in format 1. The
    /// genesis record names the newest format that its writer knew.
    ///
    /// | format | what is new in it |
    /// |---|---|
    /// | 1 | – |
    /// | 2 | `missingFrom` |
    static let format: Int64 = 2
    /// `,"hash":"` … `"}`
    private static let hashMember = Array(",\"hash\":\"".utf8)
    private static let suffixLength = 9 + AuditHash.digits + 2
    private static let members = [
        "sequence", "time", "kind", "format", "trail", "correlation", "uid", "gid", "connection", "grant", "key", "fingerprint",
        "operation", "ca", "url", "identifiers", "digest", "result", "error", "detail", "missingFrom", "previous", "hash",
    ]

    /// Reads a line and checks its hash. The caller must check whether it follows the line before.
    /// - Throws: `AuditError` `.malformed` if it is not a record, `.damaged` if the hash does not match the line.
    public init(line: some Collection<UInt8>, file: String = "") throws(AuditError) {
        let bytes = Array(line)
        func malformed(_ why: String) -> AuditError { AuditError(.malformed, file: file, message: "not an audit record: \(why)") }
        let object: JSONObject
        let newer: Int64?
        do throws(JSONError) {
            // What the log accepts must be readable, whatever strings it has: U+0000 too, and as many values as a line
            // can hold.
            object = try JSONDocument(parsing: bytes, limits: JSONLimits(depth: 4, values: bytes.count, allowsNUL: true)).root.object()
            // First: this program cannot judge what a newer format puts in a line.
            newer = try object.optionalInteger("format").flatMap { $0 > AuditEntry.format ? $0 : nil }
        } catch {
            throw malformed(error.description)
        }
        if let newer { throw .newer(newer, AuditEntry.format, file: file) }
        do throws(JSONError) {
            try object.finish(known: AuditEntry.members)
            guard let kind = AuditRecord.Kind(rawValue: try object.string("kind")) else {
                throw JSONError(.invalidValue, offset: 0, member: "kind")
            }
            var record = AuditRecord(kind, time: try object.integer("time"))
            record.sequence = try AuditEntry.unsigned(object, "sequence") ?? 0
            let format = try kind == .genesis ? object.integer("format") : object.optionalInteger("format")
            if let format, format < 1 { throw JSONError(.invalidValue, offset: 0, member: "format") }
            record.trail = try object.optionalString("trail")
            record.correlation = try object.optionalString("correlation")
            record.uid = try AuditEntry.unsigned(object, "uid")
            record.gid = try AuditEntry.unsigned(object, "gid")
            record.connection = try AuditEntry.unsigned(object, "connection")
            record.grant = try object.optionalString("grant")
            // An earlier version recorded what it refused as the caller wrote it: its lines may have a text that names
            // no key.
            record.key = try object.optionalString("key").flatMap { try? KeyName($0) }
            record.fingerprint = try object.optionalString("fingerprint")
            record.operation = try object.optionalString("operation")
            record.ca = try object.optionalString("ca")
            record.url = try object.optionalString("url")
            record.identifiers = try object.optionalStrings("identifiers") ?? []
            record.digest = try object.optionalString("digest")
            record.result = try object.optionalString("result")
            record.error = try object.optionalString("error")
            record.detail = try object.optionalString("detail")
            record.missingFrom = try AuditEntry.unsigned(object, "missingFrom")
            _ = try object.integer("sequence")
            self.record = record
            self.previous = try object.string("previous")
            self.hash = try object.string("hash")
        } catch {
            throw malformed(error.description)
        }
        self.line = bytes
        guard bytes.count > AuditEntry.suffixLength,
            bytes[(bytes.count - AuditEntry.suffixLength)...].starts(with: AuditEntry.hashMember),
            bytes.suffix(2).elementsEqual("\"}".utf8)
        else { throw malformed("it does not end in its hash") }
        guard AuditHash(of: bytes.dropLast(AuditEntry.suffixLength)) == AuditHash(hash) else {
            throw AuditError(.damaged, file: file, message: "the record's hash does not match its line")
        }
    }

    /// Whether this record comes right after `last`, or says itself that the records in between may be missing.
    func follows(_ last: AuditEntry) -> Bool { follows(AuditHead(sequence: last.record.sequence, hash: last.hash)) }

    /// Whether this record comes right after the one with that head, or says itself that records in between may be
    /// missing.
    public func follows(_ last: AuditHead) -> Bool {
        if record.sequence == last.sequence &+ 1 { return previous == last.hash }
        guard let missingFrom = record.missingFrom, record.sequence > last.sequence else { return false }
        return missingFrom <= last.sequence &+ 1
    }

    /// The sequence that a line begins with, without reading the rest of it.
    static func sequence(ofLine line: ArraySlice<UInt8>) -> UInt64? {
        let start = Array("{\"sequence\":".utf8)
        guard line.starts(with: start) else { return nil }
        var value: UInt64 = 0
        for byte in line.dropFirst(start.count) {
            guard byte >= 0x30, byte <= 0x39 else { return byte == UInt8(ascii: ",") ? value : nil }
            let (next, overflow) = value.multipliedReportingOverflow(by: 10)
            let (sum, overflowToo) = next.addingReportingOverflow(UInt64(byte - 0x30))
            guard !overflow, !overflowToo else { return nil }
            value = sum
        }
        return nil
    }

    private static func unsigned<Number: FixedWidthInteger>(_ object: JSONObject, _ name: String) throws(JSONError) -> Number? {
        guard let value = try object.optionalInteger(name) else { return nil }
        guard let number = Number(exactly: value) else { throw JSONError(.integerOutOfRange, offset: 0, member: name) }
        return number
    }
}
