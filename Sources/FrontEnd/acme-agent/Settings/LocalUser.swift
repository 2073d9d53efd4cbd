import Glibc

/// A user of this machine, with its groups (passwd(5), group(5)).
struct LocalUser: Equatable {
    var name: String
    /// The home directory.
    var home: String
    var id: UInt32
    /// The primary group.
    var group: UInt32
    /// All groups, as initgroups(3) gives them to a process.
    var groups: [UInt32]

    init?(named name: String) { self.init { getpwnam_r(name, $0, $1, $2, $3) } }

    init?(id: UInt32) { self.init { getpwuid_r(id, $0, $1, $2, $3) } }

    private typealias Search = (
        UnsafeMutablePointer<passwd>, UnsafeMutablePointer<CChar>, Int, UnsafeMutablePointer<UnsafeMutablePointer<passwd>?>
    ) -> Int32

    /// More than an entry of a directory service has.
    private static let entrySize = 64 * 1024
    /// NGROUPS_MAX of Linux.
    private static let mostGroups = 65_536

    private init?(_ search: Search) {
        var buffer = [CChar](repeating: 0, count: Self.entrySize), entry = passwd(), found: UnsafeMutablePointer<passwd>?
        guard search(&entry, &buffer, buffer.count, &found) == 0, found != nil, let pointer = entry.pw_name,
            let name = String(validatingCString: pointer)
        else { return nil }
        self.name = name
        home = entry.pw_dir.flatMap { String(validatingCString: $0) } ?? "/"
        id = entry.pw_uid
        group = entry.pw_gid
        var count: Int32 = 64, groups = [gid_t](repeating: 0, count: Int(count))
        if getgrouplist(name, entry.pw_gid, &groups, &count) < 0 {
            count = min(max(count, 0), Int32(Self.mostGroups))
            groups = [gid_t](repeating: 0, count: Int(count))
            guard getgrouplist(name, entry.pw_gid, &groups, &count) >= 0 else {
                self.groups = [entry.pw_gid]
                return
            }
        }
        self.groups = Array(groups.prefix(Int(max(count, 0))))
    }

    /// The group's name, or its number if it has none.
    static func group(_ id: UInt32) -> String {
        var buffer = [CChar](repeating: 0, count: entrySize), entry = Glibc.group(), found: UnsafeMutablePointer<Glibc.group>?
        guard getgrgid_r(id, &entry, &buffer, buffer.count, &found) == 0, found != nil, let pointer = entry.gr_name,
            let name = String(validatingCString: pointer)
        else { return "\(id)" }
        return name
    }

    /// The number of a group, given by name or number.
    static func groupID(_ text: String) -> UInt32? {
        var buffer = [CChar](repeating: 0, count: entrySize), entry = Glibc.group(), found: UnsafeMutablePointer<Glibc.group>?
        guard getgrnam_r(text, &entry, &buffer, buffer.count, &found) == 0, found != nil else { return UInt32(text) }
        return entry.gr_gid
    }
}
