import DurableFile

/// Verifies a trail from its first record to its last, across its files, without reading a whole file into memory.
///
/// The chain alone proves that what is there is in order and unchanged since it was written. Only a head kept elsewhere
/// (`expecting`) proves that nothing was cut off the end and that the trail was not rewritten. May run while the agent
/// writes.
public struct AuditVerifier: Sendable {
    private let folder: AuditFolder
    private let expected: [AuditHead]
    private let acceptsMissingBeginning: Bool

    /// - Parameters:
    ///   - path: The trail's current file; older ones are found next to it.
    ///   - expected: Heads that were noted earlier; each must be in the trail.
    ///   - acceptsMissingBeginning: Whether the oldest files may have been moved away.
    public init(path: String, expecting expected: [AuditHead] = [], acceptsMissingBeginning: Bool = false) {
        folder = AuditFolder(path: path)
        self.expected = expected
        self.acceptsMissingBeginning = acceptsMissingBeginning
    }

    /// Reads everything and stops at the first fault, which is in the report and is not thrown.
    /// - Parameter each: gets each record that follows the ones before it, in their order.
    /// - Throws: `AuditError` if a file cannot be read or there is none.
    public func verify(each: (AuditEntry) -> Void = { _ in }) throws(AuditError) -> AuditReport {
        var run = Run(expected: expected, acceptsMissingBeginning: acceptsMissingBeginning)
        // A rotation may happen meanwhile. The current file is opened before the older ones are listed, so that no
        // rotation hides it.
        guard let current = try AuditFolder.openForReading(folder.path) else {
            throw AuditError(.missing, file: folder.path, message: "there is no audit trail")
        }
        let identity = try? current.status().identity
        let older = try folder.older()
        for (index, entry) in older.enumerated() {
            guard let file = try AuditFolder.openForReading(entry.path), (try? file.status().identity) != identity else { continue }
            let next = index + 1 < older.count ? try AuditFolder.openForReading(older[index + 1].path) ?? current : current
            run.missingFrom = try AuditVerifier.missingFrom(next)
            if try run.read(file, entry.path, each) { return run.report }
            if run.report.unfinishedBytes > 0 {
                guard run.isAbandoned else {
                    run.fail(.malformed, entry.path, nil, "an older file does not end with a whole record")
                    return run.report
                }
                run.report.unfinishedBytes = 0
            }
        }
        run.missingFrom = nil
        if try run.read(current, folder.path, each) { return run.report }
        run.finish(folder.path)
        return run.report
    }

    /// What a file's first record says may be missing from the file before it.
    private static func missingFrom(_ file: File) throws(AuditError) -> UInt64? {
        var lines = AuditLineReader(file: file)
        guard let line = try lines.next() else { return nil }
        return (try? AuditEntry(line: line))?.record.missingFrom
    }

    /// The walk along the chain.
    private struct Run {
        var report = AuditReport()
        var expected: [AuditHead]
        let acceptsMissingBeginning: Bool
        /// From which record on this file may lack anything, as the next one says.
        var missingFrom: UInt64?
        private var line = 0

        init(expected: [AuditHead], acceptsMissingBeginning: Bool) {
            self.expected = expected
            self.acceptsMissingBeginning = acceptsMissingBeginning
        }

        /// Whether the rest of the file does not count, since the next one continues from here.
        var isAbandoned: Bool {
            guard let missingFrom, let head = report.head else { return false }
            return missingFrom <= head.sequence &+ 1
        }

        mutating func fail(_ kind: AuditFault.Kind, _ file: String, _ sequence: UInt64?, _ message: String) {
            report.fault = AuditFault(kind, file: file, line: line, sequence: sequence, message: message)
        }

