import Glibc
import TokenProtocol
import TokenSupervisor

/// How many connections the descriptor limit allows after the daemon's own needs: callers' connections must not leave
/// helpers, audit trail and key files without a descriptor.
struct DescriptorShares: Equatable {
    /// For sockets, audit trail, key files, the loop's own, and readers of the trail.
    static let reserve = 64 + AuditReading.readers
    /// Both ends of a helper's links are open while it starts, and those of its predecessor may be too.
    static let perLink = 4
    /// The fewest connections, whatever the limit.
    static let fewest = 16

    let connections: Int
    let connectionsPerUser: Int

    /// - Parameter room: Descriptors available for connections.
    init(connections: Int, perUser: Int, room: Int) {
        self.connections = min(connections, room)
        // In proportion: if one user could not take all connections before, it still cannot.
        connectionsPerUser = connections > room ? max(1, min(perUser, connections) * room / max(1, connections)) : min(perUser, connections)
    }

    /// Descriptors available for connections, after the daemon's own needs.
    /// - Parameters:
    ///   - limit: Descriptors that the process may have.
    ///   - pools: Signing links of each token.
    static func room(limit: Int, pools: [Int]) -> Int { max(fewest, limit - own(pools)) }

    private static func own(_ pools: [Int]) -> Int { pools.reduce(reserve) { $0 + ($1 + 1) * perLink } }

    /// What was lowered, for the administrator; `nil` if nothing was.
    static func warning(connections: Int, perUser: Int, limit: Int, pools: [Int]) -> String? {
        let room = room(limit: limit, pools: pools)
        guard connections > room else { return nil }
        let shares = DescriptorShares(connections: connections, perUser: perUser, room: room)
        return
            "\(shares.connections) connections instead of \(connections), and \(shares.connectionsPerUser) instead of \(perUser) for one "
            + "user: the process may have \(limit) descriptors, of which \(own(pools)) are kept for the daemon itself; raise LimitNOFILE= of "
            + "the unit"
    }

    /// Raises the soft limit, which is 1,024 in a shell, to the hard limit.
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
