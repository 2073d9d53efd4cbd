import ACME
import CLinux
import CertificateStore
import DurableFile
import Glibc

/// The user to whom the state directory belongs. Root works in another user's as that user: a file of root's in it
/// would stop the renewals, and what comes from a CA is better not parsed as root.
struct StoreOwner {
    private let folder: String
    private let user: UInt32
    private let group: UInt32

    /// - Returns: `nil` if there is no such folder, or this user is not the one who must be careful: it is root in a
    ///   store of root's, or a user who may write to another's.
    init?(of folder: String) {
        guard let status = StoreOwner.status(of: folder) else { return nil }
        switch geteuid() {
        case 0: guard status.owner != 0 else { return nil }
        case status.owner: break
        default: guard access(folder, W_OK | X_OK) != 0 else { return nil }
        }
        self.folder = folder
        user = status.owner
        group = status.group
    }

    /// Whether the store is this user's own.
    static func isOwn(_ folder: String) -> Bool { status(of: folder)?.owner == geteuid() }

    /// The status of the folder itself: the path may lead there by a symbolic link.
    static func status(of folder: String) -> FileStatus? { try? Folder(folder).status() }

    /// Has root's command run as this user, by starting the program again, and ends with its status. For another user,
    /// looks whether the store can be used.
    func takeOver(_ output: Output) throws(Failure) {
        guard geteuid() == 0 else { return try check() }
        let entry = LocalUser(id: user), name = entry?.name ?? "\(user)"
        output.note("running as \(TerminalText.safe(name, limit: 64)), to whom \(TerminalText.safe(folder)) belongs")
        let number = run(entry)
        throw Failure(
            "store-owner", .failed,
            "root cannot work as \(TerminalText.safe(name, limit: 64)), to whom \(TerminalText.safe(folder)) belongs: "
                + String(cString: strerror(number)),
            hint: "run the command as that user")
    }

    /// - Returns: the error number, if the program could not be started.
    private func run(_ entry: LocalUser?) -> Int32 {
        let bytes = (try? DurableFile.read("/proc/self/environ", limit: 4 << 20)) ?? []
        let sockets = StoreOwner.sockets
        let variables = StoreOwner.environment(bytes, for: entry, hasSockets: sockets > 0)
        var arguments: [UnsafeMutablePointer<CChar>?] = CommandLine.arguments.map { strdup($0) } + [nil]
        var environment: [UnsafeMutablePointer<CChar>?] = variables.map { ($0 + [0]).withUnsafeBytes { copy($0) } } + [nil]
        defer { for pointer in arguments + environment { free(pointer) } }
        let groups = entry?.groups ?? []
        var status: Int32 = 0
        let number = groups.withUnsafeBufferPointer { groups in
            "/proc/self/exe".withCString { program in
                arguments.withUnsafeMutableBufferPointer { arguments in
                    environment.withUnsafeMutableBufferPointer { environment in
                        var child = clinux_child()
                        child.user = user
                        child.group = entry?.group ?? group
                        child.groups = groups.baseAddress
                        child.group_count = groups.count
                        child.sockets = sockets
                        child.program = program
                        child.arguments = UnsafePointer(arguments.baseAddress)
                        child.environment = UnsafePointer(environment.baseAddress)
                        return clinux_run_as(&child, &status)
                    }
                }
            }
        }
        guard number != 0 else { exit(status) }
        return number
    }

    private func copy(_ bytes: UnsafeRawBufferPointer) -> UnsafeMutablePointer<CChar>? {
        bytes.bindMemory(to: CChar.self).baseAddress.flatMap { strdup($0) }
    }

    /// How many sockets the service manager has opened for this process (sd_listen_fds(3)).
    private static var sockets: UInt32 {
        func number(_ name: String) -> Int32? { getenv(name).flatMap { String(validatingCString: $0) }.flatMap { Int32($0) } }
        guard number("LISTEN_PID") == getpid(), let count = number("LISTEN_FDS"), (1...64).contains(count) else { return 0 }
        return UInt32(count)
    }

