import Glibc
import Synchronization
import Testing

@testable import AuditTrail

@Suite("Audit trail and the memory of its end")
struct AuditMemoryTests {
    /// A trail of five records in its own folder, closed, and the file where its end is remembered.
    private func closedTrail(_ trail: TrailFolder, limits: AuditLimits = .default, count: Int = 5) throws -> String {
        let memory = trail.folder + "/head"
        let log = try AuditLog(path: trail.path, limits: limits, memory: memory)
        for index in 0..<count { try log.record(sample(index)) }
        try log.close()
        return memory
    }

    private func open(_ trail: TrailFolder, _ memory: String) throws {
        let log = try AuditLog(path: trail.path, memory: memory)
        try log.record(sample(99))
        try log.close()
    }

    @Test("An unchanged trail is opened, and has nothing to accept")
    func unchanged() throws {
        let trail = try TrailFolder()
        let memory = try closedTrail(trail)
        try open(trail, memory)
        #expect(try AuditLog.accept(path: trail.path, memory: memory) == nil)
        try open(trail, memory)
        #expect(try AuditVerifier(path: trail.path).verify().records == 8)
    }

    @Test("One that was cut is refused; accepted, it continues after a gap that verification names")
    func cut() throws {
        let trail = try TrailFolder()
        let memory = try closedTrail(trail)
        let head = try #require(try AuditVerifier(path: trail.path).verify().head)
        let lines = try trail.lines()
        try trail.write(lines: Array(lines.prefix(3)))
        #expect(reason { try open(trail, memory) } == .shortened)
        #expect(try trail.lines().count == 3)
        let accepted = try #require(try AuditLog.accept(path: trail.path, memory: memory))
        #expect(accepted.contains("record 5"))
        try open(trail, memory)
        let report = try AuditVerifier(path: trail.path).verify()
        #expect(report.isWhole && report.gaps.count == 1 && report.gaps.first?.missing == 3...5)
        #expect(report.head?.sequence == 7)
        let expecting = try AuditVerifier(path: trail.path, expecting: [head]).verify()
        #expect(expecting.fault?.kind == .truncated && expecting.fault?.sequence == 5)
        var reader = AuditReader(path: trail.path, from: 6)
        #expect(try reader.read().first?.record.operation == "accept-trail")
    }

    @Test("Half of the last line cut: refused, and nothing is moved aside")
    func torn() throws {
        let trail = try TrailFolder()
        let memory = try closedTrail(trail)
        let bytes = try trail.read(trail.path)
        truncate(trail.path, off_t(bytes.count - 20))
        #expect(reason { try open(trail, memory) } == .shortened)
        #expect(try trail.read(trail.path).count == bytes.count - 20)
    }

    @Test("One that is gone or empty is refused and not started anew, unless that is accepted", arguments: [true, false])
    func gone(isEmpty: Bool) throws {
        let trail = try TrailFolder()
        let memory = try closedTrail(trail)
        if isEmpty { truncate(trail.path, 0) } else { unlink(trail.path) }
        #expect(reason { try open(trail, memory) } == .missing)
        #expect(try AuditLog.accept(path: trail.path, memory: memory) != nil)
        try open(trail, memory)
        let report = try AuditVerifier(path: trail.path).verify()
        #expect(report.isWhole && report.records == 3 && report.kinds[.event] == 1)
    }

    @Test("The current file is gone and older ones are there: accepted, the chain continues after them")
    func goneWithOlderFiles() throws {
        let trail = try TrailFolder()
        let memory = try closedTrail(trail, limits: AuditLimits(fileSize: 2_000), count: 20)
        let first = try #require(try AuditFolder(path: trail.path).older().last)
        unlink(trail.path)
        #expect(reason { try open(trail, memory) } == .missing)
        #expect(try AuditLog.accept(path: trail.path, memory: memory) != nil)
        try open(trail, memory)
        let report = try AuditVerifier(path: trail.path).verify()
        #expect(report.isWhole && report.head?.sequence == 22)
        #expect(report.gaps.first?.missing?.upperBound == 20)
        #expect((report.gaps.first?.missing?.lowerBound ?? 0) > first.first)
    }

