import Glibc

/// Users and groups of the system by name. A directory service (LDAP) may be slow or hang: never ask on the event loop.
enum UserDirectory {
    /// What the system says of a name.
    enum Answer: Sendable, Hashable {
        case number(UInt32)
        /// No source has such a name.
        case unknown
        /// A source could not be asked; the system's error number.
        case failed(Int32)
    }

    /// A group with so many members that its entry is larger is reported as `failed(ERANGE)`.
    private static let largestEntry = 8 * 1024 * 1024

    static func user(_ name: String) -> Answer {
        var entry = passwd(), found: UnsafeMutablePointer<passwd>?
        return ask { buffer, size in
            getpwnam_r(name, &entry, buffer, size, &found)
        } found: {
            found == nil ? nil : entry.pw_uid
        }
    }

    static func group(_ name: String) -> Answer {
        var entry = Glibc.group(), found: UnsafeMutablePointer<Glibc.group>?
        return ask { buffer, size in
            getgrnam_r(name, &entry, buffer, size, &found)
        } found: {
            found == nil ? nil : entry.gr_gid
        }
    }

    private static func ask(
        _ call: (UnsafeMutablePointer<CChar>, Int) -> Int32, found: () -> UInt32?
    ) -> Answer {
        var size = 16_384
        while true {
            let buffer = UnsafeMutablePointer<CChar>.allocate(capacity: size)
            defer { buffer.deallocate() }
            switch call(buffer, size) {
            case 0: return found().map { .number($0) } ?? .unknown
            // getpwnam_r(3): what sources return for a name that they do not have.
            case ENOENT, ESRCH, EBADF, EPERM: return .unknown
            case EINTR: continue
            case ERANGE where size < largestEntry: size *= 2
            case let code: return .failed(code)
            }
        }
    }
}
