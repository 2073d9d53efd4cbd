/// Who asks, according to the kernel: effective user and groups at the moment of connecting (`SO_PEERCRED`,
/// `SO_PEERGROUPS`).
///
/// Deliberately without a process id, which can belong to another process by the time it is looked up
/// (Docs/threat-model.md).
public struct Peer: Hashable, Sendable, CustomStringConvertible {
    public var uid: UInt32
    /// Primary and supplementary groups.
    public var gids: [UInt32]

    public init(uid: UInt32, gids: [UInt32]) {
        self.uid = uid
        self.gids = gids
    }

    /// How a user or group without a counterpart in the agent's user namespace appears
    /// (`/proc/sys/kernel/overflowuid`): it could be anybody.
    public static let unmapped: UInt32 = 65_534

    public var description: String { "uid \(uid)" }
}

/// Whom a grant is for. Names are resolved to numbers by the daemon when it reads its configuration.
public enum PeerPattern: Hashable, Sendable {
    case user(UInt32)
    case group(UInt32)

    /// Whether the peer matches. An unmapped user or group never does, even if a pattern names its number.
    public func covers(_ peer: Peer) -> Bool {
        switch self {
        case .user(let uid): uid == peer.uid && uid != Peer.unmapped
        case .group(let gid): gid != Peer.unmapped && peer.gids.contains(gid)
        }
    }
}