    /// What a program of this user may see of root's environment: what this program reads, and what a shell script
    /// cannot do without. The rest may be root's secrets.
    private static let variables: Set<String> = [
        "PATH", "LANG", "LANGUAGE", "TERM", "TZ", "NO_COLOR", "LISTEN_FDS", "LISTEN_FDNAMES", "http_proxy", "https_proxy", "HTTPS_PROXY",
        "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY",
    ]
    private static let prefixes = ["LC_", "ACME_"]

    /// - Parameter block: entries that each end with a zero byte, as in `/proc/self/environ`.
    /// - Returns: `NAME=VALUE`, each.
    static func environment(_ block: [UInt8], for entry: LocalUser?, hasSockets: Bool) -> [[UInt8]] {
        var kept = block.split(separator: 0).map { Array($0) }.filter { entry in
            let name = String(decoding: entry.prefix { $0 != UInt8(ascii: "=") }, as: UTF8.self)
            guard hasSockets || !name.hasPrefix("LISTEN_") else { return false }
            return variables.contains(name) || prefixes.contains { name.hasPrefix($0) }
        }
        kept.append(Array("HOME=\(entry?.home ?? "/")".utf8))
        if let entry { kept += ["USER", "LOGNAME"].map { Array("\($0)=\(entry.name)".utf8) } }
        // With room for any number.
        if hasSockets { kept.append(Array("LISTEN_PID=00000000000000000000".utf8)) }
        return kept
    }

    /// Refuses a store of another user's, and what another user, such as root before this store had its owner, has put
    /// into it: otherwise a step in the middle of an order would fail.
    private func check() throws(Failure) {
        let name = TerminalText.safe(LocalUser(id: user)?.name ?? "\(user)", limit: 64), shown = TerminalText.safe(folder)
        guard geteuid() == user else {
            let own = LocalUser(id: geteuid())?.name ?? "\(geteuid())"
            throw Failure(
                "store-owner", .configuration,
                "the state directory \(shown) belongs to \(name), and \(TerminalText.safe(own, limit: 64)) may not write to it",
                hint: "run the command as \(name); if this user renews now, operations.md, From root to acme-agent-client, says how")
        }
        guard let strange else { return }
        throw Failure(
            "store-owner", .configuration, "\(TerminalText.safe(strange)) does not belong to \(name), to whom the state directory belongs",
            hint: "as root: chown -hR \(name) \(shown)")
    }

    /// The folders of the store and what is in them. What else there is, such as lost+found, nothing uses.
    private static let folders = [
        "accounts", "awaited", "certificates", "orders", "compromised", "outgoing", "renewals", "locks", "settings", "hooks",
    ]

    /// Something of another user that this one cannot use.
    private var strange: String? {
        if let path = strange("\(folder)/installed") { return path }
        for name in StoreOwner.folders {
            let path = "\(folder)/\(name)"
            if let path = strange(path) { return path }
            for entry in (try? DurableFile.names(in: path)) ?? [] where StoreOwner.isUsed(entry, in: name) {
                if let path = strange("\(path)/\(entry)") { return path }
            }
        }
        return nil
    }

    private static func isUsed(_ entry: String, in folder: String) -> Bool {
        switch folder {
        case "certificates": (try? CertificateName(entry)) != nil
        case "locks": entry.hasSuffix(".lock")
        default: entry.hasSuffix(".json") || folder == "renewals" && entry == "orders"
        }
    }

    private func strange(_ path: String) -> String? {
        guard let status = try? FileStatus(at: path), status.owner != user else { return nil }
        switch status.kind {
        case .folder: return access(path, R_OK | W_OK | X_OK) != 0 ? path : nil
        case .file: return access(path, R_OK) != 0 ? path : nil
        default: return nil
        }
    }
}