        /// Reads one file; returns true once something is wrong.
        mutating func read(_ file: File, _ path: String, _ each: (AuditEntry) -> Void) throws(AuditError) -> Bool {
            report.files.append(path)
            line = 0
            var lines = AuditLineReader(file: file)
            while true {
                let bytes: ArraySlice<UInt8>?
                do throws(AuditError) { bytes = try lines.next() } catch {
                    guard error.reason == .malformed else { throw error }
                    if isAbandoned { return false }
                    line += 1
                    fail(.malformed, path, nil, error.message)
                    return true
                }
                guard let bytes else { break }
                line += 1
                let entry: AuditEntry
                do throws(AuditError) { entry = try AuditEntry(line: bytes, file: path) } catch {
                    if error.reason == .newerFormat { throw error }
                    if isAbandoned { return false }
                    let should = report.head.map { $0.sequence &+ 1 } ?? 0
                    fail(
                        error.reason == .damaged ? .changed : .malformed, path, should, "\(error.message), where record \(should) should be"
                    )
                    return true
                }
                if !follows(entry, path) {
                    // If the record that should be here comes later, records were moved; if not, they are gone.
                    if report.fault?.kind == .removed, let should = report.head.map({ $0.sequence &+ 1 }), try contains(should, &lines) {
                        fail(.reordered, path, entry.record.sequence, "record \(entry.record.sequence) comes before record \(should)")
                    }
                    return true
                }
                take(entry, path, bytes.count + 1)
                each(entry)
                if !matchesExpected(entry, path) { return true }
            }
            report.unfinishedBytes = lines.rest
            return false
        }

        private mutating func follows(_ entry: AuditEntry, _ path: String) -> Bool {
            let sequence = entry.record.sequence
            guard let head = report.head else {
                if entry.record.kind == .genesis, sequence == 0, AuditHash(entry.previous) == AuditHash.none { return true }
                if acceptsMissingBeginning, sequence > 0 { return true }
                fail(.beginningMissing, path, sequence, "the trail begins with record \(sequence) and not with its genesis record")
                return false
            }
            let should = head.sequence &+ 1
            if entry.record.missingFrom != nil, entry.follows(head) { return true }
            if sequence == should {
                if entry.record.kind != .genesis, entry.previous == head.hash { return true }
                fail(.changed, path, sequence, "record \(sequence) does not follow record \(head.sequence): one of the two was replaced")
            } else if sequence > should {
                let missing = sequence - should == 1 ? "record \(should) is" : "records \(should) to \(sequence - 1) are"
                fail(.removed, path, sequence, "\(missing) missing before record \(sequence)")
            } else {
                fail(.inserted, path, sequence, "record \(sequence) comes after record \(head.sequence), but one of its number came before")
            }
            return false
        }

        private mutating func take(_ entry: AuditEntry, _ path: String, _ size: Int) {
            if report.first == nil { report.first = entry.record.sequence }
            if let trail = entry.record.trail, entry.record.kind == .genesis { report.trail = trail }
            report.records += 1
            report.bytes += size
            report.kinds[entry.record.kind, default: 0] += 1
            if let gap = entry.gap(after: report.head, file: path) { report.gaps.append(gap) }
            report.head = AuditHead(sequence: entry.record.sequence, hash: entry.hash)
        }

        private mutating func matchesExpected(_ entry: AuditEntry, _ path: String) -> Bool {
            guard let index = expected.firstIndex(where: { $0.sequence == entry.record.sequence }) else { return true }
            let head = expected.remove(at: index)
            guard head.hash == entry.hash else {
                fail(
                    .rewritten, path, head.sequence,
                    "record \(head.sequence) has another hash than was noted for it: the trail was rewritten")
                return false
            }
            return true
        }

        private func contains(_ sequence: UInt64, _ lines: inout AuditLineReader) throws(AuditError) -> Bool {
            while let bytes = try lines.next() {
                if let entry = try? AuditEntry(line: bytes), entry.record.sequence == sequence { return true }
            }
            return false
        }

        mutating func finish(_ path: String) {
            // The first record is written before a trail is used.
            if report.records == 0 { return fail(.beginningMissing, path, nil, "there is no record in it") }
            // Heads before the first record belong to files that were moved away.
            let first = report.first ?? 0
            guard let missing = expected.filter({ $0.sequence >= first }).min(by: { $0.sequence < $1.sequence }) else { return }
            let last = report.head.map { "record \($0.sequence)" } ?? "nothing"
            if let gap = report.gaps.first(where: { $0.missing?.contains(missing.sequence) == true }) {
                return fail(.truncated, gap.file, missing.sequence, "record \(missing.sequence) is missing: \(gap)")
            }
            fail(.truncated, path, missing.sequence, "the trail ends with \(last); record \(missing.sequence) was in it")
        }
    }
}
