import ACME
import AuditTrail
import ConfigurationFile
import DurableFile
import Glibc
import Keyring

/// Puts a backup back. The keys' folder and each file are replaced in one step, the configuration last, and what is there
/// already as in the backup is left alone: if this was interrupted, it is done again.
struct BackupRestoration {
    /// What is at one place.
    private enum Found: Equatable {
        case nothing
        case same
        /// Something else, which is not replaced unasked.
        case other
    }

    private let document: BackupDocument
    private let configuration: AgentConfiguration
    private let configurationFile: String
    /// Whether to keep what is there beside what is put back.
    private let replaces: Bool
    private let calls: FileCalls
    /// The suffix of what is kept.
    private let suffix: String

    private var state: String { configuration.stateDirectory }

    /// - Parameters:
    ///   - path: Of the backup. It decides which key a name means, so only root or this user may be able to change it.
    ///   - configurationFile: Where the configuration goes; `nil` for where it was.
    init(_ path: String, configurationFile: String?, replaces: Bool, calls: FileCalls = .real) throws {
        let rule = Ownership(owner: .rootOrSelf, forbidden: 0o022, judgesWay: false)
        let file: File
        do throws(OwnershipError) { file = try File.open(path, as: rule) } catch {
            guard case .distrusted(_, .owner) = error else { throw error }
            throw BackupError("\(error)", hint: "it decides about keys: if it is the backup that you made, give it to root with chown")
        }
        let bytes = try file.read(limit: BackupDocument.sizeLimit)
        do throws(BackupError) { document = try BackupDocument(bytes) } catch {
            throw BackupError("\(path): \(error.message)", hint: error.hint)
        }
        let target = try AgentBackup.absolute(configurationFile ?? document.configuration.name)
        configuration = try AgentConfiguration(ConfigurationFile.parse(document.configuration.bytes, file: target))
        for key in document.keys where !AgentBackup.isEntry(key.name) {
            throw BackupError("\(path): \"\(TerminalText.safe(key.name, limit: 100))\" is not the name of a key's entry")
        }
        self.configurationFile = target
        self.replaces = replaces
        self.calls = calls
        suffix = ".before-restore-\(AuditRecord.now() / 1_000)"
    }

    /// - Returns: What was done, and what is left to do, as lines for a person.
    func restore() throws -> String {
        var kept: [String] = []
        let locks = try lockOut()
        defer { for lock in locks { lock.release() } }
        let former = try formerConfiguration()
        if former != .same { try checkConfigurationFolder() }
        let trail = try AgentUser.act(asOwnerOf: state) { () throws -> String in
            let trailLock = try lockTrail()
            defer { trailLock?.release() }
            let keys = try foundKeys(), head = try foundHead()
            if !replaces {
                let others = [
                    (former, configurationFile), (keys, state + "/" + AgentBackup.keysFolder), (head, state + "/" + AgentBackup.headFile),
                ].filter { $0.0 == .other }.map(\.1)
                guard others.isEmpty else {
                    throw BackupError(
                        "there is state already, which differs from the backup: \(others.joined(separator: ", "))",
                        hint: "--replace restores the backup, and keeps that state with the suffix \(suffix)")
                }
            }
            let folder = try Folder(state, calls: calls)
            if keys != .same {
                let made = try makeKeys(in: folder)
                if keys == .other { kept.append(try keep(AgentBackup.keysFolder, in: folder, as: Folder.rename)) }
                try folder.rename(made, to: AgentBackup.keysFolder)
                try folder.synchronize()
            }
            if head == .other { kept.append(try keep(AgentBackup.headFile, in: folder, as: Folder.copyName)) }
            if head != .same {
                if let end = document.trailHead {
                    try AuditMemory(path: state + "/" + AgentBackup.headFile).write(end, calls: calls)
                } else {
                    // One that cannot be read keeps the daemon from starting.
                    try folder.remove(AgentBackup.headFile)
                    try folder.synchronize()
                }
            }
            return trailText()
        }
        if former != .same {
            let (path, name) = DurableFile.split(configurationFile)
            let folder = try Folder(path, calls: calls)
            if former == .other { kept.append(try keep(name, in: folder, as: Folder.copyName)) }
            let (mode, group) = configurationAccess()
            try folder.replace(name, with: document.configuration.bytes, mode: mode, group: group == getegid() ? nil : group)
        }
        return summary(trail: trail, kept: kept)
    }

