/// Writes a record's line directly after the pending ones. Every signature comes here twice, so this does without the
/// intermediate steps of a general JSON writer. In the tests the strict reader reads every line back.
enum AuditLine {
    /// Appends the line without its newline.
    /// - Parameter previous: The hash of the line before.
    /// - Returns: The line's own hash.
    static func append(_ record: AuditRecord, sequence: UInt64, previous: AuditHash, to bytes: inout [UInt8]) -> AuditHash {
        // Enough if nothing must be escaped, and then on the stack. An escape takes up to six bytes for one, so the
        // loop ends.
        var capacity = expectedLength(record)
        while true {
            let hash = withUnsafeTemporaryAllocation(of: UInt8.self, capacity: capacity) { memory -> AuditHash? in
                var line = AuditLineWriter(memory)
                let hash = write(record, sequence, previous, to: &line)
                guard !line.isFull else { return nil }
                bytes.append(contentsOf: line.written)
                return hash
            }
            if let hash { return hash }
            capacity *= 2
        }
    }

    /// Member names, numbers and hashes take less than 700 bytes.
    static func expectedLength(_ record: AuditRecord) -> Int {
        func bytes(_ text: String?) -> Int { text?.utf8.count ?? 0 }
        var length = 700
        length +=
            bytes(record.trail) + bytes(record.correlation) + bytes(record.grant) + bytes(record.key?.rawValue) + bytes(record.fingerprint)
        length += bytes(record.operation) + bytes(record.ca) + bytes(record.url) + bytes(record.digest) + bytes(record.result)
        length += bytes(record.error) + bytes(record.detail)
        for identifier in record.identifiers { length += identifier.utf8.count + 3 }
        return length
    }

    private static func write(
        _ record: AuditRecord, _ sequence: UInt64, _ previous: AuditHash, to line: inout AuditLineWriter
    ) -> AuditHash {
        line.number("{\"sequence\":", sequence)
        line.number(",\"time\":", record.time)
        line.string(",\"kind\":\"", record.kind.rawValue)
        // A line that an older reader understands does not require a newer one.
        if record.kind == .genesis || record.missingFrom != nil { line.number(",\"format\":", AuditEntry.format) }
        line.string(",\"trail\":\"", record.trail)
        line.string(",\"correlation\":\"", record.correlation)
        if let uid = record.uid { line.number(",\"uid\":", uid) }
        if let gid = record.gid { line.number(",\"gid\":", gid) }
        // The reader's integers have 63 bits.
        if let connection = record.connection { line.number(",\"connection\":", Int64(clamping: connection)) }
        line.string(",\"grant\":\"", record.grant)
        line.string(",\"key\":\"", record.key?.rawValue)
        line.string(",\"fingerprint\":\"", record.fingerprint)
        line.string(",\"operation\":\"", record.operation)
        line.string(",\"ca\":\"", record.ca)
        line.string(",\"url\":\"", record.url)
        if !record.identifiers.isEmpty {
            line.text(",\"identifiers\":")
            for (index, identifier) in record.identifiers.enumerated() { line.string(index == 0 ? "[\"" : ",\"", identifier) }
            line.text("]")
        }
        line.string(",\"digest\":\"", record.digest)
        line.string(",\"result\":\"", record.result)
        line.string(",\"error\":\"", record.error)
        line.string(",\"detail\":\"", record.detail)
        if let missingFrom = record.missingFrom { line.number(",\"missingFrom\":", missingFrom) }
        line.text(",\"previous\":\"")
        line.hash(previous)
        line.text("\"")
        let hash = AuditHash(of: UnsafeRawBufferPointer(line.written))
        line.text(",\"hash\":\"")
        line.hash(hash)
        line.text("\"}")
        return hash
    }
}
