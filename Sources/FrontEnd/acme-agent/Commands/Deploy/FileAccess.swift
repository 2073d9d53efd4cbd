import Glibc

/// Whether another user may read a file, by the modes on the way to it.
enum FileAccess {
    /// The first folder that the user may not enter, or the file if it is that. Access control lists are not looked at.
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
