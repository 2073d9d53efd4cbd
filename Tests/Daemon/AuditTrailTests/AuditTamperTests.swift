import Glibc
import Synchronization
import Testing

@testable import AuditTrail

@Suite("Audit trail changed by others while it is open")
struct AuditTamperTests {
    enum Change: CaseIterable {
        case removed
        case movedAway
        case cutToNothing
        case cut
        case replacedByCopy
        case replacedByLink
        case writtenTo
        case secondName
        case writableByGroup
        case writableByAll
        case givenAway
    }

    /// Only root can give a file away.
    private static let possible = Change.allCases.filter { $0 != .givenAway || geteuid() == 0 }

    private func make(_ change: Change, _ trail: TrailFolder) throws {
        let bytes = try trail.read(trail.path)
        switch change {
        case .removed: unlink(trail.path)
        case .movedAway: rename(trail.path, trail.folder + "/elsewhere")
        case .cutToNothing: truncate(trail.path, 0)
        case .cut: truncate(trail.path, off_t(bytes.count - 10))
        case .replacedByCopy:
            try trail.write(bytes, to: trail.folder + "/copy")
            rename(trail.folder + "/copy", trail.path)
        case .replacedByLink:
            rename(trail.path, trail.folder + "/elsewhere")
            symlink(trail.folder + "/elsewhere", trail.path)
        case .writtenTo: try trail.write(bytes + Array("{}\n".utf8), to: trail.path)
        case .secondName: link(trail.path, trail.folder + "/elsewhere")
        case .writableByGroup: chmod(trail.path, 0o660)
        case .writableByAll: chmod(trail.path, 0o666)
        case .givenAway: chown(trail.path, 65_534, gid_t.max)
        }
    }

    @Test("It is noticed before the next batch, and nothing is written", arguments: possible)
    func noticed(_ change: Change) throws {
        let trail = try TrailFolder()
        let log = try AuditLog(path: trail.path)
        try log.record(sample(1))
        #expect(log.condition == nil)
        try make(change, trail)
        #expect(log.condition?.reason == .replaced)
        #expect(reason { try log.record(sample(2)) } == .replaced)
        #expect(log.condition?.reason == .replaced)
        #expect(log.statistics.records == 1)
    }

    @Test("Outcomes alone may be written without a check; the next intent, and a rotation, notice the change", arguments: possible)
    func outcomes(_ change: Change) throws {
        for rotates in [false, true] {
            let trail = try TrailFolder()
            let log = try AuditLog(path: trail.path, limits: AuditLimits(fileSize: rotates ? 100 : 1 << 20))
            let writer = log.writer()
            try writer.append(sample(1))
            try writer.flush()
            try make(change, trail)
            var outcome = sample(1)
            outcome.kind = .outcome
            try writer.append(outcome)
            let noticed = reason { try writer.flush() }
            // The thread that looks once a second may have been faster.
            #expect(rotates ? noticed == .replaced : noticed == nil || noticed == .replaced)
            _ = try? writer.append(sample(2))
            #expect(reason { try writer.flush() } == .replaced)
        }
    }

    @Test("Who may read the file is not a change by others")
    func narrowedOrRead() throws {
        let trail = try TrailFolder()
        let log = try AuditLog(path: trail.path)
        for mode: mode_t in [0o600, 0o640, 0o644] {
            chmod(trail.path, mode)
            try log.record(sample(1))
            #expect(log.condition == nil)
        }
    }

    @Test("Restored, the trail continues, and says how long it could not")
    func putBack() throws {
        let trail = try TrailFolder()
        let log = try AuditLog(path: trail.path)
        try log.record(sample(1))
        try make(.movedAway, trail)
        #expect(reason { try log.record(sample(2)) } == .replaced)
        rename(trail.folder + "/elsewhere", trail.path)
        try log.record(sample(3))
        #expect(log.condition == nil)
        try log.close()
        let report = try AuditVerifier(path: trail.path).verify()
        #expect(report.isWhole && report.records == 4 && report.kinds[.event] == 1)
        var reader = try AuditReader(path: trail.path, last: 1)
        let event = try #require(try reader.read().first?.record)
        #expect(event.operation == "trail-not-written" && event.error == "replaced")
    }

