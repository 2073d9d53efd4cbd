import ACME
import CLinux
import DurableFile
import Glibc

/// The user to whom the state directory belongs. Root works in another user's as that user: a file of root's in it would
/// stop the renewals, and what comes from a CA is better not parsed as root.
struct StoreOwner {
    private let folder: String
    private let user: UInt32
    private let group: UInt32

    /// - Returns: `nil` if there is no such folder, or this user is not the one who must be careful: it cannot change the
    ///   store anyway, or it is root in a store of root's.
    init?(of folder: String) {
        guard let status = try? FileStatus(at: folder), status.kind == .folder, status.owner != 0 else { return nil }
        guard [0, status.owner].contains(geteuid()) else { return nil }
        self.folder = folder
        user = status.owner
        group = status.group
    }

    /// Makes root this user, by starting the program again in this process. For the user itself, looks whether everything
    /// in the store can be used.
    func takeOver(_ output: Output) throws(Failure) {
        guard geteuid() == 0 else { return try check() }
        let entry = LocalUser(id: user), name = entry?.name ?? "\(user)"
        output.note("running as \(TerminalText.safe(name, limit: 64)), to whom \(TerminalText.safe(folder)) belongs")
        let number = start(entry)
        throw Failure(
            "store-owner", .failed,
            "root cannot work as \(TerminalText.safe(name, limit: 64)), to whom \(TerminalText.safe(folder)) belongs: "
                + String(cString: strerror(number)),
            hint: "run the command as that user")
    }

    /// - Returns: the error number.
    private func start(_ entry: LocalUser?) -> Int32 {
        if let entry {
            for (variable, value) in [("USER", entry.name), ("LOGNAME", entry.name), ("HOME", entry.home)] { setenv(variable, value, 1) }
        }
        var arguments: [UnsafeMutablePointer<CChar>?] = CommandLine.arguments.map { strdup($0) } + [nil]
        defer { for pointer in arguments { free(pointer) } }
        return clinux_execute_as(entry?.name, user, entry?.group ?? group, "/proc/self/exe", &arguments)
    }

    /// Refuses what another user, such as root before this store had its owner, has put into the store: otherwise a step in
    /// the middle of an order would fail.
    private func check() throws(Failure) {
        guard let strange = strange(in: folder, depth: 2) else { return }
        let name = LocalUser(id: user)?.name ?? "\(user)"
        throw Failure(
            "store-owner", .configuration,
            "\(TerminalText.safe(strange)) does not belong to \(TerminalText.safe(name, limit: 64)), to whom the state directory belongs",
            hint: "as root: chown -hR \(TerminalText.safe(name, limit: 64)) \(TerminalText.safe(folder))")
    }

    /// Something of another user that this one cannot use.
    private func strange(in folder: String, depth: Int) -> String? {
        guard let names = try? DurableFile.names(in: folder) else { return nil }
        for name in names {
            let path = "\(folder)/\(name)"
            guard let status = try? FileStatus(at: path) else { continue }
            switch status.kind {
            case .folder:
                if status.owner != user, access(path, R_OK | W_OK | X_OK) != 0 { return path }
                if depth > 1, let strange = strange(in: path, depth: depth - 1) { return strange }
            case .file: if status.owner != user, access(path, R_OK) != 0 { return path }
            default: break
            }
        }
        return nil
    }
}
