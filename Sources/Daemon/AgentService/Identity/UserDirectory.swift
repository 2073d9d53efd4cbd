import Glibc
import SigningPolicy

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

    /// A group's name; `nil` if no source has one.
    static func name(ofGroup number: UInt32) -> String? {
        var entry = Glibc.group(), found: UnsafeMutablePointer<Glibc.group>?, name: String?
        _ = ask { buffer, size in
            let code = getgrgid_r(number, &entry, buffer, size, &found)
            // The name is in the buffer.
            if code == 0, found != nil, let text = entry.gr_name { name = String(cString: text) }
            return code
        } found: {
            found == nil ? nil : entry.gr_gid
        }
        return name
    }

    /// NGROUPS_MAX of Linux.
    private static let mostGroups = 65_536

    /// The user of that name or number, with all groups, as initgroups(3) gives them to a process; `nil` if there is none.
    static func peer(_ text: String) -> Peer? {
        var entry = passwd(), found: UnsafeMutablePointer<passwd>?, user: (name: String, group: gid_t)?
        let answer = ask { buffer, size in
            let code =
                if let number = UInt32(text) {
                    getpwuid_r(number, &entry, buffer, size, &found)
                } else {
                    getpwnam_r(text, &entry, buffer, size, &found)
                }
            // The name is in the buffer.
            if code == 0, found != nil, let name = entry.pw_name { user = (String(cString: name), entry.pw_gid) }
            return code
        } found: {
            found == nil ? nil : entry.pw_uid
        }
        guard case .number(let uid) = answer, let user else { return nil }
        var groups = [gid_t](repeating: 0, count: 64)
        while true {
            var count = Int32(groups.count)
            if getgrouplist(user.name, user.group, &groups, &count) >= 0 {
                return Peer(uid: uid, gids: Array(groups.prefix(Int(max(count, 0)))))
            }
            guard groups.count < mostGroups else { return Peer(uid: uid, gids: [user.group]) }
            groups = [gid_t](repeating: 0, count: mostGroups)
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
