import ACME
import CertificateStore
import DurableFile
import Glibc
import Issuance
import StrictJSON

/// Which deploy hooks have run for which generation of a certificate, and what they printed, in
/// `<state>/hooks/<name>.json`.
struct HookRecord: Equatable {
    /// The last run of one hook.
    struct Execution: Equatable {
        var program: String
        /// Unix seconds.
        var time: Int64
        /// Why it failed; `nil` if it succeeded.
        var failure: String?
        /// The last lines that it printed.
        var output: [String]
    }

    var generation: Int
    var runs: [Execution] = []
    /// What happens to the key that this generation's has replaced, once all hooks have succeeded; `nil` for the default.
    var oldKey: IssuanceRequest.OldKey?

    private static let folderName = "hooks"
    private static let version: Int64 = 1
    /// More than the output of all hooks that anybody has.
    private static let limit = 1 << 20

    private static func path(_ name: CertificateName, _ stateDirectory: String) -> String {
        "\(stateDirectory)/\(folderName)/\(name.rawValue).json"
    }

    /// Whether a hook need not run again for this generation.
    func hasSucceeded(_ program: String) -> Bool { runs.contains { $0.program == program && $0.failure == nil } }

    /// `oldKey`, as long as the hooks of this generation have not all succeeded: the next generation replaces another key,
    /// about which nothing has been said.
    func oldKey(of stored: StoredCertificate) -> IssuanceRequest.OldKey? {
        generation == stored.metadata.generation && !stored.isDeployed ? oldKey : nil
    }

    mutating func note(_ run: Execution) {
        runs.removeAll { $0.program == run.program }
        runs.append(run)
    }

    /// - Returns: `nil` if there is none, or it cannot be read: then every hook runs again.
    static func read(_ name: CertificateName, stateDirectory: String) -> HookRecord? {
        guard let bytes = try? DurableFile.read(path(name, stateDirectory), limit: limit) else { return nil }
        return try? decode(bytes)
    }

    func write(_ name: CertificateName, stateDirectory: String) throws {
        try FolderStore(folder: stateDirectory).makePrivateFolder(HookRecord.folderName)
        try DurableFile.replace(HookRecord.path(name, stateDirectory), with: encoded + [0x0A], mode: 0o600)
    }

    static func forget(_ name: CertificateName, stateDirectory: String) throws(FileError) {
        let path = path(name, stateDirectory), interim = "\(stateDirectory)/\(folderName)/\(Folder.interim("\(name.rawValue).json"))"
        for path in [interim, path] where access(path, F_OK) == 0 { try DurableFile.remove(path) }
    }

    private var encoded: [UInt8] {
        var json = JSONWriter()
        json.beginObject()
        json.member("version", HookRecord.version)
        json.member("generation", generation)
        json.member("oldKey", ifPresent: oldKey?.rawValue)
        json.name("runs")
        write(to: &json)
        json.endObject()
        return json.bytes
    }

    /// The runs as a value.
    func write(to json: inout JSONWriter) {
        json.beginArray()
        for run in runs {
            json.beginObject()
            json.member("program", run.program)
            json.member("time", RFC3339.string(run.time))
            json.member("failure", ifPresent: run.failure)
            json.member("output", run.output)
            json.endObject()
        }
        json.endArray()
    }

    private static func decode(_ bytes: [UInt8]) throws -> HookRecord {
        let object = try JSONDocument(parsing: bytes).root.object()
        guard try object.integer("version") == version else { throw JSONError(.invalidValue, offset: 0, member: "version") }
        var record = HookRecord(generation: Int(try object.integer("generation")))
        record.oldKey = try object.optionalString("oldKey").flatMap { IssuanceRequest.OldKey(rawValue: $0) }
        for value in try object.array("runs") {
            let run = try value.object()
            guard let time = RFC3339.seconds(try run.string("time")) else { throw JSONError(.invalidValue, offset: 0, member: "time") }
            record.runs.append(
                Execution(
                    program: try run.string("program"), time: time, failure: try run.optionalString("failure"),
                    output: try run.strings("output")))
        }
        return record
    }
}
