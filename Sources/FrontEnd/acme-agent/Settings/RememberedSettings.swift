import ACME
import CertificateStore
import DurableFile
import Glibc
import Issuance
import JOSE
import StrictJSON

/// The command line options with which a certificate was ordered, kept for its renewals in
/// `<state>/settings/<name>.json`. The configuration's settings for the certificate override them.
struct RememberedSettings {
    private static let folderName = "settings"
    private let store: FolderStore
    private var folder: String { "\(store.folder)/\(RememberedSettings.folderName)" }
    /// Format 2 added `mustStaple`, format 3 the CA certificate and the old key's grace period,
    /// format 4 several ways to answer challenges, format 5 several deploy hooks and a failure hook.
    private static let version: Int64 = 5
    private static let limit = 64 * 1024

    /// - Parameter stateDirectory: the store's folder
    init(stateDirectory: String) { store = FolderStore(folder: stateDirectory) }

    func path(_ name: CertificateName) -> String { "\(folder)/\(name.rawValue).json" }

    /// - Throws: `FileError`; `Failure` if the file is not in the form that this program writes.
    func read(_ name: CertificateName) throws -> CertificateSettings {
        let bytes: [UInt8]
        do { bytes = try DurableFile.read(path(name), limit: RememberedSettings.limit) } catch {
            guard error.isMissing else { throw error }
            return CertificateSettings()
        }
        do {
            return try RememberedSettings.decode(bytes)
        } catch let error as NewerFormat {
            throw Failure(
                "settings-newer", .failed,
                "\(path(name)) was written by a newer version of this program (format \(error.version); this version reads up to "
                    + "\(RememberedSettings.version))",
                hint: "use that version, or remove the file and run `acme-agent issue` again with the options you want")
        } catch {
            throw Failure(
                "settings-damaged", .failed, "the settings file \(path(name)) is damaged: \(TerminalText.safe("\(error)", limit: 200))",
                hint: "remove it; the next `acme-agent issue` writes it again")
        }
    }

    /// A file of a newer version; its other members must not be interpreted.
    private struct NewerFormat: Error {
        var version: Int64
    }

    /// Remembers the given settings in place of the earlier ones; writes nothing if nothing changes. A damaged file is
    /// replaced, but not one of a newer version: settings that this version does not know would be lost.
    func remember(_ given: CertificateSettings, for name: CertificateName) throws {
        do {
            guard try read(name) != given else { return }
        } catch let failure as Failure where failure.code == "settings-newer" {
            throw failure
        } catch {}
        try store.makePrivateFolder(RememberedSettings.folderName)
        try DurableFile.replace(path(name), with: RememberedSettings.encode(given) + [0x0A], mode: 0o600)
    }

    /// Whether anything is stored for the name, even an unfinished file.
    func isKept(_ name: CertificateName) -> Bool {
        [path(name), interimPath(name)].contains { (path: String) in access(path, F_OK) == 0 }
    }

    private func interimPath(_ name: CertificateName) -> String { "\(folder)/\(Folder.interim("\(name.rawValue).json"))" }

    func forget(_ name: CertificateName) throws(FileError) {
        guard isKept(name) else { return }
        try DurableFile.remove(interimPath(name))
        try DurableFile.remove(path(name))
    }

    static func encode(_ settings: CertificateSettings) -> [UInt8] {
        var json = JSONWriter()
        json.beginObject()
        json.member("version", version)
        let challenges = ChallengeTexts(settings.challenges ?? [])
        if !challenges.http01Address.isEmpty { json.member("http01Addresses", challenges.http01Address) }
        json.member("webroot", ifPresent: challenges.webroot)
        if !challenges.tlsALPN01Address.isEmpty { json.member("tlsALPN01Addresses", challenges.tlsALPN01Address) }
        json.member("dnsHook", ifPresent: challenges.dnsHook)
        json.member("dnsUpdate", ifPresent: challenges.dnsUpdate)
        json.member("dnsKey", ifPresent: challenges.dnsKey)
        json.member("dnsResolver", ifPresent: challenges.dnsResolver)
        if challenges.dnsPersist { json.member("dnsPersist", true) }
        json.member("dnsCleanupHook", ifPresent: challenges.dnsCleanupHook)
        json.member("hookProtocol", ifPresent: challenges.hookProtocol)
        json.member("dnsChallenge", ifPresent: settings.dnsChallenge?.rawValue)
        json.member("dnsWaitSeconds", ifPresent: settings.dnsWait.map { Int64($0) })
        if let hooks = settings.deployHooks { json.member("deployHooks", hooks) }
        json.member("failureHook", ifPresent: settings.failureHook)
        json.member("keyType", ifPresent: settings.keyType?.rawValue)
        json.member("oldKeyGraceSeconds", ifPresent: settings.oldKeyGrace.map { Int64($0) })
        json.member("profile", ifPresent: settings.profile)
        json.member("preferredChain", ifPresent: settings.preferredChain)
        if let mustStaple = settings.mustStaple { json.member("mustStaple", mustStaple) }
        json.member("caCertificate", ifPresent: settings.caCertificate?.file)
        json.member("caCertificateFor", ifPresent: settings.caCertificate?.directory.text)
        json.endObject()
        return json.bytes
    }

