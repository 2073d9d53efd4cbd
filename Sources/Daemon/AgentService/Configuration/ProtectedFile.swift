import DurableFile
import Glibc

/// A file whose content decides about keys: it must belong to root or to the daemon's user, and nobody else may write it (or, for a secret,
/// read it).
enum ProtectedFile {
    enum Use { case configuration, secret }

    /// Why the file must not be trusted, or `nil` if it may be.
    static func fault(_ path: String, as use: Use) -> String? {
        var status = stat()
        guard stat(path, &status) == 0 else { return String(cString: strerror(errno)) }
        guard status.st_mode & S_IFMT == S_IFREG else { return "is not a regular file" }
        guard status.st_uid == 0 || status.st_uid == geteuid() else { return "belongs to another user (uid \(status.st_uid))" }
        let forbidden: mode_t = use == .configuration ? 0o022 : 0o077
        guard status.st_mode & forbidden == 0 else {
            return use == .configuration ? "can be written by others than its owner" : "can be read by others than its owner"
        }
        return nil
    }
}
