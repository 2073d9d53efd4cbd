import NIOCore
import StrictJSON

/// What one connection of a server may cost. Each bound has a name, so that it can be argued about.
public struct VarlinkServerLimits: Sendable {
    /// The longest call in bytes. A handshake signature with its content has under 1 KiB, a revocation with a certificate some 8 KiB.
    public var messageSize = 256 * 1024
    /// Calls up to this many bytes are read on the loop, longer ones by the server's ``TurnThread``, if it has one: it is some tens of
    /// microseconds of work, and no handshake, POST-as-GET or order of a few names is longer.
    public var shortMessage = 2 * 1024
    /// How calls are read.
    public var json = JSONLimits.default
    /// Bytes of pipelined calls that are taken from the socket while an earlier call is being answered; beyond it, the kernel's buffer
    /// fills and the client has to wait. A last read may go over it by one read buffer.
    public var pipelinedBytes = 64 * 1024
    /// Calls of one connection answered in one go before the others get their turn.
    public var callsInARow = 32
    /// How long a connection's calls may be answered in one go; whichever of the two comes first. Calls that are answered at once would
    /// otherwise keep the loop from its sockets, and everybody else waiting.
    public var turn: TimeAmount = .milliseconds(1)
    /// Time on the loop that one user's calls take in one round of it, over all its connections, before others are looked at: while others are
    /// active, and while nobody else is.
    public var slice: TimeAmount = .microseconds(50)
    public var sliceAlone: TimeAmount = .milliseconds(2)
    /// Memory that all connections of one user may hold for unfinished messages and unread replies, in bytes. Beyond it they are not read from
    /// and nothing more is composed for them, until there is room or ``stalledPeerDeadline`` is over. What each connection keeps anyway (some
    /// 16 KiB) does not count: the number of connections bounds it.
    public var bytesPerUser = 8 * 1024 * 1024
    /// The same for all users together. Where it is reached, each user who holds anything has an equal share.
    public var bytes = 32 * 1024 * 1024
    /// Reply bytes that wait for a client that does not read. Beyond it the connection is closed; long before it (see `Channel.isWritable`)
    /// no further call of that connection is begun, so that only a service that ignores ``VarlinkReplier/isWritable`` gets there.
    public var pendingOutputBytes = 4 * 1024 * 1024
    /// How long a message may take from its first byte to its last, and how long a client may leave replies unread.
    public var stalledPeerDeadline: TimeAmount = .seconds(30)
    /// How long a connection may be open without a call; `nil` for as long as it likes.
    public var idleTime: TimeAmount?
    /// Connections at one time, those that wait to be let in included; one more is closed as soon as it is accepted.
    public var connections = 10_000

    public init() {}
}

extension VarlinkServerLimits {
    var slices: UserTurns<VarlinkServerHandler>.Slices {
        UserTurns.Slices(
            alone: UInt64(max(1, sliceAlone.nanoseconds)), shared: UInt64(max(1, slice.nanoseconds)),
            round: UInt64(max(1, 2 * slice.nanoseconds)))
    }
}
