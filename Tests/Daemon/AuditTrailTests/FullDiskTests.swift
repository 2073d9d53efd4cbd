import DurableFile
import Glibc
import Synchronization
import Testing

@testable import AuditTrail

@Suite("Audit trail on a full disk")
struct FullDiskTests {
    /// A disk with room for this many more bytes; a write that does not fit is first cut short, as the kernel does it.
    final class Disk: Sendable {
        let room: Mutex<Int>
        let number: Int32
        let truncateFails = Atomic<Bool>(false)

        init(room: Int, number: Int32 = ENOSPC) {
            self.room = Mutex(room)
            self.number = number
        }

        var calls: FileCalls {
            var calls = FileCalls()
            calls.write = { descriptor, bytes in
                self.room.withLock { room in
                    let count = min(room, bytes.count)
                    guard count > 0 else {
                        errno = self.number
                        return -1
                    }
                    let wrote = write(descriptor, bytes.baseAddress, count)
                    if wrote > 0 { room -= wrote }
                    return wrote
                }
            }
            calls.truncate = { descriptor, size in
                guard !self.truncateFails.load(ordering: .relaxed) else {
                    errno = EIO
                    return -1
                }
                return ftruncate(descriptor, off_t(size))
            }
            return calls
        }
    }

    @Test("A batch that does not fit is undone as a whole and reported; with room it works again", arguments: [ENOSPC, EDQUOT, EIO])
    func takenBack(number: Int32) throws {
        let trail = try TrailFolder(), disk = Disk(room: 3_000, number: number)
        let log = try AuditLog(path: trail.path, limits: .default, calls: disk.calls)
        let writer = log.writer()
        try writer.append(sample(1))
        try writer.flush()
        let whole = try trail.read(trail.path)
        for index in 2..<12 { try writer.append(sample(index)) }
        #expect(reason { try writer.flush() } == (number == EIO ? .notWritten : .storageFull))
        #expect(try trail.read(trail.path) == whole)
        // Nothing stays pending, and an empty flush is no failure.
        try writer.flush()
        #expect(reason { try log.record(sample(20)) } != nil)
        #expect(log.condition?.reason == (number == EIO ? .notWritten : .storageFull))
        disk.room.withLock { $0 = 100_000 }
        // The log may have tried by itself meanwhile.
        #expect(try log.record(sample(21)) >= 2)
        #expect(log.condition == nil)
        try log.close()
        let report = try AuditVerifier(path: trail.path).verify()
        #expect(report.isWhole && report.records == 4 && report.kinds[.event] == 1)
        var reader = AuditReader(path: trail.path)
        let event = try #require(try reader.read().first { $0.record.kind == .event }?.record)
        #expect(event.operation == "trail-not-written" && event.detail?.contains("2 batches of 11 records") == true)
    }

    @Test("A writer learns that its records were lost even if another's flush failed, and after the disk has room again")
    func twoWriters() throws {
        let trail = try TrailFolder(), disk = Disk(room: 600)
        let log = try AuditLog(path: trail.path, limits: .default, calls: disk.calls)
        let one = log.writer(), other = log.writer()
        try one.append(sample(1))
        try other.append(sample(2))
        #expect(reason { try other.flush() } == .storageFull)
        disk.room.withLock { $0 = 100_000 }
        try one.append(sample(3))
        #expect(reason { try one.flush() } == .storageFull)
        try one.append(sample(4))
        try one.flush()
        try log.close()
        #expect(try AuditVerifier(path: trail.path).verify().isWhole)
    }

    @Test("With room again the log writes by itself, even if nobody asks for a signature")
    func byItself() async throws {
        let trail = try TrailFolder(), disk = Disk(room: 600)
        let log = try AuditLog(path: trail.path, limits: .default, calls: disk.calls)
        #expect(reason { for index in 1..<4 { try log.record(sample(index)) } } == .storageFull)
        disk.room.withLock { $0 = 100_000 }
        for _ in 0..<1_000 where log.condition != nil { try await Task.sleep(for: .milliseconds(10)) }
        #expect(log.condition == nil)
    }

