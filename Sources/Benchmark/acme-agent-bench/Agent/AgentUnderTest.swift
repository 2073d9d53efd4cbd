import ACME
import AgentInterface
import Glibc
import JOSE
import StrictJSON

/// A daemon with its own token, run as `make install` would run it, and calls to it.
final class AgentUnderTest {
    /// How a daemon differs from the default.
    struct Settings {
        var verifiesAll = true
        /// Number of sessions that sign concurrently; `nil` is the default.
        var pool: Int?
        /// Another module in front of SoftHSM.
        var module: String?
        var helperEnvironment: [String: String] = [:]
        /// The environment of the daemon itself.
        var environment: [String: String] = [:]
        /// Users besides this process's own who may use the keys.
        var users: [uid_t] = []
        /// Whether every user of the machine may connect.
        var isOpen = false
        /// Connections that one user may hold, if not the default.
        var connectionsPerUser: Int?
        /// The program to run instead of `acme-agentd`, with its first arguments.
        var program: [String]?
        /// The program to run instead of `acme-agent-token`.
        var helper: String?
        /// Puts keys into token and state folder before the daemon starts.
        var keys: ((AgentUnderTest) throws -> Void)?
    }

    let folder: String
    let token: BenchToken
    let socket: String
    private let settings: Settings
    private let workshop: Workshop
    private var daemon: ChildProcess?
    /// Seconds from the start of the program to the answer that the token is ready.
    private(set) var startTime = 0.0

    /// The CA of the requests; no server listens there.
    static let origin = "https://localhost:14000"

    init(_ name: String, _ settings: Settings, workshop: Workshop) throws {
        folder = workshop.folder + "/" + name
        try Files.makeFolder(folder)
        self.settings = settings
        self.workshop = workshop
        // To connect, a user must be able to look up the socket's path.
        if settings.isOpen { for folder in [workshop.folder, folder] { chmod(folder, 0o711) } }
        token = try BenchToken(folder: folder + "/token", workshop: workshop)
        socket = folder + "/agent.sock"
        try Files.write(folder + "/acme-agentd.toml", try configuration().utf8)
        try settings.keys?(self)
        try start()
    }

    var stateFolder: String { folder + "/state" }

    private func configuration() throws -> String {
        let environment = token.environment.merging(settings.helperEnvironment) { $1 }
            .sorted { $0.key < $1.key }.map { "\($0.key) = \"\($0.value)\"" }.joined(separator: ", ")
        return """
            socket = "\(socket)"
            \(settings.isOpen ? "socket-mode = \"0666\"" : "")
            \(settings.connectionsPerUser.map { "connections-per-user = \($0)" } ?? "")
            state-directory = "\(stateFolder)"
            helper = "\(settings.helper ?? workshop.programs + "/acme-agent-token")"
            verify-signatures = "\(settings.verifiesAll ? "all" : "fault-sensitive")"

            [[token]]
            name = "softhsm"
            module = "\(try settings.module ?? BenchToken.module())"
            uri = "\(token.uri)"
            pin-source = "\(token.pinFile)"
            \(settings.pool.map { "pool = \($0)" } ?? "")
            environment = { \(environment) }

            [[grant]]
            name = "bench"
            users = [\(([getuid()] + settings.users).map { "\"\($0)\"" }.joined(separator: ", "))]
            keys = ["*"]
            operations = ["issue", "account", "administer", "sign-handshake"]
            identifiers = ["*.example.org"]
            cas = ["https://localhost:*"]
            """ + "\n"
    }

    /// Starts the daemon and waits until its token is ready.
    func start() throws {
        let began = Clock.seconds()
        let program = settings.program ?? [workshop.programs + "/acme-agentd"]
        let daemon = try ChildProcess(
            program + ["--config", folder + "/acme-agentd.toml"], environment: settings.environment, log: folder + "/acme-agentd.log",
            diesWithParent: true)
        self.daemon = daemon
        try daemon.await("acme-agentd", seconds: 60) {
            guard Files.exists(socket), let reply = try? call(.getStatus) else { return false }
            return String(decoding: reply, as: UTF8.self).contains("\"state\":\"ready\"")
        }
        startTime = Clock.seconds() - began
    }

    /// Waits until the helper has looked up the keys, which it does in the background after its start: half a second
    /// without CPU use.
    func settle() {
        let limit = Clock.seconds() + 30
        var quiet = 0
        while quiet < 5, Clock.seconds() < limit {
            let before = Clock.processor([helperProcess])
            usleep(100_000)
            quiet = Clock.processor([helperProcess]) - before < 0.001 ? quiet + 1 : 0
        }
    }

    func stop() {
        daemon?.stop()
        daemon = nil
    }

    var daemonProcess: pid_t { daemon?.process ?? 0 }
    var helperProcess: pid_t { daemon?.children.first ?? 0 }
    var processes: [pid_t] { [daemonProcess, helperProcess] }

    // MARK: Calls

