import CMeasurement
import Glibc

/// Callers of two users who take as much of the daemon as its limits let them: idle connections, messages that come byte
/// by byte, and floods of large, invalid, refused and unread calls.
final class HostileCallers {
    struct Size {
        var idle = 10_000
        var slow = 1_000
        /// Connections of each flood.
        static let flood = 16

        var connections: Int { idle + slow + Size.flood * Flood.Kind.allCases.count }
    }

    let size: Size
    private let path: String
    private let users: [uid_t]
    private let slow: SlowCallers
    private var idle: [Int32] = []
    let floods: [Flood]

    /// - Parameters:
    ///   - key: The key of a third user, for which both ask.
    ///   - seed: The same invalid messages for the same seed.
    init(path: String, users: [uid_t], key: String, size: Size, seed: UInt64) throws {
        self.path = path
        self.users = users
        self.size = size
        let refused = try HostileMessages.refused(key: key)
        slow = SlowCallers(message: refused)
        floods = try Flood.Kind.allCases.map { kind in
            var random = HostileMessages.Generator(seed: seed)
            // Replies that a user does not read keep the daemon from reading what the same user sends: large calls get
            // through from the other one only.
            let senders =
                switch kind {
                case .large: Array(users.prefix(1))
                case .unread: Array(users.suffix(1))
                case .invalid, .refused: users
                }
            return Flood(kind: kind, path: path, users: senders, messages: try HostileMessages.all(kind, key: key, &random))
        }
    }

    deinit { for descriptor in idle { close(descriptor) } }

    /// Opens the idle and the slow connections, and waits until the daemon has accepted them.
    func open() throws {
        for number in 0..<size.idle { idle.append(try HostileCallers.connect(path, as: users[number % users.count])) }
        for number in 0..<size.slow { slow.add(try HostileCallers.connect(path, as: users[number % users.count])) }
        // A user's connections are accepted in their order.
        for user in users { _ = try Connection(path: path, framing: .nul, user: user).exchange(AgentUnderTest.message(.getStatus)) }
    }

    /// What runs at the same time, each on a thread of its own.
    func loads(seconds: Double) -> [() throws -> Outcome] {
        var loads: [() throws -> Outcome] = []
        for flood in floods { loads.append { try flood.run(seconds: seconds) } }
        loads.append { [slow] in slow.run(seconds: seconds) }
        return loads
    }

    /// Connections that the daemon has not closed.
    var stillOpen: (idle: Int, slow: Int) { (idle.count(where: HostileCallers.isOpen), slow.stillOpen) }

    static func connect(_ path: String, as user: uid_t) throws -> Int32 {
        let descriptor = cmeasurement_connect_as(user, path)
        guard descriptor >= 0 else { throw BenchError.system("connect \(path) as user \(user)") }
        return descriptor
    }

    static func isOpen(_ descriptor: Int32) -> Bool {
        var byte: UInt8 = 0
        return recv(descriptor, &byte, 1, Int32(MSG_PEEK) | Int32(MSG_DONTWAIT)) > 0 || errno == EAGAIN
    }

    /// Lets this process, and the daemon that it starts, have that many descriptors.
    static func raiseLimit(for connections: Int) throws {
        let needed = rlim_t(connections + 512)
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { throw BenchError.system("getrlimit") }
        limit.rlim_cur = max(needed, limit.rlim_cur)
        limit.rlim_max = max(needed, limit.rlim_max)
        guard setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            throw BenchError("\(connections) connections need \(needed) descriptors: \(String(cString: strerror(errno)))")
        }
    }
}
