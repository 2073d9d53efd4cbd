import NIOCore

/// Signatures that wait for the token, by user. A state machine without I/O and clock.
///
/// **Turns.** Users with waiting requests form a ring; each turn is one request. So a user who asks for one signature
/// at a time waits in this queue for at most one request of each other user, whatever the others ask for and however
/// much.
///
/// **Weights.** In a round each user may use as much of the token's time as its slowest signature takes; each request
/// is charged what its kind takes. A user who has used up that share joins the ring of the next round, which begins
/// when this one is empty. So users who always have something waiting get the same time of the token, not the same
/// number of signatures. (Deficit round robin, Shreedhar and Varghese 1995, with turns of one request.) A user who had
/// nothing waiting and nothing in hand gets a turn in this round, whatever was used: such a user holds at most one
/// link, and waits no longer than the bound above.
///
/// **Bounds.** What waits is limited for each user and in total; each user has room for a few requests, whatever the
/// others have waiting.
///
/// Adding, taking and completing a request takes the same time however many users and requests there are, and needs no
/// memory beyond the request's own.
struct RequestQueue {
    /// Requests that may wait. Beyond this the token is permanently slower than its callers, and waiting would only
    /// hide it.
    static let limit = 4_096
    /// Bytes that may wait: Ed25519 takes whole messages, and 4,096 of the longest would fill a gigabyte.
    static let bytesLimit = 32 * 1024 * 1024
    /// The same for one user.
    static let limitOfUser = 1_024
    static let bytesLimitOfUser = 8 * 1024 * 1024
    /// What one user may have waiting even if others have filled the rest.
    static let assuredOfUser = 16
    static let assuredBytesOfUser = 512 * 1024
    /// How long a user with nothing waiting still counts among those who share the token: longer than the pause between
    /// two requests of a user who sends the next one after each reply.
    static let memory = TimeAmount.seconds(1)
    /// Users with nothing waiting that are remembered in this way.
    static let rememberedUsers = 64

    private struct User {
        var uid: UInt32 = 0
        var first: SignatureRequest?
        var last: SignatureRequest?
        var waiting = 0
        var bytes = 0
        /// Requests that links have in hand.
        var inHand = 0
        /// Nanoseconds of the token's time that the user has left in `round`; negative if the last request took more.
        var credit: Int64 = 0
        var round: UInt64 = 0
        /// Since when nothing of this user waits or is in hand.
        var idleSince = NIODeadline.uptimeNanoseconds(0)
    }

    private(set) var count = 0
    private(set) var bytes = 0
    private(set) var costs = SignatureCosts()
    private var users: [User] = []
    private var lists = UserLists()
    private var slots: [UInt32: Int] = [:]
    private var freeSlots: [Int] = []
    private var lastSlot = -1
    private var round: UInt64 = 1

    private var thisRound: UserLists.List { round & 1 == 0 ? .even : .odd }
    private var nextRound: UserLists.List { round & 1 == 0 ? .odd : .even }

    /// Users with something waiting or in hand, now or a moment ago.
    var knownUsers: Int { slots.count }

    // MARK: In and out

    /// Accepts a request.
    /// - Returns: Whether there was room for it.
    mutating func append(_ request: SignatureRequest) -> Bool {
        let slot = slot(of: request.user)
        guard hasRoom(slot, for: request.input.count) else {
            if lists.list(of: slot) == .none, users[slot].waiting == 0, users[slot].inHand == 0 { forget(slot) }
            return false
        }
        request.slot = slot
        request.next = nil
        if let last = users[slot].last { last.next = request } else { users[slot].first = request }
        users[slot].last = request
        note(request, waits: slot)
        if users[slot].waiting == 1 {
            settleCredit(slot)
            if users[slot].inHand == 0 { users[slot].credit = max(users[slot].credit, 1) }
            takeTurn(slot)
        }
        return true
    }

    /// The next request in turn, charged to its user, who has it in hand until `completed`, `putBack` or `given`.
    /// - Parameters:
    ///   - most: Requests that a user may have in hand.
    ///   - isIdle: Whether the link that will get it has nothing else. Then a user with `most` in hand is served too,
    ///     before the next round begins.
    mutating func next(inHandAtMost most: Int, isIdle: Bool) -> SignatureRequest? {
        while true {
            if let slot = lists.first(of: thisRound) {
                if users[slot].inHand < most { return take(slot) }
                lists.move(slot, to: .full)
            } else if let slot = lists.first(of: .full) {
                return isIdle ? take(slot) : nil
            } else {
                guard lists.count(of: nextRound) > 0 else { return nil }
                round &+= 1
            }
        }
    }

    private mutating func take(_ slot: Int) -> SignatureRequest? {
        // A user in a ring has something waiting.
        guard let request = users[slot].first else { return nil }
        settleCredit(slot)
        users[slot].first = request.next
        if request.next == nil { users[slot].last = nil }
        request.next = nil
        noteTaken(request, slot)
        users[slot].inHand += 1
        request.cost = costs.charge(request.kind)
        users[slot].credit -= request.cost
        if users[slot].waiting > 0 { takeTurn(slot) } else { lists.move(slot, to: .none) }
        return request
    }