    /// The reply's bytes, including the final NUL.
    @discardableResult
    func call(_ call: AgentCall) throws -> [UInt8] {
        try Connection(path: socket, framing: .nul).exchange(AgentUnderTest.message(call))
    }

    /// Makes a key; throws if that fails.
    func makeKey(_ name: String, _ algorithm: KeyAlgorithm) throws {
        let creation = KeyCreation(
            name: try KeyName(name), usage: .account, algorithm: algorithm, uri: nil,
            directory: try ACMEURL(AgentUnderTest.origin + "/dir"),
            token: nil)
        let reply = String(decoding: try call(.createKey(creation)), as: UTF8.self)
        guard reply.hasPrefix("{\"parameters\":{\"key\"") else { throw BenchError("no key was made: \(reply)") }
    }

    /// Signatures made so far, by the audit trail: two records each. Its other records do not change between two calls.
    func signatures() throws -> Int64 {
        let bytes = try call(.getStatus)
        return try JSONDocument(parsing: Array(bytes.dropLast())).root.object().object("parameters").integer("auditSequence") / 2
    }

    /// Lists the keys as a client with "more" does, and counts them.
    func listKeys() throws -> Int {
        let connection = try Connection(path: socket, framing: .nul)
        guard connection.send(AgentUnderTest.message(.listKeys, more: true)) else { throw BenchError.system("write") }
        var count = 0
        while true {
            let reply = try JSONDocument(parsing: try connection.receiveMessage()).root.object()
            count += try reply.object("parameters").array("keys").count
            guard try reply.optionalBool("continues") == true else { return count }
        }
    }

    static func message(_ call: AgentCall, more: Bool = false) -> [UInt8] {
        var json = JSONWriter(reservingCapacity: 512)
        json.beginObject()
        if more { json.member("more", true) }
        json.member("method", AgentInterfaceText.name + "." + call.method)
        json.name("parameters")
        var parameters = JSONWriter()
        call.writeParameters(to: &parameters)
        json.raw(parameters.bytes)
        json.endObject()
        return json.bytes + [0]
    }

    // MARK: Loads

    /// The request that is signed repeatedly.
    enum Request {
        /// Nothing changes at the CA: the record is synced in a group.
        case postAsGet
        /// Something changes at the CA: the record is on the disk before the reply.
        case newOrder
    }

    /// Signatures over `connections` connections.
    ///
    /// `atEnd` runs while the connections are still open.
    func load(
        _ request: Request = .postAsGet, key: String, connections: Int, seconds: Double, placement: Placement = .free, user: uid_t? = nil,
        atEnd: () -> Void = {}
    ) throws -> Outcome {
        let key = try KeyName(key)
        let account = try ACMEURL(AgentUnderTest.origin + "/my-account/1")
        let order = try ACMEURL(AgentUnderTest.origin + "/my-order/uV0mpFq8bHhHNHqvY2FNqA")
        let newOrder = try ACMEURL(AgentUnderTest.origin + "/order-plz")
        let identifier = try Identifier(type: "dns", value: "www.example.org")
        return try load(
            connections: connections, seconds: seconds, placement: placement, user: user, prefix: "{\"parameters\":{\"request\":",
            atEnd: atEnd
        ) { connection, number in
            let nonce = AgentUnderTest.nonce(connection, number)
            switch request {
            case .postAsGet: return .sign(SigningCall(key: key, url: order, nonce: nonce, account: account, request: .postAsGet))
            case .newOrder:
                let order = NewOrder(identifiers: [identifier])
                return .sign(SigningCall(key: key, url: newOrder, nonce: nonce, account: account, request: .newOrder(order)))
            }
        }
    }

    /// Any call over `connections` connections; a reply is correct if it begins with `prefix`.
    func load(
        connections: Int, seconds: Double, placement: Placement = .free, user: uid_t? = nil, prefix: String, atEnd: () -> Void = {},
        call: @escaping (Int, Int) -> AgentCall
    ) throws -> Outcome {
        try loadMessages(connections: connections, seconds: seconds, placement: placement, user: user, prefix: prefix, atEnd: atEnd) {
            AgentUnderTest.message(call($0, $1))
        }
    }

    /// The same with prepared messages.
    func loadMessages(
        connections: Int, seconds: Double, placement: Placement = .free, user: uid_t? = nil, prefix: String, atEnd: () -> Void = {},
        message: @escaping (Int, Int) -> [UInt8]
    ) throws -> Outcome {
        let prefix = Array(prefix.utf8)
        return try SocketLoad(
            path: socket, framing: .nul, request: message, isRight: { reply in reply.starts(with: prefix) }, processes: processes,
            user: user
        ).run(connections: connections, seconds: seconds, placement: placement, atEnd: atEnd)
    }

    /// Different for each request, as long as Pebble's.
    private static func nonce(_ connection: Int, _ number: Int) -> String {
        let digits = String(connection * 16 + number)
        return "GvJIbl2Dv9GlU4" + String(repeating: "A", count: max(0, 8 - digits.count)) + digits
    }
}