    @Test(
        "It is noticed within seconds if nothing is written, and reported once; so is its end",
        arguments: [Change.movedAway, .secondName])
    func noticedWhileIdle(_ change: Change) async throws {
        let trail = try TrailFolder()
        let notices = Mutex<[String]>([])
        let log = try AuditLog(path: trail.path) { notice in notices.withLock { $0.append("\(notice)") } }
        try log.record(sample(1))
        try make(change, trail)
        for _ in 0..<1_000 where notices.withLock({ $0.isEmpty }) { try await Task.sleep(for: .milliseconds(10)) }
        // Long enough for more looks.
        try await Task.sleep(for: .milliseconds(2_500))
        let said = notices.withLock { $0 }
        #expect(said.count == 1 && said.first?.contains(change == .movedAway ? "is gone" : "2 names") == true, "\(said)")
        if change == .movedAway { rename(trail.folder + "/elsewhere", trail.path) } else { unlink(trail.folder + "/elsewhere") }
        for _ in 0..<1_000 where notices.withLock({ $0.count < 2 }) { try await Task.sleep(for: .milliseconds(10)) }
        #expect(notices.withLock { $0.count == 2 && $0.last?.contains("signing resumes") == true })
        #expect(log.condition == nil)
        try log.close()
        var reader = try AuditReader(path: trail.path, last: 1)
        let event = try #require(try reader.read().first?.record)
        #expect(event.operation == "trail-not-written" && event.error == "replaced")
        #expect(event.detail?.contains("no record was lost") == true)
    }

    @Test("Without its lock file the trail still lets no second process in, after a rotation neither")
    func lockFileRemoved() throws {
        let trail = try TrailFolder()
        let log = try AuditLog(path: trail.path, limits: AuditLimits(fileSize: 2_000))
        for _ in 0..<3 {
            unlink(trail.path + ".lock")
            #expect(reason { _ = try AuditLog(path: trail.path) } == .locked)
            for index in 0..<10 { try log.record(sample(index)) }
        }
        #expect(log.statistics.rotations > 2)
        try log.close()
        let next = try AuditLog(path: trail.path)
        try next.record(sample(1))
        try next.close()
        #expect(try AuditVerifier(path: trail.path).verify().isWhole)
    }

    @Test("A reader's lock keeps nobody from writing")
    func readersLock() throws {
        let trail = try TrailFolder()
        try trail.fill(1)
        let reader = open(trail.path, O_RDONLY | O_CLOEXEC)
        defer { close(reader) }
        var lock = Glibc.flock()
        lock.l_type = Int16(F_RDLCK)
        let setLock: Int32 = 37  // F_OFD_SETLK
        try #require(fcntl(reader, setLock, &lock) == 0)
        let log = try AuditLog(path: trail.path)
        try log.record(sample(2))
        try log.close()
    }

    @Test("A folder moved away is noticed within seconds, and nothing written meanwhile is lost")
    func folderMoved() async throws {
        let trail = try TrailFolder()
        let log = try AuditLog(path: trail.path)
        try log.record(sample(1))
        let elsewhere = trail.folder + ".elsewhere"
        rename(trail.folder, elsewhere)
        #expect(log.condition?.reason == .replaced)
        var written = 1
        var refused: AuditError.Reason?
        for _ in 0..<1_000 where refused == nil {
            refused = reason { try log.record(sample(2)) }
            if refused == nil { written += 1 }
            try await Task.sleep(for: .milliseconds(10))
        }
        #expect(refused == .replaced)
        // The next batch does not forget it.
        #expect(reason { try log.record(sample(2)) } == .replaced)
        rename(elsewhere, trail.folder)
        try log.record(sample(3))
        #expect(log.condition == nil)
        try log.close()
        let report = try AuditVerifier(path: trail.path).verify()
        #expect(report.isWhole && report.kinds[.intent] == UInt64(written + 1))
    }

    @Test("The log's own rotation is not a change by others")
    func ownRotation() throws {
        let trail = try TrailFolder()
        let log = try AuditLog(path: trail.path, limits: AuditLimits(fileSize: 2_000))
        for index in 0..<20 { try log.record(sample(index)) }
        #expect(log.condition == nil && log.statistics.rotations > 2)
    }
}
