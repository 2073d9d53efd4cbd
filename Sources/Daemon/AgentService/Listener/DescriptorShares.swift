import Glibc
import TokenProtocol
import TokenSupervisor

/// How many connections the limit of descriptors leaves room for, when the daemon's own needs are taken off: a caller's connections must not
/// leave helpers, audit trail and key files without a descriptor.
struct DescriptorShares: Equatable {
    /// For sockets, audit trail, key files, the loop's own, and readers of the trail.
    static let reserve = 64 + AuditReading.readers
    /// Both ends of a helper's links are open while it is started, and those of the one before may be.
    static let perLink = 4
    /// So many connections are there whatever the limit.
    static let fewest = 16

    let connections: Int
    let connectionsPerUser: Int

    /// - Parameter room: Descriptors that are there for connections.
    init(connections: Int, perUser: Int, room: Int) {
        self.connections = min(connections, room)
        // In proportion: where one user could not take all connections before, it cannot now.
        connectionsPerUser = connections > room ? max(1, min(perUser, connections) * room / max(1, connections)) : min(perUser, connections)
    }

    /// Descriptors that are there for connections when what the daemon needs itself is taken off.
    /// - Parameters:
    ///   - limit: Descriptors that the process may have.
    ///   - pools: Signing links of each token.
    static func room(limit: Int, pools: [Int]) -> Int { max(fewest, limit - own(pools)) }

    private static func own(_ pools: [Int]) -> Int { pools.reduce(reserve) { $0 + ($1 + 1) * perLink } }

    /// Says what was lowered, for the administrator; `nil` if nothing was.
    static func warning(connections: Int, perUser: Int, limit: Int, pools: [Int]) -> String? {
        let room = room(limit: limit, pools: pools)
        guard connections > room else { return nil }
        let shares = DescriptorShares(connections: connections, perUser: perUser, room: room)
        return
            "\(shares.connections) connections instead of \(connections), and \(shares.connectionsPerUser) instead of \(perUser) for one "
            + "user: the process may have \(limit) descriptors, of which \(own(pools)) are kept for the daemon itself; raise LimitNOFILE= of "
            + "the unit"
    }

    /// Raises the soft limit, of which a shell gives 1,024, to the hard one.
    /// - Returns: The descriptors that the process may have.
    static func raisedLimit() -> Int {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1_024 }
        limit.rlim_cur = limit.rlim_max
        _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 1_024 }
        return Int(clamping: limit.rlim_cur)
    }
}
