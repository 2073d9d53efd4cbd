import NIOCore
import StrictJSON

/// Limits on what the connections of a server may cost.
public struct VarlinkServerLimits: Sendable {
    /// The longest call in bytes. A handshake signature with its content takes less than 1 KiB, a revocation with a
    /// certificate about 8 KiB.
    public var messageSize = 256 * 1024
    /// Calls of up to this many bytes are parsed on the loop, longer ones by the server's ``TurnThread``, if it has
    /// one. Parsing a short call takes tens of microseconds; no handshake, POST-as-GET or order of a few names is
    /// longer.
    public var shortMessage = 2 * 1024
    /// How calls are parsed.
    public var json = JSONLimits.default
    /// Bytes of pipelined calls read from the socket while an earlier call is being answered. Beyond that, the kernel's
    /// buffer fills and the client must wait. The last read may exceed it by one read buffer.
    public var pipelinedBytes = 64 * 1024
    /// Calls of one connection answered in a row before others get their turn.
    public var callsInARow = 32
    /// How long a connection's calls may be answered in a row; the first of the two limits applies. Without them,
    /// calls that are answered at once would keep the loop from its sockets and everyone else waiting.
    public var turn: TimeAmount = .milliseconds(1)
    /// Time on the loop that one user's calls may take in one round, over all its connections, before others are
    /// served, while others are active.
    public var slice: TimeAmount = .microseconds(50)
    /// The same, while no one else is active.
    public var sliceAlone: TimeAmount = .milliseconds(2)
    /// Memory that all connections of one user may hold for unfinished messages and unread replies, in bytes. Beyond
    /// it, they are not read from and nothing more is composed for them, until there is room or ``stalledPeerDeadline``
    /// has passed. What each connection always keeps (about 16 KiB) does not count; the number of connections bounds
    /// it.
    public var bytesPerUser = 8 * 1024 * 1024
    /// The same for all users together. Once it is reached, each user who holds anything has an equal share.
    public var bytes = 32 * 1024 * 1024
    /// Reply bytes that may wait for a client that does not read; beyond it, the connection is closed. Long before that
    /// (see `Channel.isWritable`) no further call of the connection starts, so only a service that ignores
    /// ``VarlinkReplier/isWritable`` reaches it.
    public var pendingOutputBytes = 4 * 1024 * 1024
    /// How long a message may take from its first byte to its last, and how long a client may leave replies unread.
    public var stalledPeerDeadline: TimeAmount = .seconds(30)
    /// How long a connection may be open without a call; `nil` for no limit.
    public var idleTime: TimeAmount?
    /// How long a connection without a call yet may still send one when the server stops, and one whose call is being
    /// answered further ones. A client that connects sends its call at once.
    public var firstCallWhileStopping: TimeAmount = .seconds(1)
    /// Connections at one time, including those that wait for admission; any more are closed as soon as they are
    /// accepted.
    public var connections = 10_000

    /// The defaults.
    public init() {}
}

extension VarlinkServerLimits {
    var slices: UserTurns<VarlinkServerHandler>.Slices {
        UserTurns.Slices(
            alone: UInt64(max(1, sliceAlone.nanoseconds)), shared: UInt64(max(1, slice.nanoseconds)),
            round: UInt64(max(1, 2 * slice.nanoseconds)))
    }
}
