import DurableFile

/// The remembered end of the trail, compared with what is there.
extension AuditOpening {
    /// The memory of the trail's end.
    struct Remembered {
        var head: AuditHead?
        /// Why there is none, though there should be: accepted, and to be recorded.
        var damage: AuditError?
    }

    /// - Throws: `AuditError` if the memory cannot be read, unless that is accepted.
    func rememberedHead() throws(AuditError) -> Remembered {
        do throws(AuditError) { return Remembered(head: try memory?.read()) } catch {
            if accepts, error.reason == .memoryDamaged { return Remembered(damage: error) }
            throw error
        }
    }

    /// The record of what was accepted.
    static func acceptance(_ message: String) -> AuditRecord {
        var accepted = AuditRecord(.event)
        accepted.operation = AuditRecord.acceptance
        accepted.detail = "accepted by an administrator: \(message)"
        return accepted
    }

    /// Starts a trail if there is none and none is missing.
    func begin(
        in directory: Folder, lock: FileLock, older: [(path: String, first: UInt64)], remembered: AuditHead?
    ) throws(AuditError) -> Result {
        guard !older.isEmpty || remembered != nil else {
            _ = try? directory.remove(folder.name)
            return try create(in: directory, lock: lock)
        }
        let end = remembered.map { "it ended with record \($0.sequence)" } ?? older.last.map { "\($0.path) is there" } ?? ""
        let message = "the audit trail is gone or empty, although \(end)"
        guard accepts else {
            throw AuditError(.missing, file: folder.path, message: message)
        }
        _ = try? directory.remove(folder.name)
        var accepted = AuditOpening.acceptance(message + (remembered.map { ", \($0)" } ?? ""))
        guard let last = older.last, let file = try AuditFolder.openForReading(last.path),
            let entry = try AuditEnd(file).entries.last
        else {
            var result = try create(in: directory, lock: lock)
            result.accepted = accepted
            return result
        }
        // After the older files, and after what is remembered of the one that is gone.
        var head = AuditHead(sequence: entry.record.sequence, hash: entry.hash)
        if let remembered, remembered.sequence > head.sequence { head = remembered }
        guard let hash = AuditHash(head.hash) else {
            throw AuditError(.damaged, file: last.path, message: "the audit trail's last record has no hash")
        }
        accepted.missingFrom = entry.record.sequence &+ 1
        var line: [UInt8] = []
        let own = AuditLine.append(accepted, sequence: head.sequence &+ 1, previous: hash, to: &line)
        line.append(UInt8(ascii: "\n"))
        let next = try putFirst(line, in: directory)
        return Result(
            directory: directory, lock: lock, file: next, size: line.count, first: head.sequence &+ 1, next: head.sequence &+ 2, head: own,
            created: true,
            remembered: remembered, accepted: accepted, isAcceptanceWritten: true)
    }

    /// - Returns: What to record if the trail differs from what was remembered and that is accepted.
    func compare(
        _ remembered: AuditHead?, with last: AuditEntry, in file: File, older: [(path: String, first: UInt64)]
    ) throws(AuditError) -> AuditRecord? {
        guard let remembered else { return nil }
        let message: String
        var missingFrom: UInt64?
        if remembered.sequence > last.record.sequence {
            message = "the audit trail ends with record \(last.record.sequence), but record \(remembered.sequence) was in it: it was cut"
            missingFrom = last.record.sequence &+ 1
        } else {
            // `nil` if the file that had it was moved away.
            guard let found = try entry(remembered.sequence, file, older), found.hash != remembered.hash else { return nil }
            message = "record \(remembered.sequence) of the audit trail is not the one that was written: the trail was rewritten"
        }
        guard accepts else {
            throw AuditError(.shortened, file: folder.path, message: message)
        }
        var accepted = AuditOpening.acceptance("\(message), \(remembered)")
        accepted.missingFrom = missingFrom
        return accepted
    }

    private func entry(
        _ sequence: UInt64, _ file: File, _ older: [(path: String, first: UInt64)]
    ) throws(AuditError) -> AuditEntry? {
        if let entry = try file.entry(of: sequence) { return entry }
        guard let match = older.last(where: { $0.first <= sequence }), let file = try AuditFolder.openForReading(match.path) else {
            return nil
        }
        return try file.entry(of: sequence)
    }
}
