import Foundation
import Testing

@testable import PKCS11

/// Anybody who can replace the PIN's file decides which PIN is tried, and can get the token locked.
@Suite struct PINWayTests {
    /// `folder/a/pin`, mode 0600 in folders of this user alone.
    private func withFolder(_ body: (String) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.path + "/pin-way-\(UUID().uuidString.prefix(13))"
        try FileManager.default.createDirectory(
            atPath: folder + "/a", withIntermediateDirectories: true, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(atPath: folder) }
        try Data("1234\n".utf8).write(to: URL(fileURLWithPath: folder + "/a/pin"))
        chmod(folder + "/a/pin", 0o600)
        try body(folder)
    }

    private func fault(_ path: String) -> PIN.SourceError? {
        do throws(PIN.SourceError) {
            let pin = try PIN(file: path)
            return pin.withBytes { $0.count } == 4 ? nil : .empty
        } catch { return error }
    }

    @Test(arguments: [(0o700, true), (0o755, true), (0o775, false), (0o777, false)])
    func aFolderThatOthersCanWriteToIsNotOnTheWay(_ mode: mode_t, _ isTrusted: Bool) throws {
        try withFolder { folder in
            try #require(chmod(folder + "/a", mode) == 0)
            try #require(symlink("a/pin", folder + "/link") == 0)
            let expected =
                isTrusted ? nil : PIN.SourceError.untrustedWay(path: folder + "/a", reason: "can be written by users other than its owner")
            #expect(fault(folder + "/a/pin") == expected)
            #expect(fault(folder + "/link") == expected)
        }
    }

    @Test func neitherFoldersNorLinksOfOthersAreOnTheWay() throws {
        try withFolder { folder in
            try #require(symlink("a/pin", folder + "/link") == 0)
            #expect(fault(folder + "/link") == nil)
            guard geteuid() == 0 else {
                // Only root can give a link away: otherwise no folder of another user is available.
                #expect(fault("/proc/1/pin") != nil)
                return
            }
            try #require(lchown(folder + "/link", 4_711, 4_711) == 0)
            #expect(fault(folder + "/link") == .untrustedWay(path: folder + "/link", reason: "belongs to another user (uid 4711)"))
            try #require(chown(folder + "/a", 4_711, 4_711) == 0)
            #expect(fault(folder + "/a/pin") == .untrustedWay(path: folder + "/a", reason: "belongs to another user (uid 4711)"))
        }
    }
}
