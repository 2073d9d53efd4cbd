import CLinux
import Glibc
import SigningPolicy
import Varlink

/// Who is at the other end of a connection, according to the kernel. Nothing is decided by process id, which may belong
/// to another process by the time it is checked.
struct AgentPeer {
    /// The daemon's number of the connection, from 1.
    let connection: UInt64
    let uid: UInt32
    let gid: UInt32
    /// What policy knows about the peer: primary and supplementary groups.
    let identity: Peer
    /// Numbers the calls of this connection.
    let calls: CallCounter

    /// Asks the kernel (SO_PEERCRED, SO_PEERGROUPS).
    /// - Parameter start: The daemon's start: the sequence of its record in the audit trail.
    /// - Returns: `nil` if it does not say who the peer is.
    init?(descriptor: CInt, connection: UInt64, start: UInt64) {
        guard let credentials = VarlinkPeerCredentials(descriptor: descriptor) else { return nil }
        self.connection = connection
        uid = credentials.uid
        gid = credentials.gid
        guard let groups = PeerGroups.of(descriptor) else { return nil }
        identity = Peer(uid: credentials.uid, gids: groups.contains(credentials.gid) ? groups : [credentials.gid] + groups)
        calls = CallCounter(start: start, connection: connection)
    }
}

/// Counts the calls of one connection.
final class CallCounter {
    private var count: UInt64 = 0
    private let connection: String

    init(start: UInt64, connection: UInt64) { self.connection = "\(start)-\(connection)-" }

    /// The next call's correlation, `START-CONNECTION-CALL`. No two calls have the same, since a trail has each sequence
    /// once; and who reads the trail can begin at the record `START`.
    func next() -> String {
        count &+= 1
        return connection + String(count)
    }
}

/// Supplementary groups of a socket's peer at the moment it connected (SO_PEERGROUPS, Linux 4.13).
enum PeerGroups {
    private static let option: CInt = 59
    /// NGROUPS_MAX of Linux.
    private static let limit = 65_536

    /// `nil` if the kernel does not say.
    static func of(_ descriptor: CInt) -> [UInt32]? {
        var groups = [UInt32](repeating: 0, count: 64)
        while true {
            var length = socklen_t(groups.count * MemoryLayout<UInt32>.size)
            if getsockopt(descriptor, SOL_SOCKET, option, &groups, &length) == 0 {
                return Array(groups.prefix(Int(length) / MemoryLayout<UInt32>.size))
            }
            guard errno == ERANGE, groups.count < limit else { return nil }
            groups = [UInt32](repeating: 0, count: limit)
        }
    }
}
