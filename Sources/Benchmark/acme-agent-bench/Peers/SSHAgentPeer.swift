import Glibc

/// OpenSSH's ssh-agent, through its own protocol (draft-miller-ssh-agent): with a key in a file, or in a token through
/// its PKCS#11 helper.
final class SSHAgentPeer {
    private let agent: ChildProcess
    private let socket: String
    private let key: [UInt8]

    private enum Message {
        static let success: UInt8 = 6
        static let requestIdentities: UInt8 = 11
        static let identities: UInt8 = 12
        static let sign: UInt8 = 13
        static let signature: UInt8 = 14
        static let addSmartcardKey: UInt8 = 20
    }

    /// The kind of key that the agent gets.
    enum Source {
        case file(String)
        case token(module: String, pin: String)
    }

    init(_ source: Source, folder: String, environment: [String: String]) throws {
        try Files.makeFolder(folder)
        let socket = folder + "/ssh-agent.sock"
        self.socket = socket
        agent = try ChildProcess(
            ["ssh-agent", "-D", "-a", socket], environment: environment, log: folder + "/ssh-agent.log", diesWithParent: true)
        do {
            try agent.await("ssh-agent") { Files.exists(socket) }
            switch source {
            case .file(let path):
                let added = try ChildProcess(
                    ["ssh-add", "-q", path], environment: environment.merging(["SSH_AUTH_SOCK": socket]) { $1 },
                    log: folder + "/ssh-add.log")
                guard try added.wait().status == 0 else { throw BenchError("ssh-add: \(added.lastWords)") }
            case .token(let module, let pin):
                let reply = try Connection(path: socket, framing: .length).exchange(
                    SSHAgentPeer.message(
                        Message.addSmartcardKey, SSHAgentPeer.string(Array(module.utf8)) + SSHAgentPeer.string(Array(pin.utf8))))
                guard reply.dropFirst(4).first == Message.success else { throw BenchError("ssh-agent refused the module \(module)") }
            }
            key = try SSHAgentPeer.ecdsaKey(socket)
        } catch {
            agent.stop()
            throw error
        }
    }

    func stop() { agent.stop() }

    /// The agent and its helper.
    private var processes: [pid_t] { [agent.process] + agent.children }

    func load(connections: Int, seconds: Double) throws -> Outcome {
        let request = SSHAgentPeer.message(
            Message.sign, SSHAgentPeer.string(key) + SSHAgentPeer.string((0..<64).map { UInt8($0) }) + [0, 0, 0, 0])
        return try SocketLoad(
            path: socket, framing: .length, request: { _, _ in request },
            isRight: { $0.count > 4 && $0[4] == Message.signature }, processes: processes
        ).run(connections: connections, seconds: seconds)
    }

    /// The agent's first ecdsa-sha2-nistp256 key, as a key blob.
    private static func ecdsaKey(_ socket: String) throws -> [UInt8] {
        let reply = try Connection(path: socket, framing: .length).exchange(message(Message.requestIdentities, []))
        guard reply.dropFirst(4).first == Message.identities else { throw BenchError("ssh-agent lists no keys") }
        var rest = reply.dropFirst(9)
        while let blob = take(&rest), take(&rest) != nil {
            if blob.dropFirst(4).starts(with: Array("ecdsa-sha2-nistp256".utf8)) { return blob }
        }
        throw BenchError("ssh-agent has no P-256 key")
    }

    private static func take(_ bytes: inout ArraySlice<UInt8>) -> [UInt8]? {
        guard bytes.count >= 4 else { return nil }
        let length = bytes.prefix(4).reduce(0) { $0 << 8 | Int($1) }
        bytes = bytes.dropFirst(4)
        guard bytes.count >= length else { return nil }
        defer { bytes = bytes.dropFirst(length) }
        return Array(bytes.prefix(length))
    }

    private static func message(_ type: UInt8, _ body: [UInt8]) -> [UInt8] { string([type] + body) }

    private static func string(_ bytes: [UInt8]) -> [UInt8] {
        withUnsafeBytes(of: UInt32(bytes.count).bigEndian) { Array($0) } + bytes
    }
}
