import CLinux
import Foundation
import Testing

/// Connecting as another user, in a child process. Needs root.
@Suite(.enabled(if: geteuid() == 0)) struct ConnectAsTests {
    /// Nobody's.
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
}
