import CLinux
import Foundation
import Testing

/// Connecting as another user, in a child process that this user can disturb. Needs root.
@Suite(.enabled(if: geteuid() == 0), .serialized) struct ConnectAsTests {
    /// Nobody's: a process of the test stops all that this user has.
    private static let user: uid_t = 54_321

    private struct Outcome: Equatable {
        var code: Int32
        var isConnecting: Bool
    }

    private func connect(_ path: String) -> Outcome {
        var identity = clinux_user(user: Self.user, group: Self.user, groups: nil, group_count: 0, root: nil)
        var descriptor: Int32 = -1, isConnecting: Int32 = 0
        let code = clinux_connect_as(&identity, path, &descriptor, &isConnecting)
        if code == 0 { close(descriptor) }
        return Outcome(code: code, isConnecting: isConnecting != 0)
    }

    /// A listening socket that every user may connect to.
    private func withListener(_ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.path + "/connect-as-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let path = folder + "/s"
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let length = MemoryLayout.size(ofValue: address.sun_path)
        try #require(path.utf8.count < length)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(path.utf8)) }
        let listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(listener) }
        let isBound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0 }
        }
        try #require(isBound && listen(listener, 4_096) == 0)
        chmod(folder, 0o755)
        chmod(path, 0o666)
        try body(path)
    }

    @Test func theErrorSaysWhatFailed() throws {
        try withListener { path in
            #expect(connect(path) == Outcome(code: 0, isConnecting: true))
            chmod(path, 0o600)
            #expect(connect(path) == Outcome(code: EACCES, isConnecting: true))
            #expect(connect(path + "-none") == Outcome(code: ENOENT, isConnecting: true))
            #expect(connect(String(repeating: "x", count: 200)).code == ENAMETOOLONG)
        }
    }

    /// The child has that user, who can stop it: root waits for it 5 seconds and no longer.
    @Test func aChildThatItsUserStopsIsWaitedForUntilADeadline() throws {
        try withListener { path in
            let stopper = Process()
            // setpriv(1) becomes this user or fails: a signal to all processes of root would stop the machine.
            stopper.executableURL = URL(fileURLWithPath: "/usr/bin/setpriv")
            stopper.arguments = [
                "--reuid", "\(Self.user)", "--regid", "\(Self.user)", "--clear-groups", "perl", "-e",
                "exit 1 unless $< == \(Self.user) && $> == \(Self.user); alarm 60; "
                    + "while (1) { kill 'STOP', -1; select undef, undef, undef, 0.00002 }",
            ]
            try stopper.run()
            defer {
                kill(stopper.processIdentifier, SIGKILL)
                while stopper.isRunning { usleep(1_000) }
            }
            var longest = Duration.zero, code: Int32 = 0
            let end = ContinuousClock.now + .seconds(30)
            // The child lives for less than a millisecond, so it takes some attempts to stop one before its report.
            while code != ETIMEDOUT, ContinuousClock.now < end {
                let start = ContinuousClock.now
                code = connect(path).code
                longest = max(longest, ContinuousClock.now - start)
                // What was stopped after its report is ended as well.
                #expect(code == 0 || code == ETIMEDOUT || code == EAGAIN)
            }
            #expect(code == ETIMEDOUT && longest > .seconds(4.5) && longest < .seconds(20), "\(code) \(longest)")
            #expect(stopper.isRunning)
            // It is ended, not left stopped.
            #expect(processes(besides: stopper.processIdentifier) == [])
        }
    }

    /// The user's processes.
    private func processes(besides known: Int32) -> [Int32] {
        let numbers = (try? FileManager.default.contentsOfDirectory(atPath: "/proc"))?.compactMap { Int32($0) } ?? []
        return numbers.filter { number in
            var status = stat()
            return number != known && stat("/proc/\(number)", &status) == 0 && status.st_uid == Self.user
        }
    }
}
