import Glibc

/// An open descriptor, closed with its last owner: the thread that syncs may still hold the old file while a rotation goes on.
final class AuditFile: Sendable {
    let descriptor: Int32

    init(descriptor: Int32) { self.descriptor = descriptor }
    deinit { close(descriptor) }

    var status: stat? {
        var status = stat()
        return fstat(descriptor, &status) == 0 ? status : nil
    }

    /// Which file it is, whatever its name.
    var identity: AuditFileIdentity? { status.map { AuditFileIdentity($0) } }

    /// Reads up to `count` bytes from `offset`; fewer only at the end of the file.
    func read(offset: Int, count: Int, path: String) throws(AuditError) -> [UInt8] {
        var failure: Int32 = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            while initialized < count {
                let got = pread(descriptor, buffer.baseAddress?.advanced(by: initialized), count - initialized, off_t(offset + initialized))
                if got > 0 {
                    initialized += got
                } else if got == 0 {
                    break
                } else if errno != EINTR {
                    failure = errno
                    break
                }
            }
        }
        guard failure == 0 else { throw .system("pread", file: path, errorNumber: failure) }
        return bytes
    }
}

struct AuditFileIdentity: Hashable, Sendable {
    var device: dev_t
    var inode: ino_t

    init(_ status: stat) {
        device = status.st_dev
        inode = status.st_ino
    }
}

/// The calls that a full or dying disk makes fail, so that tests can be that disk. Results as of the system's: -1 and `errno`.
struct AuditSystem: Sendable {
    var write: @Sendable (Int32, UnsafeRawBufferPointer) -> Int = { Glibc.write($0, $1.baseAddress, $1.count) }
    var truncate: @Sendable (Int32, Int) -> Int32 = { ftruncate($0, off_t($1)) }
    var synchronize: @Sendable (Int32) -> Int32 = { fdatasync($0) }
    /// Bytes of room in the file system of a folder; `nil` if it does not say.
    var room: @Sendable (String) -> UInt64? = { folder in
        var status = statvfs()
        guard statvfs(folder, &status) == 0, status.f_blocks > 0 else { return nil }
        return UInt64(geteuid() == 0 ? status.f_bfree : status.f_bavail) &* UInt64(status.f_frsize)
    }

    static let real = AuditSystem()

    /// Writes everything, or reports the error number of the first call that did not.
    func writeAll(_ descriptor: Int32, _ bytes: [UInt8]) -> Int32 {
        bytes.withUnsafeBytes { buffer in
            var done = 0
            while done < buffer.count {
                let wrote = write(descriptor, UnsafeRawBufferPointer(rebasing: buffer[done...]))
                if wrote > 0 {
                    done += wrote
                } else if wrote == 0 || errno != EINTR {
                    // A write of nothing without an error is no progress: taken as a full disk.
                    return wrote == 0 ? ENOSPC : errno
                }
            }
            return 0
        }
    }
}