    @Test("One that was rewritten, and is longer than before, is refused")
    func writtenAnew() throws {
        let trail = try TrailFolder()
        let memory = try closedTrail(trail)
        unlink(trail.path)
        try trail.fill(12)
        #expect(reason { try open(trail, memory) } == .shortened)
        #expect(try AuditLog.accept(path: trail.path, memory: memory) != nil)
        try open(trail, memory)
        let report = try AuditVerifier(path: trail.path).verify()
        #expect(report.isWhole && report.records == 15 && report.gaps.map(\.isLoss) == [true])
    }

    @Test("Records are counted from the end, not sequences: also across a gap, across files, and if there are fewer")
    func countedFromTheEnd() throws {
        let trail = try TrailFolder()
        let memory = try closedTrail(trail, limits: AuditLimits(fileSize: 2_000), count: 22)
        let lines = try trail.lines()
        try #require(try lines.count > 1 && !AuditFolder(path: trail.path).older().isEmpty)
        try trail.write(lines: lines.dropLast())
        #expect(try AuditLog.accept(path: trail.path, memory: memory) != nil)
        try open(trail, memory)
        // The genesis record and 21 others, the acceptance in place of what was cut, and one more.
        let all = Array(UInt64(0)...21) + [23, 24]
        for count in [0, 1, 2, 3, 4, 10, 23, 24, 500] {
            var reader = try AuditReader(path: trail.path, last: count)
            #expect(try reader.read().map(\.record.sequence) == Array(all.suffix(count)), "\(count)")
        }
    }

    @Test("If the memory is not readable and that is accepted, the acceptance is reported and recorded", arguments: [true, false])
    func damagedMemory(isTrailThere: Bool) throws {
        let trail = try TrailFolder()
        let memory = try closedTrail(trail)
        try trail.write(Array(#"{"format":1,"sequ"#.utf8), to: memory)
        if !isTrailThere { unlink(trail.path) }
        #expect(reason { try open(trail, memory) } == .memoryDamaged)
        let accepted = try #require(try AuditLog.accept(path: trail.path, memory: memory))
        #expect(accepted.contains("memory"))
        try open(trail, memory)
        var reader = try AuditReader(path: trail.path, last: 2)
        let records = try reader.read().map(\.record)
        #expect(records.first?.operation == AuditRecord.acceptance && records.first?.detail == accepted)
    }

    @Test("The end is stored within a second or two of being on disk, even if its file is then rotated away")
    func whileRunning() async throws {
        let trail = try TrailFolder()
        let memory = AuditMemory(path: trail.folder + "/head")
        let log = try AuditLog(path: trail.path, limits: AuditLimits(fileSize: 2_000), memory: memory.path)
        for index in 0..<10 { try log.record(sample(index)) }
        let head = log.head
        for _ in 0..<500 where try memory.read() != head { try await Task.sleep(for: .milliseconds(10)) }
        #expect(try memory.read() == head)
        // Killed here, after more records and a rotation.
        for index in 0..<10 { try log.record(sample(index)) }
        let older = try AuditFolder(path: trail.path).older().count
        #expect(older > 3)
        let opening = AuditOpening(folder: AuditFolder(path: trail.path), limits: .default, memory: memory)
        let file = try #require(try AuditFolder.openForReading(trail.path))
        let last = try #require(try AuditEnd(file).entries.last)
        #expect(try opening.compare(head, with: last, in: file, older: AuditFolder(path: trail.path).older()) == nil)
        let wrong = AuditHead(sequence: head.sequence, hash: String(repeating: "0", count: 64))
        #expect(reason { _ = try opening.compare(wrong, with: last, in: file, older: AuditFolder(path: trail.path).older()) } == .shortened)
        try log.close()
    }

    @Test("A memory in a newer format, or one that cannot be read, is refused; the latter can be accepted")
    func formats() throws {
        let trail = try TrailFolder()
        let memory = try closedTrail(trail)
        try trail.write(Array(#"{"format":2,"sequence":5,"leaf":"x"}"#.utf8), to: memory)
        #expect(reason { try open(trail, memory) } == .newerFormat)
        #expect(reason { _ = try AuditLog.accept(path: trail.path, memory: memory) } == .newerFormat)
        for text in ["", "{", "[]", #"{"format":1,"sequence":-1,"hash":"x"}"#, #"{"format":1}"#, "\u{0}"] {
            try trail.write(Array(text.utf8), to: memory)
            #expect(reason { try open(trail, memory) } == .memoryDamaged, "\(text)")
        }
        _ = try AuditLog.accept(path: trail.path, memory: memory)
        try open(trail, memory)
    }
}
