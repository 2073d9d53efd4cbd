import Glibc
import Testing

@testable import DurableFile

/// A credential as systemd gives it to a service is accepted, and nothing laxer.
@Suite struct ServiceCredentialTests {
    /// linux/posix_acl_xattr.h
    private typealias Entry = (tag: UInt16, rights: UInt16, id: UInt32)
    private static let user: UInt32 = 41_001
    private static let good: [Entry] = [(0x01, 4, .max), (0x02, 4, user), (0x04, 0, .max), (0x10, 4, .max), (0x20, 0, .max)]

    private static func list(_ entries: [Entry], version: UInt32 = 2) -> [UInt8] {
        func bytes<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] { withUnsafeBytes(of: number.littleEndian) { Array($0) } }
        return bytes(version) + entries.flatMap { bytes($0.tag) + bytes($0.rights) + bytes($0.id) }
    }

    @Test func aListIsTakenThatLetsTheServicesUserReadAndNobodyElse() {
        let good = Self.list(Self.good)
        #expect(ServiceCredential.isOnlyReadable(by: Self.user, good))
        #expect(!ServiceCredential.isOnlyReadable(by: Self.user + 1, good))
        #expect(!ServiceCredential.isOnlyReadable(by: Self.user, Self.list(Self.good, version: 3)))
        for length in 0..<good.count { #expect(!ServiceCredential.isOnlyReadable(by: Self.user, Array(good.prefix(length)))) }
        // One more right anywhere, one entry fewer, one more user or group.
        for index in Self.good.indices {
            for right: UInt16 in [1, 2, 4] where Self.good[index].rights & right == 0 {
                var entries = Self.good
                entries[index].rights |= right
                #expect(!ServiceCredential.isOnlyReadable(by: Self.user, Self.list(entries)), "\(index) \(right)")
            }
            var entries = Self.good
            entries.remove(at: index)
            #expect(!ServiceCredential.isOnlyReadable(by: Self.user, Self.list(entries)))
        }
        for entry: Entry in [(0x02, 4, Self.user + 1), (0x08, 4, 100)] {
            var entries = Self.good
            entries.insert(entry, at: entry.tag == 0x02 ? 2 : 3)
            #expect(!ServiceCredential.isOnlyReadable(by: Self.user, Self.list(entries)))
        }
    }

    /// A folder in memory with a credential as systemd 254 makes it.
    private struct Credentials {
        let folder: String
        var path: String { folder + "/pin" }

        init(in parent: String, entries: [Entry]?, mode: mode_t = 0o440, owner: uid_t = 0) throws {
            folder = "\(parent)/credentials-\(UInt64.random(in: 0 ... .max))"
            try #require(mkdir(folder, 0o700) == 0)
            let descriptor = creat(path, 0o400)
            try #require(descriptor >= 0 && write(descriptor, "1234", 4) == 4)
            close(descriptor)
            try #require(chown(path, owner, 0) == 0 && chmod(path, mode) == 0)
            if let entries {
                let list = ServiceCredentialTests.list(entries)
                try #require(ServiceCredentialTests.setAccessList(path, list) == 0, "no access control lists here: \(errno)")
            }
        }

        func end() {
            unlink(path)
            rmdir(folder)
        }

        func isTaken(folder: String?) throws -> Bool {
            let file = try File(reading: path)
            return ServiceCredential.isOne(file, try file.status(), folder: folder)
        }
    }

    /// By python3, since Swift's Glibc module does not show setxattr(2).
    private static func setAccessList(_ path: String, _ list: [UInt8]) -> Int32 {
        let digits = list.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        return system("python3 -c \"import os; os.setxattr('\(path)', 'system.posix_acl_access', bytes.fromhex('\(digits)'))\"")
    }

    private static var own: [Entry] {
        var entries = good
        entries[1].id = geteuid()
        return entries
    }

    @Test(.enabled(if: geteuid() == 0 && access("/dev/shm", W_OK) == 0, "needs root and a file system in memory"))
    func aCredentialOfThisServiceIsTakenFromItsFolderInMemory() throws {
        let credentials = try Credentials(in: "/dev/shm", entries: Self.own)
        defer { credentials.end() }
        #expect(try credentials.isTaken(folder: credentials.folder))
        for folder in [nil, "", "/", "/dev/shm", credentials.folder + "/", credentials.folder + "/pin", "dev/shm"] as [String?] {
            #expect(try !credentials.isTaken(folder: folder), "\(folder ?? "none")")
        }
        // Another user may hold a second name, to keep the content.
        try #require(link(credentials.path, credentials.path + "-2") == 0)
        #expect(try !credentials.isTaken(folder: credentials.folder))
        unlink(credentials.path + "-2")
    }

    @Test(.enabled(if: geteuid() == 0 && access("/dev/shm", W_OK) == 0, "needs root and a file system in memory"))
    func nothingLaxerIsTaken() throws {
        func isTaken(in parent: String = "/dev/shm", _ entries: [Entry]?, mode: mode_t = 0o440, owner: uid_t = 0) throws -> Bool {
            let credentials = try Credentials(in: parent, entries: entries, mode: mode, owner: owner)
            defer { credentials.end() }
            return try credentials.isTaken(folder: credentials.folder)
        }
        #expect(try isTaken(Self.own))
        // The group really has access.
        #expect(try !isTaken(nil))
        // Another user's; one that others may read; one on a disk.
        #expect(try !isTaken(Self.good))
        #expect(try !isTaken(Self.own, owner: Self.user))
        var open = Self.own
        open[4].rights = 4
        #expect(try !isTaken(open))
        #expect(try !isTaken(in: "/var/tmp", Self.own))
    }

    /// The rule for secrets asks systemd's variable, and this process is no service.
    @Test func whereSystemdHasGivenNoneNoneIsTaken() throws {
        let folder = try PrivateFolder()
        let path = try folder.write("x", to: "a", mode: 0o440)
        #expect { _ = try File.open(path, as: .secret) } throws: { error in
            if case .distrusted(_, .readable)? = error as? OwnershipError { true } else { false }
        }
    }
}