    /// A link has answered one of this user's requests.
    /// - Parameter took: What the token took for it, if known.
    mutating func completed(slot: Int, kind: SignatureCosts.Kind, took: TimeAmount?, now: NIODeadline) {
        if let took { costs.note(kind, took: took) }
        release(slot, now: now)
    }

    /// What a helper had in hand when it died waits again, ahead of all else of its user.
    mutating func putBack(_ request: SignatureRequest) {
        let slot = request.slot
        users[slot].inHand -= 1
        users[slot].credit += request.cost
        request.next = users[slot].first
        users[slot].first = request
        if request.next == nil { users[slot].last = request }
        note(request, waits: slot)
        takeTurnAgain(slot)
    }

    /// What a helper had in hand when it died, and that is not sent again.
    mutating func given(up slot: Int, now: NIODeadline) { release(slot, now: now) }

    /// Removes the requests that match; those of one user in their order.
    mutating func remove(now: NIODeadline, where condition: (SignatureRequest) -> Bool) -> [SignatureRequest] {
        var removed: [SignatureRequest] = []
        for slot in users.indices where users[slot].waiting > 0 {
            var before: SignatureRequest?
            var current = users[slot].first
            while let request = current {
                current = request.next
                guard condition(request) else {
                    before = request
                    continue
                }
                if let before { before.next = current } else { users[slot].first = current }
                if current == nil { users[slot].last = before }
                request.next = nil
                noteTaken(request, slot)
                removed.append(request)
            }
            if users[slot].waiting == 0 { rest(slot, now: now) }
        }
        return removed
    }

    /// Forgets users who have had nothing waiting for a while.
    mutating func forgetIdle(now: NIODeadline) {
        while let slot = lists.first(of: .idle),
            now - users[slot].idleSince >= RequestQueue.memory || lists.count(of: .idle) > RequestQueue.rememberedUsers
        {
            forget(slot)
        }
    }

    // MARK: Users

    private mutating func slot(of uid: UInt32) -> Int {
        if lastSlot >= 0, users[lastSlot].uid == uid { return lastSlot }
        if let slot = slots[uid] {
            lastSlot = slot
            return slot
        }
        let slot: Int
        if let free = freeSlots.popLast() {
            slot = free
        } else {
            slot = users.count
            users.append(User())
            lists.add()
        }
        users[slot] = User(uid: uid, credit: max(costs.dearest, 1), round: round)
        slots[uid] = slot
        lastSlot = slot
        return slot
    }

    private mutating func forget(_ slot: Int) {
        lists.move(slot, to: .none)
        slots[users[slot].uid] = nil
        users[slot] = User()
        freeSlots.append(slot)
        lastSlot = -1
        // A user who is alone may have more in hand than before.
        if slots.count == 1, let only = slots.first?.value, users[only].waiting > 0 { takeTurnAgain(only) }
    }

    private func hasRoom(_ slot: Int, for more: Int) -> Bool {
        let waiting = users[slot].waiting, bytes = users[slot].bytes + more
        if waiting < RequestQueue.assuredOfUser, bytes <= RequestQueue.assuredBytesOfUser { return true }
        return waiting < RequestQueue.limitOfUser && bytes <= RequestQueue.bytesLimitOfUser && count < RequestQueue.limit
            && self.bytes + more <= RequestQueue.bytesLimit
    }

    /// Adds the credit of new rounds. Whatever was charged, the user gets a turn in each: a debt for one signature does
    /// not last forever.
    private mutating func settleCredit(_ slot: Int) {
        guard users[slot].round != round else { return }
        users[slot].round = round
        users[slot].credit = max(1, min(users[slot].credit, 0) + costs.dearest)
    }

    /// Puts the user into the ring in which there is credit left.
    private mutating func takeTurn(_ slot: Int) {
        settleCredit(slot)
        lists.move(slot, to: users[slot].credit > 0 ? thisRound : nextRound)
    }

    private mutating func release(_ slot: Int, now: NIODeadline) {
        users[slot].inHand -= 1
        if users[slot].waiting == 0 { rest(slot, now: now) } else { takeTurnAgain(slot) }
    }

    /// A user who was out of the ring, with nothing waiting or the most allowed in hand, may get a turn again.
    private mutating func takeTurnAgain(_ slot: Int) {
        switch lists.list(of: slot) {
        case .none, .full, .idle: takeTurn(slot)
        case .even, .odd: break
        }
    }

    /// Nothing of this user waits any more.
    private mutating func rest(_ slot: Int, now: NIODeadline) {
        guard users[slot].inHand == 0 else { return lists.move(slot, to: .none) }
        users[slot].idleSince = now
        lists.move(slot, to: .idle)
    }

    private mutating func note(_ request: SignatureRequest, waits slot: Int) {
        users[slot].waiting += 1
        users[slot].bytes += request.input.count
        count += 1
        bytes += request.input.count
    }

    private mutating func noteTaken(_ request: SignatureRequest, _ slot: Int) {
        users[slot].waiting -= 1
        users[slot].bytes -= request.input.count
        count -= 1
        bytes -= request.input.count
    }
}
