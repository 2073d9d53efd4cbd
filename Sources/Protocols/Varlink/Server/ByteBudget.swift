/// How much memory the users of a server take for unfinished messages and unsent answers, and who has to wait for room. A value without I/O.
///
/// What counts is the memory that is held, not the bytes that are in it.
struct ByteBudget<Waiter: AnyObject> {
    typealias Account = UserAccount<Waiter>

    /// Bytes that one user may hold.
    let perUser: Int
    /// Bytes that all users together may hold.
    let total: Int
    /// Bytes held now.
    private(set) var used = 0
    /// Users who hold any.
    private(set) var holders = 0

    init(perUser: Int, total: Int) {
        self.perUser = perUser
        self.total = total
    }

    /// What a user may hold now: its own bound, and where all together are over theirs its share, so that who holds little is not stopped by
    /// those who hold much.
    var bound: Int { used < total ? perUser : min(perUser, total / max(1, holders)) }

    /// Whether a user may hold more for the messages that it sends.
    func mayReceive(_ account: Account) -> Bool { account.bytes < bound }

    /// Whether an answer may be composed for a user: while those that it has not read take less than half of what it may hold. The other half
    /// is for its messages, so that they come to their end whatever it leaves unread.
    func mayAnswer(_ account: Account) -> Bool { account.outputBytes < bound / 2 }

    /// Takes down that a connection holds another amount than before.
    mutating func change(_ account: Account, input: Int, output: Int) {
        let held = account.bytes > 0
        account.inputBytes += input
        account.outputBytes += output
        used += input + output
        if held != (account.bytes > 0) { holders += held ? -1 : 1 }
    }
}
