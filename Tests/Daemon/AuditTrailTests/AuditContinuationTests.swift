import DurableFile
import FaultyDisk
import Glibc
import Synchronization
import Testing

@testable import AuditTrail

@Suite("Audit trail after a failed sync")
struct AuditContinuationTests {
    /// A disk whose next syncs fail.
    final class Disk: Sendable {
        let failing = Atomic<Int>(0)

        var calls: FileCalls {
            var calls = FileCalls()
            calls.synchronizeData = { descriptor in
                guard self.failing.load(ordering: .relaxed) > 0 else { return fdatasync(descriptor) }
                self.failing.subtract(1, ordering: .relaxed)
                errno = EIO
                return -1
            }
            return calls
        }
    }

    private func synced(_ log: AuditLog, _ sequence: UInt64) async -> Result<Void, AuditError> {
        await withCheckedContinuation { continuation in log.synchronize(upTo: sequence) { continuation.resume(returning: $0) } }
    }

    /// Waits until the log can be written again.
    private func recovery(of log: AuditLog) async throws {
        for _ in 0..<1_000 where log.condition != nil { try await Task.sleep(for: .milliseconds(10)) }
        try #require(log.condition == nil)
    }

    @Test("It continues in a new file, synced and chained; records of the old one are never reported as synced", arguments: [1, 3])
    func goesOn(failures: Int) async throws {
        let trail = try TrailFolder(), disk = Disk()
        let notices = Mutex<[String]>([])
        let log = try AuditLog(
            path: trail.path, limits: .default, calls: disk.calls, observer: { notice in notices.withLock { $0.append("\(notice)") } })
        let writer = log.writer()
        let old = try log.record(sample(1))
        #expect(await { if case .success = await synced(log, old) { true } else { false } }())
        disk.failing.store(failures, ordering: .relaxed)
        let lost = try log.record(sample(2))
        try writer.append(sample(3))
        guard case .failure(let error) = await synced(log, lost) else {
            Issue.record("a failed fdatasync was reported as success")
            return
        }
        #expect(error.reason == .failed && error.errorNumber == EIO)
        #expect(!log.isWithinGroup(lost))
        try await recovery(of: log)
        // What was appended before and not written is lost, and its writer is told.
        #expect(reason { try writer.flush() } == .failed)
        let new = try log.record(sample(4))
        #expect(throws: Never.self) { try writer.flush() }
        let after = await synced(log, new)
        #expect(throws: Never.self) { try after.get() }
        guard case .failure = await synced(log, lost) else {
            Issue.record("a sync of the new file reported a record of the old one as synced")
            return
        }
        #expect(!log.isWithinGroup(lost) && log.isWithinGroup(new))
        try log.close()
        let report = try AuditVerifier(path: trail.path).verify()
        #expect(report.isWhole && report.files.count == 2 && report.gaps.count == 1 && report.gaps.first?.missing == nil)
        #expect(report.gaps.first?.reason.contains("Input/output error") == true)
        #expect(notices.withLock { $0.contains { $0.contains("nothing is signed") } && $0.contains { $0.contains("signing resumes") } })
        try trail.fill(1)
        #expect(try AuditVerifier(path: trail.path).verify().isWhole)
    }

    /// What a loss of power leaves of a file whose sync failed.
    enum Remains: CaseIterable {
        case less
        case half
        case zeros
        case other
    }

    @Test(
        "The old file may lack its end from there on: verification and the next start say so and continue",
        arguments: Remains.allCases)
    func lost(_ remains: Remains) async throws {
        let trail = try TrailFolder(), disk = Disk()
        let log = try AuditLog(path: trail.path, limits: .default, calls: disk.calls)
        let safe = try log.record(sample(1))
        _ = await synced(log, safe)
        disk.failing.store(1, ordering: .relaxed)
        try log.record(sample(2))
        let lost = try log.record(sample(3))
        _ = await synced(log, lost)
        try await recovery(of: log)
        let head = log.head
        try log.close()
        let older = try #require(try AuditFolder(path: trail.path).older().first)
        let lines = try trail.read(older.path).split(separator: UInt8(ascii: "\n")).map { Array($0) + [UInt8(ascii: "\n")] }
        #expect(lines.count == 4)
        let kept = lines.prefix(2).flatMap { $0 }
        let end: [UInt8] =
            switch remains {
            case .less: []
            case .half: Array(lines[2].prefix(50))
            case .zeros: [UInt8](repeating: 0, count: 300) + [UInt8(ascii: "\n")]
            case .other: Array("{}\n".utf8)
            }
        try trail.write(kept + end, to: older.path)
        let report = try AuditVerifier(path: trail.path, expecting: [head]).verify()
        #expect(report.isWhole, "\(String(describing: report.fault))")
        #expect(report.gaps.first?.missing == 2...3)
        try trail.fill(1)
        #expect(try AuditVerifier(path: trail.path).verify().isWhole)
        // If less is left than the new file counts on, records were removed.
        try trail.write(lines[0], to: older.path)
        #expect(try AuditVerifier(path: trail.path).verify().fault?.kind == .removed)
    }

    @Test("A failed sync during the rotation of a full file is handled like any other")
    func rotation() async throws {
        let trail = try TrailFolder(), disk = Disk()
        let log = try AuditLog(
            path: trail.path, limits: AuditLimits(fileSize: 2_000, unsyncedMilliseconds: 60_000), calls: disk.calls)
        while try trail.read(trail.path).count < 2_000 { try log.record(sample(1)) }
        disk.failing.store(1, ordering: .relaxed)
        #expect(reason { try log.record(sample(9)) } == .failed)
        try await recovery(of: log)
        try log.record(sample(10))
        try log.close()
        let report = try AuditVerifier(path: trail.path).verify()
        #expect(report.isWhole && report.gaps.count == 1)
    }

    @Test("So is a failed sync of the folder")
    func folder() async throws {
        let trail = try TrailFolder(), disk = FaultyDisk(number: EIO)
        let log = try AuditLog(
            path: trail.path, limits: AuditLimits(fileSize: 2_000, unsyncedMilliseconds: 60_000), calls: disk.calls)
        while try trail.read(trail.path).count < 2_000 { try log.record(sample(1)) }
        disk.fail(.synchronize)
        #expect(reason { try log.record(sample(9)) } == .failed)
        #expect(log.condition?.reason == .failed)
        disk.clear()
        try await recovery(of: log)
        try log.record(sample(10))
        try log.close()
        let report = try AuditVerifier(path: trail.path).verify()
        #expect(report.isWhole && !report.gaps.isEmpty && report.gaps.allSatisfy { $0.missing == nil })
        try trail.fill(1)
    }
}
