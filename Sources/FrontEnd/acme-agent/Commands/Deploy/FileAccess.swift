import Glibc

/// What another user may read and enter, by the modes on the way to it. Access control lists are not looked at.
enum FileAccess {
    /// A folder that a user may not enter.
    struct ClosedFolder: CustomStringConvertible {
        var path: String
        var mode: UInt32
        var owner: String
        var group: String

        var description: String { "\(path) (mode 0\(String(mode, radix: 8)), owner \(owner), group \(group))" }
    }

    /// The first folder on the way to a path that the user may not enter.
    /// - Parameter root: The folder that the user's process sees as "/", if it is another.
    static func closedFolder(on path: String, root: String?, user: UInt32, groups: [UInt32]) -> ClosedFolder? {
        guard user != 0 else { return nil }
        let names = (root == nil ? Deployment.resolved(path) : path).split(separator: "/").dropLast().map(String.init)
        var way = root ?? ""
        for folder in [""] + names {
            way += folder.isEmpty ? "" : "/" + folder
            let place = way.isEmpty ? "/" : way
            guard !isAllowed(place, 0o1, user, groups) else { continue }
            var status = stat()
            guard stat(place, &status) == 0 else { return nil }
            return ClosedFolder(
                path: place, mode: status.st_mode & 0o7777, owner: LocalUser(id: status.st_uid)?.name ?? "\(status.st_uid)",
                group: LocalUser.group(status.st_gid))
        }
        return nil
    }

    /// The first folder that the user may not enter, or the file if it is that.
    static func obstacle(to path: String, user: UInt32, groups: [UInt32]) -> String? {
        guard user != 0 else { return nil }
        var resolved = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        let real = realpath(path, &resolved).flatMap { String(validatingCString: $0) } ?? path
        var names = real.split(separator: "/").map(String.init), way = ""
        guard let file = names.popLast() else { return path }
        for folder in [""] + names {
            way += folder.isEmpty ? "" : "/" + folder
            guard isAllowed(way.isEmpty ? "/" : way, 0o1, user, groups) else { return way.isEmpty ? "/" : way }
        }
        return isAllowed(way + "/" + file, 0o4, user, groups) ? nil : way + "/" + file
    }

    /// - Parameter bit: of the permissions of others: 4 to read, 1 to enter.
    private static func isAllowed(_ path: String, _ bit: UInt32, _ user: UInt32, _ groups: [UInt32]) -> Bool {
        var status = stat()
        guard stat(path, &status) == 0 else { return false }
        // The first class that matches decides.
        if status.st_uid == user { return status.st_mode & (bit << 6) != 0 }
        if groups.contains(status.st_gid) { return status.st_mode & (bit << 3) != 0 }
        return status.st_mode & bit != 0
    }
}