    // MARK: A daemon that runs

    /// Holds the locks of the sockets that the configuration names, here and in the backup, as a daemon would.
    private func lockOut() throws -> [FileLock] {
        var paths = Set(configuration.listeners.map(\.path))
        if let present = try? AgentConfiguration(file: configurationFile) { paths.formUnion(present.listeners.map(\.path)) }
        var locks: [FileLock] = []
        for path in paths.sorted() {
            do throws(ListenError) { if let lock = try SocketPath.lockIfThere(path) { locks.append(lock) } } catch {
                for lock in locks { lock.release() }
                throw BackupError(
                    "a daemon may be running: \(error.description)",
                    hint: "systemctl stop acme-agentd.socket acme-agentd.service")
            }
        }
        return locks
    }

    /// A daemon with other sockets may use the same state.
    private func lockTrail() throws -> FileLock? {
        guard (try? FileStatus(at: configuration.auditFile + ".lock")) != nil else { return nil }
        do throws(FileLockError) { return try FileLock(configuration.auditFile + ".lock") } catch {
            throw BackupError("a daemon may be running: \(error)", hint: "systemctl stop acme-agentd.socket acme-agentd.service")
        }
    }

    // MARK: What is there

    private func formerConfiguration() throws -> Found {
        let bytes: [UInt8]
        do throws(FileError) { bytes = try DurableFile.read(configurationFile, limit: ConfigurationFile.sizeLimit) } catch {
            if error.isMissing { return .nothing }
            throw error
        }
        if bytes == document.configuration.bytes { return .same }
        // The package's file has only a comment.
        let isBlank = bytes.split(separator: UInt8(ascii: "\n")).allSatisfy { line in
            line.first { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\t") && $0 != UInt8(ascii: "\r") }.map { $0 == UInt8(ascii: "#") }
                ?? true
        }
        return isBlank ? .nothing : .other
    }

    /// Before anything is put back, so that the restoration does not stop half-way.
    private func checkConfigurationFolder() throws(BackupError) {
        let folder = DurableFile.parent(of: configurationFile)
        guard access(folder, W_OK | X_OK) != 0 else { return }
        let code = errno
        throw BackupError(
            "the configuration's folder \(folder) cannot be written: \(String(cString: strerror(code)))",
            hint: code == ENOENT ? "make it first" : "run it as root")
    }

    /// Fewer entries than in the backup are other state: the names of the others may have been deleted since.
    private func foundKeys() throws -> Found {
        let entries = try AgentBackup.entries(in: state + "/" + AgentBackup.keysFolder), found = entries.parts
        guard entries.unusable.isEmpty else { return .other }
        if found == document.keys.sorted(by: { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }) { return .same }
        // Whatever else is in the folder is not replaced unasked either.
        let names = try? Folder(state + "/" + AgentBackup.keysFolder).names()
        return names?.isEmpty ?? true ? .nothing : .other
    }

    /// A newer head stays if it may be this trail's: it says more about the trail than the backup's.
    private func foundHead() throws -> Found {
        let found: AuditHead?
        do throws(AuditError) { found = try AuditMemory(path: state + "/" + AgentBackup.headFile).read() } catch {
            guard error.reason == .memoryDamaged else { throw error }
            return .other
        }
        guard let found else { return document.trailHead == nil ? .same : .nothing }
        guard let wanted = document.trailHead else { return .same }
        if found.sequence > wanted.sequence { return isOfAnotherTrail(found) ? .other : .same }
        return found == wanted ? .same : .other
    }

    /// Whether the trail that is there contradicts a head, so that the daemon would not start. One that is not there or
    /// cannot be read does not: its files may be put back.
    private func isOfAnotherTrail(_ head: AuditHead) -> Bool {
        let verifier = AuditVerifier(path: configuration.auditFile, expecting: [head], acceptsMissingBeginning: true)
        return switch (try? verifier.verify())?.fault?.kind {
        case .truncated?, .rewritten?: true
        default: false
        }
    }

    // MARK: Putting back

    /// - Parameter how: Renames, or gives a second name to a file that is then replaced in one step.
    /// - Returns: The path of what was kept.
    private func keep(_ name: String, in folder: Folder, as how: (Folder) -> (String, String) throws(FileError) -> Void) throws -> String {
        try how(folder)(name, name + suffix)
        try folder.synchronize()
        return folder.path + "/" + name + suffix
    }

    /// Who may read the configuration: who may read the file that is there, or could read the one that was backed up.
    private func configurationAccess() -> (mode: UInt32, group: UInt32?) {
        if let present = try? FileStatus(at: configurationFile), present.kind == .file { return (present.mode & ~0o022, present.group) }
        guard let mode = document.configurationMode, let name = document.configurationGroup,
            case .number(let group) = UserDirectory.group(name)
        else { return (0o644, nil) }
        return (mode & 0o644, group)
    }

    /// Makes the keys' folder under another name, so that no daemon starts with a part of the keys.
    /// - Returns: The name.
    private func makeKeys(in folder: Folder) throws(FileError) -> String {
        let name = Folder.interim(AgentBackup.keysFolder)
        // Of an interrupted restoration.
        try folder.removeTree(name, depth: 0)
        try folder.makeFolder(name, mode: 0o700)
        let made = try folder.folder(name)
        // Each file of a group is open until the last is written.
        for start in stride(from: 0, to: document.keys.count, by: 64) {
            let group = document.keys[start..<min(start + 64, document.keys.count)]
            try made.write(group.map { (name: $0.name, bytes: $0.bytes, mode: 0o600) })
        }
        try made.synchronize()
        return name
    }

    // MARK: What is left to do

    /// Whether the trail has what it had when the backup was made.
    private func trailText() -> String {
        guard let head = document.trailHead else { return "nothing is known of an earlier one" }
        let file = configuration.auditFile
        let accept = "; if it is lost for good, accept that once, as the agent's user: acme-agentd --accept-audit-trail"
        do throws(AuditError) {
            let report = try AuditVerifier(path: file, expecting: [head], acceptsMissingBeginning: true).verify()
            guard let fault = report.fault else {
                let first = report.first ?? 0
                if head.sequence < first {
                    return "it begins with record \(first), so the backup's head, \(head.sequence), cannot be compared"
                }
                return "it has the backup's head, record \(head.sequence)"
            }
            switch fault.kind {
            case .truncated: return "it is behind the backup: \(fault.message). Put its files back\(accept)"
            case .rewritten: return "it is another one than when the backup was made: \(fault.message). Put its files back\(accept)"
            default: return "it is damaged: \(fault)"
            }
        } catch {
            guard error.reason == .missing else { return "it cannot be read: \(error)" }
            return "\(file) is not there, and ended with record \(head.sequence). Put its files back\(accept)"
        }
    }

    private func summary(trail: String, kept: [String]) -> String {
        var lines = [
            "restored: the backup of \(document.created), made by acme-agentd \(document.version)",
            "configuration: \(configurationFile)",
            "entries of keys: \(document.keys.count), in \(state)/\(AgentBackup.keysFolder)",
            "audit trail: \(trail)",
        ]
        lines += kept.map { "previous state kept: \($0)" }
        lines += ["", "next:"]
        for secret in document.secrets {
            let isThere = (try? FileStatus(at: secret.file)) != nil
            lines.append("- \(isThere ? "check" : "put back") \(secret.file): \(secret.setting)")
        }
        lines += [
            "- restore the token with the vendor's tools, if it is lost",
            "- acme-agentd --check-config",
            "- systemctl start acme-agentd.socket acme-agentd.service (the socket unit only if it was enabled)",
            "- acme-agent keys list, acme-agent audit verify, acme-agent doctor: a key that the token lacks fails when it is used",
        ]
        return lines.map { TerminalText.safe($0, limit: 2_000) }.joined(separator: "\n")
    }
}

extension AgentBackup {
    /// Puts a backup back, if no daemon runs and there is no other state. Blocks on the disk.
    /// - Parameters:
    ///   - path: Of the backup.
    ///   - configurationFile: Where the configuration goes; `nil` for where it was.
    ///   - replaces: Whether to replace other state, and keep it next to the new one.
    /// - Returns: What was done, and what is left to do, as lines for a person.
    /// - Throws: `BackupError`, `ConfigurationError` or another error for ``DaemonError``.
    public static func restore(_ path: String, configurationFile: String?, replaces: Bool) throws -> String {
        try BackupRestoration(path, configurationFile: configurationFile, replaces: replaces).restore()
    }
}

extension Folder {
    /// Gives a file a second name.
    fileprivate func copyName(_ old: String, to new: String) throws(FileError) { try addName(new, to: old) }
}
