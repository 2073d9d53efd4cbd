import CLinux
import Glibc

/// A credential of this service: `LoadCredential=`, `LoadCredentialEncrypted=` (systemd.exec(5), "Credentials").
///
/// With systemd 254 and later, root owns the credential and an access control list lets the service's user read it. The
/// mode is then 0440: with such a list, the group bits are the list's mask (acl(5)). So the list decides. Only one is
/// accepted: root and this process's user may read, and nobody else may do anything.
enum ServiceCredential {
    /// The environment variable in which systemd names the folder of this service's credentials.
    static let variable = "CREDENTIALS_DIRECTORY"

    /// - Parameter folder: `nil` if systemd has set none.
    static func isOne(
        _ file: File, _ status: FileStatus, folder: String? = getenv(variable).flatMap { String(validatingCString: $0) }
    ) -> Bool {
        guard let folder, folder.hasPrefix("/"), DurableFile.parent(of: file.path) == folder, !DurableFile.split(file.path).1.isEmpty,
            status.kind == .file, status.owner == 0, status.group == 0, status.mode == 0o440, status.names == 1
        else { return false }
        // In memory only: systemd never puts credentials on a disk.
        guard [ramfs, tmpfs].contains(clinux_file_system(file.descriptor)) else { return false }
        var list = [UInt8](repeating: 0, count: 128)
        let length = clinux_access_list(file.descriptor, &list, list.count)
        guard length > 0, length <= list.count else { return false }
        return isOnlyReadable(by: geteuid(), Array(list.prefix(length)))
    }

    /// RAMFS_MAGIC, TMPFS_MAGIC (linux/magic.h).
    private static let ramfs: UInt32 = 0x8584_58F6, tmpfs: UInt32 = 0x0102_1994

    /// Whether an access control list gives the owner and this one user the right to read, and nobody anything else.
    ///
    /// linux/posix_acl_xattr.h: a version, then entries of tag, rights and user or group, all little-endian.
    static func isOnlyReadable(by user: UInt32, _ list: [UInt8]) -> Bool {
        func number(_ offset: Int, _ size: Int) -> UInt32 {
            list[offset..<offset + size].reversed().reduce(0) { $0 << 8 | UInt32($1) }
        }
        guard list.count >= 4, (list.count - 4) % 8 == 0, number(0, 4) == 2 else { return false }
        let entries = stride(from: 4, to: list.count, by: 8).map { (tag: number($0, 2), rights: number($0 + 2, 2), id: number($0 + 4, 4)) }
        let readable: UInt32 = 4
        let wanted: [(tag: UInt32, rights: UInt32, id: UInt32?)] = [
            (0x01, readable, nil), (0x02, readable, user), (0x04, 0, nil), (0x10, readable, nil), (0x20, 0, nil),
        ]
        // In this order, as the kernel keeps them: owner, user, owning group, mask, others.
        return entries.count == wanted.count
            && zip(entries, wanted).allSatisfy { entry, wanted in
                entry.tag == wanted.tag && entry.rights == wanted.rights && (wanted.id == nil || entry.id == wanted.id)
            }
    }
}
