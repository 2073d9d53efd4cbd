import NIOCore

/// Decides whose turn it is on the loop: a user who has used its slice of a round, over all its connections, waits
/// until the others have had theirs.
///
/// A state machine without I/O; times are nanoseconds of one clock. While only one user is active, the slice is long,
/// so that nothing changes for it. As soon as there is a second user, and for some time after, it is short.
struct UserTurns<Waiter: AnyObject> {
    typealias Account = UserAccount<Waiter>

    /// Time that one user's calls may take in one round of the loop before others are served.
    struct Slices {
        /// While no one else is active.
        var alone: UInt64 = 2_000_000
        /// While others are active. Enough for a few signatures: another user's signature goes through three rounds and
        /// is delayed in each.
        var shared: UInt64 = 50_000
        /// Time for all waiting users together in one round.
        var round: UInt64 = 100_000
        /// How long a user counts as active after its last call.
        var memory: UInt64 = 10_000_000_000
    }

    private let slices: Slices
    private var ring = CircularBuffer<Account>()
    /// The user who was served last, if any.
    private var latest: UInt64?
    private var sharedUntil: UInt64 = 0

    init(slices: Slices) { self.slices = slices }

    /// Whether anyone waits.
    var isEmpty: Bool { ring.isEmpty }

    /// Nanoseconds that a user's calls may take from now on in this round; 0 to wait.
    mutating func left(_ account: Account, round: UInt64, now: UInt64) -> UInt64 {
        if latest != account.user {
            if latest != nil { sharedUntil = now &+ slices.memory }
            latest = account.user
        }
        if account.round != round {
            account.round = round
            account.spent = 0
        }
        let slice = now < sharedUntil ? slices.shared : slices.alone
        return account.spent < slice ? slice - account.spent : 0
    }

    /// Records the time that a user's calls took.
    mutating func charge(_ account: Account, round: UInt64, _ time: UInt64) {
        if account.round != round {
            account.round = round
            account.spent = 0
        }
        account.spent &+= time
    }

    /// Queues a connection after its user's waiting ones, and the user after the other users.
    mutating func wait(_ waiter: Waiter, of account: Account) {
        account.waiting.append(waiter)
        guard !account.isInRing else { return }
        account.isInRing = true
        ring.append(account)
    }

    /// One run of turns.
    struct Giving {
        fileprivate let began: UInt64
        fileprivate var users: Int
        fileprivate var current: Account?
        fileprivate var connections = 0
    }

    /// Begins a run, in which each user gets one turn.
    mutating func begin(now: UInt64) -> Giving {
        if ring.count > 1 { sharedUntil = now &+ slices.memory }
        return Giving(began: now, users: ring.count)
    }

    /// The connection whose turn it is: one user after another, each until its slice is used up or it has no connection
    /// left; `nil` when all have had their turn, or the round's share is used up. Users who did not get a turn come
    /// first in the next round.
    mutating func next(_ giving: inout Giving, round: UInt64, now: UInt64) -> Waiter? {
        let end = giving.began &+ (now < sharedUntil ? slices.round : slices.alone)
        while true {
            if let account = giving.current {
                // Each connection once: one that waits again comes after the sockets.
                if now < end, giving.connections > 0, left(account, round: round, now: now) > 0, let waiter = account.waiting.popFirst() {
                    giving.connections -= 1
                    return waiter
                }
                giving.current = nil
                if account.waiting.isEmpty { account.isInRing = false } else { ring.append(account) }
            }
            guard now < end, giving.users > 0, let account = ring.popFirst() else { return nil }
            giving.users -= 1
            giving.current = account
            giving.connections = account.waiting.count
        }
    }

    /// Removes a user whose last connection has ended.
    mutating func forget(_ account: Account) {
        if account.isInRing { ring.removeAll { $0 === account } }
        account.isInRing = false
        account.waiting.removeAll()
    }
}