    @Test("A file system without room is reported before anything is written")
    func noRoom() throws {
        let trail = try TrailFolder()
        let log = try AuditLog(path: trail.path, limits: .default, calls: .real, room: { _ in 0 })
        #expect(log.condition?.reason == .storageFull)
    }

    @Test("After half a batch that cannot be undone the trail continues in a new file, and verification says so")
    func cannotTruncate() async throws {
        let trail = try TrailFolder(), disk = Disk(room: 600)
        let log = try AuditLog(path: trail.path, limits: .default, calls: disk.calls)
        disk.truncateFails.store(true, ordering: .relaxed)
        #expect(reason { try log.record(sample(1)) } == .failed)
        #expect(log.condition?.reason == .failed)
        disk.room.withLock { $0 = 100_000 }
        for _ in 0..<1_000 where log.condition != nil { try await Task.sleep(for: .milliseconds(10)) }
        try log.record(sample(2))
        try log.close()
        try trail.fill(1)
        let report = try AuditVerifier(path: trail.path).verify()
        #expect(report.isWhole && report.files.count == 2 && report.gaps.count == 1 && report.gaps.first?.missing == nil)
    }

    @Test("No room for a new file: the old one continues, and is rotated once there is room")
    func rotationWithoutRoom() throws {
        let trail = try TrailFolder(), disk = Disk(room: 100_000)
        let log = try AuditLog(path: trail.path, limits: AuditLimits(fileSize: 2_000), calls: disk.calls)
        for index in 0..<4 { try log.record(sample(index)) }
        disk.room.withLock { $0 = 10 }
        #expect(reason { try log.record(sample(9)) } == .storageFull)
        disk.room.withLock { $0 = 100_000 }
        for index in 10..<20 { try log.record(sample(index)) }
        try log.close()
        #expect(try AuditVerifier(path: trail.path).verify().isWhole)
        #expect(!trail.names.contains("audit.jsonl.new"))
    }

    @Test("No room at all: the trail is not started, and no part of it is left")
    func noBeginning() throws {
        let trail = try TrailFolder(), disk = Disk(room: 20)
        #expect(reason { _ = try AuditLog(path: trail.path, limits: .default, calls: disk.calls) } == .storageFull)
        #expect(!trail.names.contains("audit.jsonl") && !trail.names.contains("audit.jsonl.new"))
        try trail.fill(1)
    }

    @Test("A real full file system", .enabled(if: geteuid() == 0))
    func realDisk() throws {
        let trail = try TrailFolder()
        let mounted = trail.folder + "/small"
        mkdir(mounted, 0o755)
        guard mount("none", mounted, "tmpfs", 0, "size=64k,mode=0755") == 0 else {
            // Root in a container may not be allowed to mount; the simulated disk above covers the case.
            rmdir(mounted)
            return
        }
        defer {
            umount2(mounted, Int32(MNT_DETACH))
            rmdir(mounted)
        }
        let path = mounted + "/audit.jsonl"
        let log = try AuditLog(path: path)
        let writer = log.writer()
        var written: UInt64 = 0
        var failure: AuditError?
        for index in 0..<1_000 {
            for part in 0..<5 { try writer.append(sample(index * 5 + part)) }
            do throws(AuditError) { try writer.flush() } catch {
                failure = error
                break
            }
            written += 5
        }
        #expect(failure?.reason == .storageFull && failure?.errorNumber == ENOSPC && written > 20)
        #expect(try AuditVerifier(path: path).verify().records == written + 1)
        #expect(mount("none", mounted, "tmpfs", UInt(MS_REMOUNT), "size=256k,mode=0755") == 0)
        #expect(try log.record(sample()) > written)
        try log.close()
        #expect(try AuditVerifier(path: path).verify().isWhole)
    }
}
