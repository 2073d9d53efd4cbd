import NIOCore

/// Schedules the connections of a server: whose turn it is on the loop, and who must wait for room. Confined to the
/// loop.
final class ServerSchedule {
    typealias Account = UserAccount<VarlinkServerHandler>

    /// A round if they are not counted: a power of two of nanoseconds, about a millisecond.
    private static let roundShift: UInt64 = 20

    private let rounds: LoopRounds?
    private var turns: UserTurns<VarlinkServerHandler>
    private var budget: ByteBudget<VarlinkServerHandler>
    private var accounts: [UInt64: Account] = [:]
    /// Users with connections that wait for room.
    private var stalled: [Account] = []
    private var isGivingScheduled = false
    /// Between two runs of turns.
    private var pause: RoundPause

    init(limits: VarlinkServerLimits, rounds: LoopRounds?) {
        self.rounds = rounds
        pause = RoundPause(rounds: rounds, uncounted: .microseconds(50))
        turns = UserTurns(slices: limits.slices)
        budget = ByteBudget(perUser: limits.bytesPerUser, total: limits.bytes)
    }

    static func now() -> UInt64 { NIODeadline.now().uptimeNanoseconds }

    private func round(_ now: UInt64) -> UInt64 { rounds.map(\.ended) ?? now >> ServerSchedule.roundShift }

    // MARK: Users

    func account(of user: UInt64) -> Account {
        if let account = accounts[user] { return account }
        let account = Account(user: user)
        accounts[user] = account
        return account
    }

    func opened(_ account: Account) {
        accounts[account.user] = account
        account.connections += 1
    }

    func closed(_ account: Account) {
        account.connections -= 1
        guard account.connections == 0 else { return }
        accounts[account.user] = nil
        turns.forget(account)
        account.stalled.removeAll()
        stalled.removeAll { $0 === account }
    }

    // MARK: Turns

    /// Nanoseconds that a connection's calls may take now; 0 to wait for a turn.
    /// - Parameter isTurn: Whether it has waited.
    func left(for account: Account, now: UInt64, isTurn: Bool) -> UInt64 {
        let left = turns.left(account, round: round(now), now: now)
        // New input must not overtake waiting connections of the same user.
        return isTurn || account.waiting.isEmpty ? left : 0
    }

    func charge(_ account: Account, from began: UInt64, to now: UInt64, extra: UInt64 = 0) {
        turns.charge(account, round: round(began), now &- began &+ extra)
    }

    /// Queues a connection to continue in its user's turn.
    func wait(_ connection: VarlinkServerHandler, of account: Account) {
        turns.wait(connection, of: account)
        scheduleGiving(on: connection.eventLoop)
    }

    private func scheduleGiving(on eventLoop: any EventLoop) {
        guard !isGivingScheduled else { return }
        isGivingScheduled = true
        eventLoop.assumeIsolated().scheduleTask(in: pause.begin()) { self.giveTurns(on: eventLoop) }
    }

    private func giveTurns(on eventLoop: any EventLoop) {
        isGivingScheduled = false
        if pause.hasLooked() {
            var now = ServerSchedule.now()
            var giving = turns.begin(now: now)
            while let connection = turns.next(&giving, round: round(now), now: now) {
                connection.runRound(isTurn: true)
                now = ServerSchedule.now()
            }
        }
        if !turns.isEmpty { scheduleGiving(on: eventLoop) }
    }

    // MARK: Room

    /// Whether a connection may be read from.
    func mayReceive(_ connection: VarlinkServerHandler, of account: Account) -> Bool {
        if budget.mayReceive(account) || account.favoured == ObjectIdentifier(connection) { return true }
        guard account.favoured == nil, connection.hasBegunMessage else { return false }
        account.favoured = ObjectIdentifier(connection)
        return true
    }

    /// Whether an answer may be composed.
    func mayAnswer(_ account: Account) -> Bool { budget.mayAnswer(account) }

    /// Queues a connection to continue when there is room.
    func stall(_ connection: VarlinkServerHandler, of account: Account) {
        if account.stalled.isEmpty { stalled.append(account) }
        account.stalled.append(connection)
    }

    /// A connection's message, or the connection itself, has ended.
    func messageEnded(_ connection: VarlinkServerHandler, of account: Account) {
        guard account.favoured == ObjectIdentifier(connection) else { return }
        account.favoured = nil
        wake()
    }

    /// Records a change in the memory that a connection holds.
    func change(_ account: Account, input: Int, output: Int) {
        budget.change(account, input: input, output: output)
        if input < 0 || output < 0 { wake() }
    }

    /// Bytes held by all users.
    var bytes: Int { budget.used }

    /// Wakes connections that may now have room; one that comes too late waits again.
    private func wake() {
        guard !stalled.isEmpty else { return }
        for account in stalled {
            if budget.mayReceive(account) {
                var connections = max(1, (budget.bound - account.bytes) / ServerSchedule.roomToWake)
                while connections > 0, let connection = account.stalled.popFirst() {
                    if connection.roomMade() { connections -= 1 }
                }
            } else if account.favoured == nil, let index = account.stalled.firstIndex(where: \.hasBegunMessage) {
                _ = account.stalled.remove(at: index).roomMade()
            }
        }
        stalled.removeAll { $0.stalled.isEmpty }
    }

    /// One more connection is woken for each this many bytes of room.
    private static let roomToWake = 512 * 1024
}
