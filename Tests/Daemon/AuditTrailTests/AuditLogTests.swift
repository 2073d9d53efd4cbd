import Glibc
import Synchronization
import Testing

@testable import AuditTrail

@Suite("Audit log")
struct AuditLogTests {
    @Test("Records come back as they were written, chained from a genesis record with a random id")
    func roundTrip() throws {
        let trail = try TrailFolder(), other = try TrailFolder()
        let log = try AuditLog(path: trail.path)
        #expect(try log.record(sample()) == 1)
        var outcome = AuditRecord(.outcome, time: 5)
        outcome.result = "failed"
        outcome.error = "TokenUnavailable"
        outcome.detail = "a line\nwith \"quotes\" and \u{1B}[31m"
        #expect(try log.record(outcome) == 2)
        let head = log.head
        try log.close()
        try other.fill(0)

        var reader = AuditReader(path: trail.path)
        let entries = try reader.read()
        #expect(entries.map(\.record.sequence) == [0, 1, 2])
        #expect(entries[0].record.kind == .genesis && entries[0].record.trail?.utf8.count == 32)
        #expect(entries[0].previous == String(repeating: "0", count: 64))
        var expected = sample()
        expected.sequence = 1
        #expect(entries[1].record == expected)
        outcome.sequence = 2
        #expect(entries[2].record == outcome)
        #expect(entries[2].previous == entries[1].hash)
        #expect(head == AuditHead(sequence: 2, hash: entries[2].hash))
        #expect(AuditHead(head.description) == head)
        var otherReader = AuditReader(path: other.path)
        #expect(try otherReader.read().first?.record.trail != entries[0].record.trail)
    }

    @Test("Escapes take up to six times the room, and the text comes back", arguments: [0, 1, 100, 700, 9_000])
    func escapes(_ count: Int) throws {
        let trail = try TrailFolder()
        let log = try AuditLog(path: trail.path)
        var record = AuditRecord(.event, time: 7)
        record.detail = String(repeating: "\u{1}\"\\\u{7F}é", count: count)
        record.identifiers = Array(repeating: "\u{2}", count: count / 100)
        #expect(try log.record(record) == 1)
        #expect(try log.record(sample()) == 2)
        try log.close()
        var reader = AuditReader(path: trail.path)
        let entries = try reader.read()
        #expect(entries.count == 3)
        #expect(entries[1].record.detail == record.detail)
        #expect(entries[1].record.identifiers == record.identifiers)
        #expect(entries[2].previous == entries[1].hash)
    }

    @Test("A line can be checked without this program: the hash is over the bytes before its own member")
    func lineFormat() throws {
        let trail = try TrailFolder()
        try trail.fill(1)
        let lines = try trail.lines()
        let text = String(decoding: lines[1], as: UTF8.self)
        let parts = text.split(separator: ",\"hash\":\"", maxSplits: 1)
        #expect(parts.count == 2)
        #expect(AuditHash(of: Array(parts[0].utf8)[...]).text + "\"}" == parts[1])
        #expect(text.hasPrefix("{\"sequence\":1,\"time\":"))
    }

    @Test("Mode 0640 with any umask; the lock is 0600; a second writer is refused, a reader is not")
    func modeAndLock() throws {
        let trail = try TrailFolder()
        let log = try AuditLog(path: trail.path)
        var status = stat()
        #expect(stat(trail.path, &status) == 0 && status.st_mode & 0o777 == 0o640)
        #expect(stat(trail.path + ".lock", &status) == 0 && status.st_mode & 0o777 == 0o600)
        #expect(reason { _ = try AuditLog(path: trail.path) } == .locked)
        var reader = AuditReader(path: trail.path)
        #expect(try reader.read().count == 1)
        try log.close()
        _ = try AuditLog(path: trail.path)
    }

    @Test("Opened again, the chain continues")
    func continues() throws {
        let trail = try TrailFolder()
        for _ in 0..<3 { try trail.fill(2) }
        let report = try AuditVerifier(path: trail.path).verify()
        #expect(report.isWhole && report.records == 7 && report.head?.sequence == 6)
    }

    @Test("A link, a FIFO, a file that others may write, a folder for everybody, a second name: refused")
    func insecure() throws {
        for kind in 0..<5 {
            let trail = try TrailFolder()
            switch kind {
            case 0: symlink("/tmp/elsewhere", trail.path)
            case 1: mkfifo(trail.path, 0o640)
            case 2:
                try trail.fill(1)
                chmod(trail.path, 0o660)
            case 3: chmod(trail.folder, 0o777)
            default:
                try trail.fill(1)
                link(trail.path, trail.folder + "/second")
            }
            let got = reason { _ = try AuditLog(path: trail.path) }
            #expect(got == .insecure || (kind == 0 && got == .unavailable), "kind \(kind): \(String(describing: got))")
        }
    }

