import ACME
import AuditTrail
import ConfigurationFile
import DurableFile
import Glibc
import Keyring
import TokenProtocol

/// Makes backups of the agent's state; see ``BackupDocument`` for what is in them. A daemon may run meanwhile.
public enum AgentBackup {
    /// How often the entries of the keys are read until two readings are the same.
    private static let tries = 20
    private static let entrySuffix = ".json"

    /// Writes a backup to a new file of mode 0600. Blocks on the disk.
    /// - Parameters:
    ///   - configurationFile: The daemon's.
    ///   - path: Of the backup; must not exist.
    /// - Returns: What is in it and what is not, as lines for a person.
    /// - Throws: `ConfigurationError`, `FileError`, `OwnershipError`, `AuditError` or another error for ``DaemonError``.
    public static func make(of configurationFile: String, to path: String) throws -> String {
        let bytes = try AgentConfiguration.bytes(ofProtectedFile: configurationFile)
        let configuration = try AgentConfiguration(ConfigurationFile.parse(bytes, file: configurationFile))
        if let token = configuration.tokens.first(where: { $0.uri.contains("pin-value=") }) {
            throw BackupError(
                "the uri of token \"\(token.name)\" has a pin-value, and a backup must have no secret",
                hint: "the agent ignores it: remove it from \(configurationFile)")
        }
        // In a comment, or where the agent takes no URI.
        let lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        if let index = lines.firstIndex(where: { String(decoding: $0, as: UTF8.self).contains("pin-value=") }) {
            throw BackupError(
                "line \(index + 1) of \(configurationFile) has a pin-value, and a backup must have no secret",
                hint: "remove it, also from a comment")
        }
        let state = configuration.stateDirectory
        let (keys, head) = try AgentUser.act(asOwnerOf: state) {
            let keys = try entries(in: state + "/" + keysFolder)
            // What is known to be on disk; a running daemon stores it once a second.
            return (keys, try AuditMemory(path: state + "/" + headFile).read())
        }
        let status = (try? FileStatus(at: configurationFile)).flatMap { $0.kind == .file ? $0 : nil }
        let document = BackupDocument(
            version: AgentVersion.current, created: RFC3339.string(AuditRecord.now() / 1_000),
            configuration: BackupDocument.Part(name: try absolute(configurationFile), bytes: bytes),
            configurationMode: status?.mode, configurationGroup: status.flatMap { UserDirectory.name(ofGroup: $0.group) }, keys: keys.parts,
            trailFile: configuration.auditFile, trailHead: head, secrets: secrets(of: configuration))
        let content = document.bytes()
        // What cannot be restored is no backup.
        guard content.count <= BackupDocument.sizeLimit, (try? BackupDocument(content)) == document else {
            throw BackupError("there is too much for a backup: \(content.count) bytes")
        }
        let (folder, name) = DurableFile.split(path)
        do throws(FileError) { try Folder(folder).createNew(name, with: content, mode: 0o600) } catch {
            guard error.code == EEXIST else { throw error }
            throw BackupError("\(path) exists, and a backup replaces no file", hint: "name a new file")
        }
        return summary(document, configuration, path: path, keys)
    }

    static let keysFolder = "keys"
    static let headFile = "audit-head"

    static func absolute(_ path: String) throws -> String {
        guard path.utf8.first != UInt8(ascii: "/") else { return path }
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        guard getcwd(&buffer, buffer.count) != nil else { throw FileError(path: path, call: "getcwd", code: errno) }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self) + "/" + path
    }

    /// The content of the keys' folder.
    struct Entries: Equatable {
        /// In the order of their names.
        var parts: [BackupDocument.Part] = []
        /// What has an entry's name and is nothing that the daemon would use, with the reason: restored, it could be
        /// used.
        var unusable: [String] = []
        /// Names of files that are not entries.
        var strays: [String] = []
    }

    /// The entries of the keys as they were at one moment: the daemon replaces and removes each in one step, and nothing
    /// was changed between two readings.
    static func entries(in path: String) throws -> Entries {
        let folder: Folder
        do throws(OwnershipError) { folder = try Folder.open(path, as: .configuration) } catch {
            // No key was made yet.
            if error.isMissing { return Entries() }
            throw error
        }
        var before: Entries?
        for _ in 0..<tries {
            let now = try read(folder)
            if now == before { return now }
            before = now
        }
        throw BackupError("keys are being made or changed all the time", hint: "try again")
    }

    private static func read(_ folder: Folder) throws(FileError) -> Entries {
        var entries = Entries()
        for name in try folder.names() where name.hasSuffix(entrySuffix) && !name.hasPrefix(".") {
            guard isEntry(name) else {
                entries.strays.append(name)
                continue
            }
            do throws(OwnershipError) {
                // It may have been removed since.
                guard let file = try folder.open(reading: name, as: KeyFolder.recordRule) else { continue }
                let bytes: [UInt8]
                do throws(FileError) { bytes = try file.read(limit: KeyFolder.recordLimit) } catch { throw OwnershipError.system(error) }
                entries.parts.append(BackupDocument.Part(name: name, bytes: bytes))
            } catch {
                entries.unusable.append("\(name) (\(error.reason))")
            }
        }
        return entries
    }

    /// Whether a name is that of a key's entry.
    static func isEntry(_ name: String) -> Bool {
        name.hasSuffix(entrySuffix) && (try? KeyName(String(name.dropLast(entrySuffix.utf8.count)))) != nil
    }

    private static func secrets(of configuration: AgentConfiguration) -> [BackupDocument.Secret] {
        configuration.tokens.compactMap { token in
            token.pinSource.map { BackupDocument.Secret(file: $0, setting: "pin-source of token \"\(token.name)\"") }
        }
            + configuration.externalAccounts.map {
                BackupDocument.Secret(file: $0.hmacKeyFile, setting: "hmac-key-file of external account \"\($0.name)\"")
            }
    }

    private static func summary(
        _ document: BackupDocument, _ configuration: AgentConfiguration, path: String, _ keys: Entries
    ) -> String {
        let unreadable = document.keys.filter { (try? KeyRecord(json: $0.bytes)) == nil }.map(\.name)
        let isTrail = (try? FileStatus(at: configuration.auditFile)) != nil
        let without = isTrail ? "there is one, but not its head: a cut will not be noticed" : "none was begun yet"
        var lines = [
            "backup: \(path)",
            "configuration: \(document.configuration.name)",
            "entries of keys: \(document.keys.count)",
            "audit trail: \(document.trailHead.map { "its head, \($0)" } ?? without)",
            "",
            "not in it:",
            "- the keys, which are in the token: back up \(configuration.tokens.map { "\"\($0.name)\"" }.joined(separator: ", ")) "
                + "with the vendor's tools",
            "- the audit trail's files: \(configuration.auditFile)*",
        ]
        lines += document.secrets.map { "- the secret in \($0.file): \($0.setting)" }
        for (what, names) in [
            ("cannot be used, and were copied as they are", unreadable), ("cannot be used, and were left out", keys.unusable),
            ("not entries of keys, and left out", keys.strays),
        ] where !names.isEmpty {
            lines.append("warning: \(what): \(names.joined(separator: ", "))")
        }
        return lines.map { TerminalText.safe($0, limit: 2_000) }.joined(separator: "\n")
    }
}
