import NIOCore

/// What one user of a server uses: connections, time on the loop, bytes. One object for each connected user; confined
/// to the loop.
final class UserAccount<Waiter: AnyObject> {
    let user: UInt64
    /// Connections that are open.
    var connections = 0

    // MARK: Time

    /// The round that `spent` refers to.
    var round = UInt64.max
    /// Nanoseconds used in that round.
    var spent: UInt64 = 0
    /// Connections that wait for their turn.
    var waiting = CircularBuffer<Waiter>()
    /// Whether the user is in the ring of those who await a turn.
    var isInRing = false

    // MARK: Bytes

    /// Memory that unfinished messages take.
    var inputBytes = 0
    /// Memory that unsent answers take.
    var outputBytes = 0
    /// Connections that are not read from until there is room.
    var stalled = CircularBuffer<Waiter>()
    /// The one connection that may finish its message although there is no room: without it, many half-received
    /// messages would wait for each other.
    var favoured: ObjectIdentifier?

    init(user: UInt64) { self.user = user }

    var bytes: Int { inputBytes + outputBytes }
}