    @Test("One flush is one write, whatever the number of records")
    func batches() throws {
        let trail = try TrailFolder()
        let log = try AuditLog(path: trail.path)
        let writer = log.writer()
        for index in 0..<100 { try writer.append(sample(index)) }
        #expect(log.statistics.writes == 0)
        try writer.flush()
        try writer.flush()
        #expect(log.statistics.writes == 1 && log.statistics.records == 100)
    }

    @Test("Several writers on several threads: every record once, in one chain")
    func threads() async throws {
        let trail = try TrailFolder()
        let log = try AuditLog(path: trail.path)
        let path = trail.path
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in 0..<4 {
                group.addTask {
                    let writer = log.writer()
                    for index in 0..<250 {
                        try writer.append(sample(task * 1_000 + index))
                        if index % 10 == 9 { try writer.flush() }
                    }
                }
            }
            try await group.waitForAll()
        }
        try log.close()
        let report = try AuditVerifier(path: path).verify()
        #expect(report.isWhole && report.records == 1_001)
    }

    @Test("A record that is too long is refused and leaves no trace")
    func tooLong() throws {
        let trail = try TrailFolder()
        let log = try AuditLog(path: trail.path, limits: AuditLimits(line: 2_000))
        var record = sample()
        record.detail = String(repeating: "x", count: 3_000)
        #expect(reason { try log.record(record) } == .recordTooLarge)
        #expect(try log.record(sample()) == 1)
        try log.close()
        #expect(try AuditVerifier(path: trail.path).verify().isWhole)
    }

    @Test("A line is read back as it was written, whatever strings it has")
    func anyStrings() throws {
        let trail = try TrailFolder()
        var random = SplitMix(state: 20_261_125)
        func text() -> String {
            var result = String.UnicodeScalarView()
            for _ in 0..<Int.random(in: 0...40, using: &random) {
                let value =
                    switch Int.random(in: 0...4, using: &random) {
                    case 0: UInt32.random(in: 0...0x1F, using: &random)
                    case 1: UInt32.random(in: 0x20...0x7F, using: &random)
                    case 2: ([0x22, 0x5C, 0x2F, 0, 0x7F] as [UInt32]).randomElement(using: &random) ?? 0
                    case 3: UInt32.random(in: 0x80...0xFFFF, using: &random)
                    default: UInt32.random(in: 0x1_0000...0x10_FFFF, using: &random)
                    }
                if let scalar = Unicode.Scalar(value) { result.append(scalar) }
            }
            return String(result)
        }
        let log = try AuditLog(path: trail.path)
        var written: [AuditRecord] = []
        for _ in 0..<300 {
            var record = AuditRecord(.event, time: .random(in: .min ... .max, using: &random))
            record.uid = .random(in: 0...UInt32.max, using: &random)
            record.connection = .random(in: 0...UInt64(Int64.max), using: &random)
            record.correlation = text()
            record.grant = text()
            record.url = text()
            record.identifiers = (0..<Int.random(in: 0...3, using: &random)).map { _ in text() }
            record.detail = text()
            record.sequence = try log.record(record)
            written.append(record)
        }
        var many = AuditRecord(.event, time: 1)
        many.identifiers = (0..<20_000).map { "n\($0)" }
        many.connection = .max
        many.sequence = try log.record(many)
        #expect(reason { try log.record(AuditRecord(.genesis)) } == .malformed)
        try log.close()
        try trail.fill(1)
        var reader = AuditReader(path: trail.path, from: 1)
        let entries = try reader.read()
        #expect(entries.dropLast(2).map(\.record) == written)
        #expect(entries[300].record.identifiers == many.identifiers)
        #expect(try AuditVerifier(path: trail.path).verify().isWhole)
    }

    @Test("Rotation: the chain continues across files whose names sort in its order")
    func rotation() throws {
        let trail = try TrailFolder()
        try trail.fill(40, limits: AuditLimits(fileSize: 4_000))
        try trail.fill(10, limits: AuditLimits(fileSize: 4_000))
        let older = try AuditFolder(path: trail.path).older()
        #expect(older.count > 3)
        #expect(older.first?.path == trail.path + ".000000000000")
        let report = try AuditVerifier(path: trail.path).verify()
        #expect(report.isWhole && report.records == 51 && report.files.count == older.count + 1)
        var reader = AuditReader(path: trail.path)
        #expect(try reader.read().map(\.record.sequence) == Array(0...50))
        var last = try AuditReader(path: trail.path, last: 15)
        #expect(try last.read().map(\.record.sequence) == Array(36...50))
    }

    @Test("A rotation interrupted between its two steps is finished on opening")
    func rotationCutOff() throws {
        let trail = try TrailFolder()
        try trail.fill(3)
        link(trail.path, trail.path + ".000000000000")
        try trail.write([1, 2, 3], to: trail.path + ".new")
        try trail.fill(1)
        #expect(trail.names == ["audit.jsonl", "audit.jsonl.lock"])
        #expect(try AuditVerifier(path: trail.path).verify().records == 5)
    }

    @Test("A missing or empty current file next to older ones is refused, not started anew")
    func missing() throws {
        let trail = try TrailFolder()
        try trail.fill(40, limits: AuditLimits(fileSize: 4_000))
        let bytes = try trail.read(trail.path)
        unlink(trail.path)
        #expect(reason { try trail.fill(1) } == .missing)
        try trail.write([], to: trail.path)
        #expect(reason { try trail.fill(1) } == .missing)
        try trail.write(bytes, to: trail.path)
        try trail.fill(1)
    }

    @Test("A trail with an altered record is not opened; the error names its line", arguments: [20, 4_500])
    func altered(records: Int) throws {
        let trail = try TrailFolder()
        try trail.fill(records)
        let lines = try trail.lines()
        // In the verified part, which does not start with the file if there are many records.
        #expect(lines.reduce(0) { $0 + $1.count } > AuditLimits.tail || records == 20)
        let index = lines.count - 4
        var changed = lines
        changed[index][40] ^= 1
        try trail.write(lines: changed)
        let error = failure { _ = try AuditLog(path: trail.path) }
        #expect(error?.description.hasSuffix("(\(trail.path):\(index + 1))") == true, "\(String(describing: error))")
        changed = lines
        changed.remove(at: index)
        try trail.write(lines: changed)
        let gap = failure { _ = try AuditLog(path: trail.path) }
        #expect(gap?.reason == .damaged && gap?.description.hasSuffix("(\(trail.path):\(index + 1))") == true, "\(String(describing: gap))")
    }

    @Test("The error names the line of an altered remembered record, also at an older file's end")
    func alteredElsewhere() throws {
        let trail = try TrailFolder()
        let memory = trail.folder + "/head"
        let log = try AuditLog(path: trail.path, memory: memory)
        for index in 0..<4_500 { try log.record(sample(index)) }
        try log.close()
        var reader = AuditReader(path: trail.path, from: 100)
        let head = try #require(try reader.read(limit: 1).first)
        try AuditMemory(path: memory).write(AuditHead(sequence: 100, hash: head.hash))
        var lines = try trail.lines()
        // Before the verified part.
        #expect(lines[101...].reduce(0) { $0 + $1.count } > AuditLimits.tail)
        lines[100][40] ^= 1
        try trail.write(lines: lines)
        let error = failure { _ = try AuditLog(path: trail.path, memory: memory) }
        #expect(error?.description.hasSuffix("(\(trail.path):101)") == true, "\(String(describing: error))")

        let rotated = try TrailFolder()
        try rotated.fill(8, limits: AuditLimits(fileSize: 2_000))
        let older = try #require(try AuditFolder(path: rotated.path).older().last)
        var bytes = try rotated.read(older.path)
        let count = bytes.count { $0 == UInt8(ascii: "\n") }
        bytes[bytes.count - 100] ^= 1
        try rotated.write(bytes, to: older.path)
        let joint = failure { _ = try AuditLog(path: rotated.path) }
        #expect(joint?.description.hasSuffix("(\(older.path):\(count))") == true, "\(String(describing: joint))")
    }

    @Test("Following sees new records, also across rotations")
    func follow() throws {
        let trail = try TrailFolder()
        let log = try AuditLog(path: trail.path, limits: AuditLimits(fileSize: 3_000))
        var reader = try AuditReader(path: trail.path, last: 0)
        #expect(try reader.read().isEmpty)
        var seen: [UInt64] = []
        for index in 0..<30 {
            try log.record(sample(index))
            if index % 7 == 0 { seen += try reader.read().map(\.record.sequence) }
        }
        seen += try reader.read().map(\.record.sequence)
        #expect(seen == Array(1...30))
        #expect(try reader.read().isEmpty)
    }

    @Test("A closed log accepts nothing more")
    func closed() throws {
        let trail = try TrailFolder()
        let log = try AuditLog(path: trail.path)
        let writer = log.writer()
        try writer.append(sample())
        try log.close()
        #expect(reason { try writer.append(sample()) } == .closed)
        #expect(reason { try log.record(sample()) } == .closed)
        #expect(try AuditVerifier(path: trail.path).verify().records == 2)
    }
}

/// The error that a body throws.
func failure(_ body: () throws -> Void) -> AuditError? {
    do {
        try body()
        return nil
    } catch { return error as? AuditError }
}

/// Its reason.
func reason(_ body: () throws -> Void) -> AuditError.Reason? { failure(body)?.reason }

/// Random numbers that are the same in every run.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
