import ACME
import ArgumentParser
import Glibc
import JOSE
import Keyring
import PKCS11

/// Keys in a token, and their entries in a daemon's state folder, as `acme-agent keys create` leaves them, only faster: without the daemon,
/// and without a sync for each.
///
/// A process of its own, since SoftHSM reads its configuration once.
struct ManyKeys: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "make-keys", shouldDisplay: false)

    @Argument var uri: String
    @Argument var pinFile: String
    @Argument var stateFolder: String
    @Argument var first: Int
    @Argument var count: Int

    /// The name of key `index`.
    static func name(_ index: Int) -> String { "key-\(index)" }

    func run() throws {
        let peer = try ModulePeer(path: try BenchToken.module(), uri: uri, pinFile: pinFile)
        try Files.makeFolder(stateFolder)
        try Files.makeFolder(stateFolder + "/keys")
        let directory = try ACMEURL(AgentUnderTest.origin + "/dir")
        for index in first..<(first + count) {
            let name = ManyKeys.name(index)
            let id = withUnsafeBytes(of: UInt64(index).bigEndian) { Array($0) }
            let key = try peer.generate(.p256, id: id, label: name)
            let record = KeyRecord(
                name: try KeyName(name), usage: .account, algorithm: .p256, state: .active, token: "softhsm", id: id, label: name,
                spki: key.spki, uri: "\(uri);object=\(name);type=private", directory: directory, created: Clock.timestamp())
            try Files.write("\(stateFolder)/keys/\(name).json", record.json())
        }
    }
}

/// Thousands of keys in one SoftHSM token.
///
/// SoftHSM looks through all the files of a token for each key that it makes: 10,000 keys would take an hour. So batches are made in copies of
/// the empty token, which have the same key encryption key, and their files are put together.
struct KeyBatches {
    let workshop: Workshop
    private static let batch = 50
    /// Memory instead of a disk for the batches: SoftHSM writes each attribute of a key by itself.
    private static let memory = "/dev/shm"

    func make(_ count: Int, for agent: AgentUnderTest) throws {
        let empty = agent.folder + "/empty-tokens"
        try workshop.run(["cp", "-r", agent.token.folder + "/tokens", empty])
        let memory = access(KeyBatches.memory, W_OK) == 0 ? KeyBatches.memory : agent.folder
        var template = Array((memory + "/acme-agent-bench.XXXXXX").utf8CString)
        guard mkdtemp(&template) != nil else { throw BenchError.system("mkdtemp") }
        let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { try? workshop.run(["rm", "-rf", folder]) }
        for first in stride(from: 0, to: count, by: KeyBatches.batch) {
            workshop.progress.show("making keys: \(first) of \(count)")
            let copy = folder + "/tokens", configuration = copy + ".conf"
            try workshop.run(["cp", "-r", empty, copy])
            try Files.write(configuration, "directories.tokendir = \(copy)\nobjectstore.backend = file\nlog.level = ERROR\n".utf8)
            try workshop.run(
                [
                    workshop.bench, "make-keys", agent.token.uri, agent.token.pinFile, agent.stateFolder, "\(first)",
                    "\(min(KeyBatches.batch, count - first))",
                ], environment: ["SOFTHSM2_CONF": configuration])
            // The token's own files are in both; those of the keys have names that no two share.
            try workshop.run(["bash", "-c", "cd \"$1\" && mv -n */[!tg]* \"$2\"/*/", "-", copy, agent.token.folder + "/tokens"])
            try workshop.run(["rm", "-rf", copy])
        }
    }
}
