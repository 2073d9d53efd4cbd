/// Who asks, as the kernel says: effective user and groups at the moment of connecting (`SO_PEERCRED`, `SO_PEERGROUPS`).
///
/// There is no process id in it on purpose: an id can belong to another process by the time it is looked up (threat-model.md).
public struct Peer: Hashable, Sendable, CustomStringConvertible {
    public var uid: UInt32
    /// Primary and supplementary groups.
    public var gids: [UInt32]
    /// The user's name for logs; decides nothing.
    public var userName: String?

    public init(uid: UInt32, gids: [UInt32], userName: String? = nil) {
        self.uid = uid
        self.gids = gids
        self.userName = userName
    }

    /// What a user or group that has no counterpart in our user namespace looks like (`/proc/sys/kernel/overflowuid`): it could be anybody.
    public static let unmapped: UInt32 = 65_534

    public var description: String { userName.map { "user \"\($0)\" (uid \(uid))" } ?? "uid \(uid)" }
}

/// Whom a grant is for. Names are resolved to numbers by the daemon when it reads its configuration.
public enum PeerPattern: Hashable, Sendable {
    case user(UInt32)
    case group(UInt32)

    /// Whether the peer is meant. An unmapped user or group never is, even if a pattern names its number.
    public func covers(_ peer: Peer) -> Bool {
        switch self {
        case .user(let uid): uid == peer.uid && uid != Peer.unmapped
        case .group(let gid): gid != Peer.unmapped && peer.gids.contains(gid)
        }
    }
}
