import ACME
import ArgumentParser
import Glibc
import JOSE
import Keyring
import PKCS11

/// Makes keys in a token, and their entries in a daemon's state folder, as `acme-agent keys create` does, but faster:
/// without the daemon, and without a sync for each.
///
/// A separate process, since SoftHSM reads its configuration only once.
struct ManyKeys: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "make-keys", shouldDisplay: false)

    @Argument var uri: String
    @Argument var pinFile: String
    @Argument var stateFolder: String
    @Argument var count: Int

    /// The name of key `index`.
    static func name(_ index: Int) -> String { "key-\(index)" }

    func run() throws {
        let peer = try ModulePeer(path: try BenchToken.module(), uri: uri, pinFile: pinFile)
        try Files.makeFolder(stateFolder)
        try Files.makeFolder(stateFolder + "/keys")
        let directory = try ACMEURL(AgentUnderTest.origin + "/dir")
        for index in 0..<count {
            let name = ManyKeys.name(index)
            let id = (0..<16).map { _ in UInt8.random(in: .min ... .max) }
            let key = try peer.generate(.p256, id: id, label: name)
            let record = KeyRecord(
                name: try KeyName(name), usage: .account, directory: directory, token: "softhsm", created: Clock.timestamp(),
                state: .active(
                    try PinnedKey(madeWithID: id, label: name, spki: key.spki, uri: "\(uri);object=\(name);type=private")))
            try Files.write("\(stateFolder)/keys/\(name).json", record.json())
        }
    }
}

/// Thousands of keys in one SoftHSM token, before a daemon is started with it.
struct ManyKeysMaker {
    let workshop: Workshop
    /// SoftHSM rewrites a key's file for each of its attributes: in memory, that takes a tenth of the time.
    private static let memory = "/dev/shm"

    func make(_ count: Int, for agent: AgentUnderTest) throws {
        var template = Array((ManyKeysMaker.memory + "/acme-agent-bench.XXXXXX").utf8CString)
        guard mkdtemp(&template) != nil else { throw BenchError.system("mkdtemp in \(ManyKeysMaker.memory)") }
        let folder = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer { try? workshop.run(["rm", "-rf", folder]) }
        let tokens = agent.token.folder + "/tokens", copy = folder + "/tokens", configuration = folder + "/softhsm2.conf"
        try workshop.run(["mv", tokens, copy])
        try Files.write(configuration, "directories.tokendir = \(copy)\nobjectstore.backend = file\nlog.level = ERROR\n".utf8)
        try workshop.run(
            [workshop.bench, "make-keys", agent.token.uri, agent.token.pinFile, agent.stateFolder, "\(count)"],
            environment: ["SOFTHSM2_CONF": configuration])
        try workshop.run(["cp", "-r", copy, tokens])
    }
}