    static func decode(_ bytes: [UInt8]) throws -> CertificateSettings {
        let object = try JSONDocument(parsing: bytes).root.object()
        // Checked first: a newer version has other members.
        let version = try object.integer("version")
        guard version <= self.version else { throw NewerFormat(version: version) }
        guard version >= 1 else { throw JSONError(.invalidValue, offset: 0, member: "version") }
        try object.finish(known: [
            "version", "http01Addresses", "webroot", "tlsALPN01Addresses", "dnsHook", "dnsCleanupHook", "hookProtocol", "dnsUpdate",
            "dnsKey", "dnsResolver", "dnsPersist", "dnsChallenge",
            "dnsWaitSeconds", "deployHook", "deployHooks", "failureHook", "keyType",
            "oldKeyGraceSeconds", "profile", "preferredChain",
            "mustStaple", "caCertificate", "caCertificateFor",
        ])
        var settings = CertificateSettings()
        var challenges = ChallengeTexts()
        challenges.http01Address = try object.optionalStrings("http01Addresses") ?? []
        challenges.webroot = try object.optionalString("webroot")
        challenges.tlsALPN01Address = try object.optionalStrings("tlsALPN01Addresses") ?? []
        challenges.dnsHook = try object.optionalString("dnsHook")
        challenges.dnsUpdate = try object.optionalString("dnsUpdate")
        challenges.dnsKey = try object.optionalString("dnsKey")
        challenges.dnsResolver = try object.optionalString("dnsResolver")
        challenges.dnsPersist = try object.optionalBool("dnsPersist") ?? false
        challenges.dnsCleanupHook = try object.optionalString("dnsCleanupHook")
        challenges.hookProtocol = try object.optionalString("hookProtocol")
        settings.challenges = try challenges.methods()
        func seconds(_ name: String, in range: ClosedRange<Int>) throws -> Int? {
            try object.optionalInteger(name).map { Int(min(max($0, Int64(range.lowerBound)), Int64(range.upperBound))) }
        }
        settings.dnsChallenge = try object.optionalString("dnsChallenge").map { text in
            guard let type = ChallengeType(rawValue: text), CertificateSettings.dnsChallenges.contains(type) else {
                throw JSONError(.invalidValue, offset: 0, member: "dnsChallenge")
            }
            return type
        }
        settings.dnsWait = try seconds("dnsWaitSeconds", in: CertificateSettings.dnsWaitRange)
        settings.oldKeyGrace = try seconds("oldKeyGraceSeconds", in: CertificateSettings.oldKeyGraceRange)
        settings.deployHooks = try object.optionalStrings("deployHooks") ?? object.optionalString("deployHook").map { [$0] }
        settings.failureHook = try object.optionalString("failureHook")
        settings.keyType = try object.optionalString("keyType").map { try KeyAlgorithm(argument: $0) }
        settings.profile = try object.optionalString("profile")
        settings.preferredChain = try object.optionalString("preferredChain")
        settings.mustStaple = try object.optionalBool("mustStaple")
        if let file = try object.optionalString("caCertificate") {
            // A relative path would name another file in another folder.
            guard file.utf8.first == UInt8(ascii: "/") else { throw JSONError(.invalidValue, offset: 0, member: "caCertificate") }
            settings.caCertificate = CertificateSettings.CACertificate(
                directory: try ACMEURL(object.string("caCertificateFor")), file: file)
        }
        return settings
    }
}
