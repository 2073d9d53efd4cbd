import NIOCore

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// A queue by user: one entry of each user in turn, those of one user in order.
struct AdmissionQueue<Waiter> {
    private var waiting: [UInt32: CircularBuffer<Waiter>] = [:]
    private var ring = CircularBuffer<UInt32>()
    private(set) var count = 0

    func count(of user: UInt32) -> Int { waiting[user]?.count ?? 0 }

    mutating func append(_ waiter: Waiter, of user: UInt32) {
        if waiting[user, default: CircularBuffer()].isEmpty { ring.append(user) }
        waiting[user, default: CircularBuffer()].append(waiter)
        count += 1
    }

    /// Removes the first entry of the user whose turn it is; the user then goes to the end of the line.
    mutating func next() -> Waiter? {
        guard let user = ring.popFirst(), let waiter = waiting[user]?.popFirst() else { return nil }
        if count(of: user) == 0 { waiting[user] = nil } else { ring.append(user) }
        count -= 1
        return waiter
    }
}

/// Admits connections by turns of their users, one per round of the loop.
///
/// The listener has one queue for all users. Admitting a connection takes the loop as long as a signature; accepting it
/// and checking whether the peer is still there takes a tenth of that. So the queue is drained at the fast pace:
/// connections that are already closed are dropped, and the others wait here, where a user who keeps connecting delays
/// only itself.
final class AcceptTurns: ChannelInboundHandler {
    typealias InboundIn = any Channel

    /// Connections taken from the listener's queue in one round.
    static let perRound: UInt = 8

    private var queue = AdmissionQueue<NIOAny>()
    private var context: ChannelHandlerContext?
    private var isTurnScheduled = false
    private let rounds: LoopRounds?
    /// Between two turns: the listener's queue goes first, since it may hold another user's connection.
    private var pause: RoundPause
    /// The round in which the last turn was given.
    private var round = UInt64.max
    private let hasRoom: (_ user: UInt32) -> Bool

    /// - Parameters:
    ///   - rounds: Counts the rounds of the loop. Without it, a turn may come before the loop has checked the listener
    ///     again.
    ///   - hasRoom: Whether one more of this user may wait. Otherwise it is closed.
    init(rounds: LoopRounds?, hasRoom: @escaping (_ user: UInt32) -> Bool) {
        self.rounds = rounds
        pause = RoundPause(rounds: rounds, uncounted: .microseconds(4))
        self.hasRoom = hasRoom
    }

    /// Connections that wait here.
    var waiting: Int { queue.count }
    func waiting(of user: UInt32) -> Int { queue.count(of: user) }

    func handlerAdded(context: ChannelHandlerContext) { self.context = context }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
        while let data = queue.next() { unwrapInboundIn(data).close(promise: nil) }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let channel = unwrapInboundIn(data)
        guard let user = AcceptTurns.user(of: channel), hasRoom(user) else {
            return channel.close(promise: nil)
        }
        queue.append(data, of: user)
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        giveTurn()
        context.fireChannelReadComplete()
    }

    /// Admits all that wait here, before the listener is closed.
    func admitAll() {
        guard let context else { return }
        while let data = queue.next() { context.fireChannelRead(data) }
    }

    private func giveTurn() {
        guard !isTurnScheduled, let context, queue.count > 0 else { return }
        // One per round.
        if let rounds, rounds.ended == round { return scheduleTurn(context) }
        round = rounds?.ended ?? round
        // Some that were closed while they waited, and one that is open.
        for _ in 0..<AcceptTurns.perRound {
            guard let data = queue.next() else { return }
            let channel = unwrapInboundIn(data)
            guard AcceptTurns.user(of: channel) != nil else {
                channel.close(promise: nil)
                continue
            }
            context.fireChannelRead(data)
            break
        }
        if queue.count > 0 { scheduleTurn(context) }
    }

    private func scheduleTurn(_ context: ChannelHandlerContext) {
        isTurnScheduled = true
        context.eventLoop.assumeIsolated().scheduleTask(in: pause.begin()) {
            self.isTurnScheduled = false
            if self.pause.hasLooked() { self.giveTurn() } else if self.queue.count > 0 { self.scheduleTurn(context) }
        }
    }

    /// The user at the other end; `nil` if the peer has gone or can no longer send a call or receive a reply.
    private static func user(of channel: any Channel) -> UInt32? {
        let pipeline = channel.pipeline.syncOperations
        let user = try? pipeline.withUnsafeTransportIfAvailable(of: NIOBSDSocket.Handle.self) { descriptor -> UInt32? in
            var state = pollfd(fd: descriptor, events: 0, revents: 0)
            guard poll(&state, 1, 0) >= 0, state.revents & Int16(POLLHUP | POLLERR) == 0 else { return nil }
            var byte: UInt8 = 0
            let count = recv(descriptor, &byte, 1, CInt(MSG_PEEK | MSG_DONTWAIT))
            guard count > 0 || (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) else { return nil }
            return VarlinkPeerCredentials(descriptor: descriptor)?.uid ?? 0
        }
        return (user ?? nil) ?? nil
    }
}
