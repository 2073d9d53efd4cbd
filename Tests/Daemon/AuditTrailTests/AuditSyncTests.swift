import DurableFile
import Glibc
import Synchronization
import Testing

@testable import AuditTrail

@Suite("Audit sync")
struct AuditSyncTests {
    /// Counts calls of fdatasync, and can be slow or fail.
    final class Disk: Sendable {
        let syncs = Atomic<Int>(0)
        let fails = Atomic<Bool>(false)
        let microseconds = Atomic<UInt32>(0)

        var calls: FileCalls {
            var calls = FileCalls()
            calls.synchronizeData = { _ in
                self.syncs.add(1, ordering: .relaxed)
                let delay = self.microseconds.load(ordering: .relaxed)
                if delay > 0 { usleep(delay) }
                guard self.fails.load(ordering: .relaxed) else { return 0 }
                errno = EIO
                return -1
            }
            return calls
        }
    }

    private func synced(_ log: AuditLog, _ sequence: UInt64) async -> Result<Void, AuditError> {
        await withCheckedContinuation { continuation in log.synchronize(upTo: sequence) { continuation.resume(returning: $0) } }
    }

    @Test("Many callers share one fdatasync")
    func shared() async throws {
        let trail = try TrailFolder(), disk = Disk()
        let log = try AuditLog(path: trail.path, limits: .default, calls: disk.calls)
        let before = disk.syncs.load(ordering: .relaxed)
        disk.microseconds.store(20_000, ordering: .relaxed)
        await withTaskGroup(of: Bool.self) { group in
            for index in 0..<64 {
                group.addTask {
                    guard let sequence = try? log.record(sample(index)) else { return false }
                    if case .success = await self.synced(log, sequence) { return true }
                    return false
                }
            }
            for await done in group { #expect(done) }
        }
        #expect(disk.syncs.load(ordering: .relaxed) - before < 20)
    }

    @Test("What is already on disk is answered at once; what was never written is refused")
    func atOnce() async throws {
        let trail = try TrailFolder()
        let log = try AuditLog(path: trail.path)
        let sequence = try log.record(sample())
        #expect(throws: Never.self) { try log.close() }
        let answered = Mutex(false)
        log.synchronize(upTo: sequence) { _ in answered.withLock { $0 = true } }
        #expect(answered.withLock { $0 })
        guard case .failure = await synced(log, sequence + 1) else {
            Issue.record("a record that does not exist was reported as synced")
            return
        }
    }

    @Test("Records that nobody waits for reach the disk within the group's time")
    func group() async throws {
        let trail = try TrailFolder(), disk = Disk()
        let log = try AuditLog(path: trail.path, limits: .default, calls: disk.calls)
        let sequence = try log.record(sample())
        #expect(log.isWithinGroup(sequence))
        // The rule is 100 ms. A loaded machine may be late, and the test does not depend on how late.
        for _ in 0..<500 where log.statistics.unsynced > 0 { try await Task.sleep(for: .milliseconds(10)) }
        #expect(log.statistics.unsynced == 0)
    }

    @Test("A disk that falls behind makes grouped records wait too")
    func behind() async throws {
        let trail = try TrailFolder(), disk = Disk()
        let limits = AuditLimits(unsyncedMilliseconds: 60_000, unsyncedRecords: 10)
        let log = try AuditLog(path: trail.path, limits: limits, calls: disk.calls)
        disk.microseconds.store(100_000, ordering: .relaxed)
        let writer = log.writer()
        var last: UInt64 = 0
        for index in 0..<30 { last = try writer.append(sample(index)) }
        try writer.flush()
        let sequence = last
        #expect(!log.isWithinGroup(sequence))
        let result = await synced(log, sequence)
        #expect(throws: Never.self) { try result.get() }
        #expect(log.isWithinGroup(sequence))
        #expect(log.statistics.unsynced == 0)
    }

    @Test("After a failed fdatasync nothing is signed until one succeeds, and a trail closed like that can be opened again")
    func failedSync() async throws {
        let trail = try TrailFolder(), disk = Disk()
        let log = try AuditLog(path: trail.path, limits: .default, calls: disk.calls)
        let writer = log.writer()
        disk.fails.store(true, ordering: .relaxed)
        let sequence = try log.record(sample())
        guard case .failure(let error) = await synced(log, sequence) else {
            Issue.record("a failed fdatasync was reported as success")
            return
        }
        #expect(error.reason == .failed && error.errorNumber == EIO)
        #expect(reason { try writer.append(sample()) } == .failed)
        #expect(reason { try writer.flush() } == .failed)
        #expect(!log.isWithinGroup(sequence))
        #expect(log.condition?.reason == .failed)
        #expect(reason { try log.close() } == .failed)
        try trail.fill(1)
        #expect(try AuditVerifier(path: trail.path).verify().records == 3)
    }
}
