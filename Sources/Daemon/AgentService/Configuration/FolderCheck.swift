import DurableFile
import Glibc

/// What `--check-config` can say about a folder that the daemon will use. The daemon checks it again when it opens the
/// folder, and creates a missing one.
enum FolderCheck {
    /// Why the folder cannot be used, or `nil`.
    static func fault(_ path: String) -> String? {
        var shown = path
        while true {
            var status = stat()
            if stat(shown, &status) == 0 {
                if status.st_mode & S_IFMT != S_IFDIR { return "\"\(shown)\" is not a folder" }
                // In a sticky folder such as /tmp, users cannot replace one another's files.
                let isSticky = status.st_uid == 0 && status.st_mode & S_ISVTX != 0 && shown != path
                if status.st_mode & 0o022 != 0, !isSticky { return "\"\(shown)\" can be written by users other than its owner" }
                if geteuid() != 0, shown == path, access(shown, W_OK | X_OK) != 0 {
                    return "\"\(shown)\" cannot be written by this user: \(String(cString: strerror(errno)))"
                }
            } else if errno != ENOENT {
                return "\"\(shown)\" cannot be used: \(String(cString: strerror(errno)))"
            }
            guard shown != "/" else { return nil }
            shown = DurableFile.parent(of: shown)
        }
    }
}
