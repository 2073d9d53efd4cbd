/// Tracks how much memory the users of a server hold for unfinished messages and unsent answers, and who must wait for
/// room. A value without I/O.
///
/// Counts the memory held, not the bytes in it.
struct ByteBudget<Waiter: AnyObject> {
    typealias Account = UserAccount<Waiter>

    /// Bytes that one user may hold.
    let perUser: Int
    /// Bytes that all users together may hold.
    let total: Int
    /// Bytes held now.
    private(set) var used = 0
    /// Number of users who hold any.
    private(set) var holders = 0

    init(perUser: Int, total: Int) {
        self.perUser = perUser
        self.total = total
    }

    /// What a user may hold now: its own limit or, if all users together are over theirs, its share. So those who hold
    /// little are not stopped by those who hold much.
    var bound: Int { used < total ? perUser : min(perUser, total / max(1, holders)) }

    /// Whether a user may hold more for messages it sends.
    func mayReceive(_ account: Account) -> Bool { account.bytes < bound }

    /// Whether an answer may be composed for a user: only while its unread answers take less than half of what it may
    /// hold. The other half is for its messages, so that they can be completed whatever it leaves unread.
    func mayAnswer(_ account: Account) -> Bool { account.outputBytes < bound / 2 }

    /// Records a change in what a connection holds.
    mutating func change(_ account: Account, input: Int, output: Int) {
        let held = account.bytes > 0
        account.inputBytes += input
        account.outputBytes += output
        used += input + output
        if held != (account.bytes > 0) { holders += held ? -1 : 1 }
    }
}
