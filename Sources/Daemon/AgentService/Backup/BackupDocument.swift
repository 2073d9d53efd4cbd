import AuditTrail
import Crypto
import JOSE
import StrictJSON

/// What a backup holds of the agent: its configuration, the entries of its keys, and where the audit trail ended.
///
/// One file of strict JSON. The reader for it is in the daemon anyway, a person or `jq` can look into it, and it has no
/// paths that somebody must keep from leading elsewhere, as an archive's. Each part has its SHA-256, and the document has
/// one over all bytes before it, as a record of the audit trail has. They find damage, not a forger: whoever can write the
/// file can compute them.
///
/// No secret is in it. Files that hold one are named.
struct BackupDocument: Sendable, Equatable {
    static let format: Int64 = 1
    /// In bytes. 30,000 keys of RSA-4096.
    static let sizeLimit = 64 * 1024 * 1024
    private static let limits = JSONLimits(values: 1_000_000)
    private static let digestMember = Array(#","sha256":""#.utf8)
    /// `","hash":"` … `"}` and a line feed
    private static let digestDigits = 64
    private static let end = Array("\"}\n".utf8)

    /// A file, as it was.
    struct Part: Sendable, Equatable {
        /// A path for the configuration, a name in the folder of the keys for an entry.
        var name: String
        var bytes: [UInt8]

        var digest: String { Hexadecimal.encode(Array(SHA256.hash(data: bytes))) }
    }

    /// A file that holds a secret, and is not in the backup.
    struct Secret: Sendable, Equatable {
        var file: String
        /// The setting that names it: `pin-source of token "hsm"`.
        var setting: String
    }

    /// The agent's version, and when the backup was made (RFC 3339).
    var version: String
    var created: String
    var configuration: Part
    /// Who may read it beside its owner: its permission bits and its group's name, if it is a file.
    var configurationMode: UInt32?
    var configurationGroup: String?
    /// In the order of their names.
    var keys: [Part]
    /// The trail's file, and its last record that was known to be on disk. `nil` if no daemon has run yet.
    var trailFile: String
    var trailHead: AuditHead?
    var secrets: [Secret]

    func bytes() -> [UInt8] {
        var json = JSONWriter(reservingCapacity: 64 * 1024)
        json.beginObject()
        json.member("format", BackupDocument.format)
        json.member("program", "acme-agentd \(version)")
        json.member("created", created)
        json.name("configuration")
        configuration.write(to: &json)
        json.member("configuration-mode", ifPresent: configurationMode.map { String($0, radix: 8) })
        json.member("configuration-group", ifPresent: configurationGroup)
        json.name("keys")
        json.beginArray()
        for key in keys { key.write(to: &json) }
        json.endArray()
        json.name("trail")
        json.beginObject()
        json.member("file", trailFile)
        json.member("head", ifPresent: trailHead?.description)
        json.endObject()
        json.name("secrets")
        json.beginArray()
        for secret in secrets {
            json.beginObject()
            json.member("file", secret.file)
            json.member("setting", secret.setting)
            json.endObject()
        }
        json.endArray()
        let digest = Hexadecimal.encode(Array(SHA256.hash(data: json.bytes)))
        return json.bytes + BackupDocument.digestMember + Array(digest.utf8) + BackupDocument.end
    }

    /// - Throws: `BackupError` if a byte was changed, or the file is none or of a newer version.
    init(_ bytes: [UInt8]) throws(BackupError) {
        let tail = BackupDocument.digestMember.count + BackupDocument.digestDigits + BackupDocument.end.count
        let root: JSONObject
        do {
            root = try JSONDocument(parsing: bytes, limits: BackupDocument.limits).root.object()
            let format = try root.integer("format")
            guard format <= BackupDocument.format else {
                throw BackupError(
                    "it was made by a newer acme-agentd: format \(format), and this one reads formats up to \(BackupDocument.format)",
                    hint: "use the newer version")
            }
        } catch let error as BackupError {
            throw error
        } catch {
            throw BackupError("it is not a backup of acme-agentd, or it is damaged: \(error)")
        }
        do {
            let digest = try root.string("sha256")
            guard bytes.count > tail, bytes.suffix(BackupDocument.end.count) == BackupDocument.end[...],
                Hexadecimal.encode(Array(SHA256.hash(data: bytes.dropLast(tail)))) == digest,
                bytes.dropLast(tail - BackupDocument.digestMember.count).suffix(BackupDocument.digestMember.count)
                    == BackupDocument.digestMember[...]
            else { throw BackupError("it is damaged: its digest is not that of its content") }
            try root.finish(known: [
                "format", "program", "created", "configuration", "configuration-mode", "configuration-group", "keys", "trail", "secrets",
                "sha256",
            ])
            version = try root.string("program").split(separator: " ").last.map(String.init) ?? ""
            created = try root.string("created")
            configuration = try Part(root.object("configuration"))
            configurationMode = nil
            if let text = try root.optionalString("configuration-mode") {
                guard let mode = UInt32(text, radix: 8) else { throw JSONError(.invalidValue, offset: 0, member: "configuration-mode") }
                configurationMode = mode
            }
            configurationGroup = try root.optionalString("configuration-group")
            keys = []
            for value in try root.array("keys") { keys.append(try Part(value.object())) }
            let trail = try root.object("trail")
            try trail.finish(known: ["file", "head"])
            trailFile = try trail.string("file")
            trailHead = nil
            if let text = try trail.optionalString("head") {
                guard let head = AuditHead(text) else { throw JSONError(.invalidValue, offset: 0, member: "head") }
                trailHead = head
            }
            secrets = []
            for value in try root.array("secrets") {
                let secret = try value.object()
                try secret.finish(known: ["file", "setting"])
                secrets.append(Secret(file: try secret.string("file"), setting: try secret.string("setting")))
            }
        } catch let error as BackupError {
            throw error
        } catch {
            throw BackupError("it is damaged: \(error)")
        }
        guard Set(keys.map(\.name)).count == keys.count else { throw BackupError("it is damaged: a key is in it twice") }
    }

    init(
        version: String, created: String, configuration: Part, configurationMode: UInt32? = nil, configurationGroup: String? = nil,
        keys: [Part], trailFile: String, trailHead: AuditHead?, secrets: [Secret]
    ) {
        self.version = version
        self.created = created
        self.configuration = configuration
        self.configurationMode = configurationMode
        self.configurationGroup = configurationGroup
        self.keys = keys
        self.trailFile = trailFile
        self.trailHead = trailHead
        self.secrets = secrets
    }
}

extension BackupDocument.Part {
    fileprivate func write(to json: inout JSONWriter) {
        json.beginObject()
        json.member("name", name)
        json.member("sha256", digest)
        // A damaged entry need not be text.
        if let text = String(validating: bytes, as: UTF8.self), !bytes.contains(0) {
            json.member("text", text)
        } else {
            json.member("base64url", Base64URL.encode(bytes))
        }
        json.endObject()
    }

    fileprivate init(_ json: JSONObject) throws {
        try json.finish(known: ["name", "sha256", "text", "base64url"])
        name = try json.string("name")
        if let text = try json.optionalString("base64url") {
            guard let decoded = Base64URL.decode(text) else { throw BackupError("\(name) cannot be decoded") }
            bytes = decoded
        } else {
            bytes = Array(try json.string("text").utf8)
        }
        guard try json.string("sha256") == digest else { throw BackupError("it is damaged: \(name) has another digest") }
    }
}

/// Why a backup was not made or restored, for a person at the terminal.
struct BackupError: Error, Sendable, Equatable {
    var message: String
    var hint: String?

    init(_ message: String, hint: String? = nil) {
        self.message = message
        self.hint = hint
    }
}
