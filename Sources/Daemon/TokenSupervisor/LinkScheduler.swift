import NIOCore

/// Decides which signature goes to which link, and in which order. A state machine without I/O and clock.
///
/// At most four requests are in flight on a link. With one, its thread would wait for the daemon between two
/// signatures. With four, the daemon wakes half as often as with two, for twice the work, which saves a tenth of its
/// time. With many, one slow signature would hold up those that wait for the same link while other links are idle.
///
/// What a link has in hand is limited in time too: it gets more only while that is less than `inHand`. So four P-256
/// requests go together, but only one of RSA-4096, which takes so long that the time on the link does not matter. The
/// next user's request then waits for the first link that is free.
struct LinkScheduler {
    static let inFlightPerLink = 4
    /// A link with this much in hand gets no more.
    static let inHand = TimeAmount.milliseconds(2)
    /// The same while several users share the token.
    static let inHandShared = TimeAmount.milliseconds(1)
    /// The share of the places on all links that one user may have while there are others and no link is idle, so that
    /// their requests find a place.
    static let placesOfUser = 0.5
    /// A request with which two helpers died is probably the cause.
    static let deathsAllowed = 1

    struct Assignment {
        let link: Int
        let id: UInt32
        let request: SignatureRequest
    }

    /// What a reply belongs to.
    enum Completion {
        case request(SignatureRequest)
        /// Its caller has already been told that it took too long.
        case abandoned
        /// Nothing of that number is in hand on that link: the helper violates the protocol.
        case unknown
    }

    private struct InFlight {
        let id: UInt32
        let slot: Int
        let kind: SignatureCosts.Kind
        let cost: Int64
        /// `nil` once the caller was told that it took too long: the token still works on it, and it keeps its place on
        /// the link.
        var request: SignatureRequest?
    }

    private struct Link {
        /// At most `inFlightPerLink`.
        var inFlight: [InFlight] = []
        /// What the token will probably take for these, in nanoseconds.
        var cost: Int64 = 0
        /// Since when it owes an answer: since the last reply, or since the first request after it was idle.
        var owesSince = NIODeadline.distantFuture
    }

    private let inFlightPerLink: Int
    private var queue = RequestQueue()
    private var links: [Link] = []
    private var nextID: UInt32 = 1

    init(inFlightPerLink: Int = LinkScheduler.inFlightPerLink) { self.inFlightPerLink = inFlightPerLink }

    /// Opens links; there are none while no helper is ready.
    mutating func open(links count: Int) { links = Array(repeating: Link(), count: count) }

    var queued: Int { queue.count }
    var inFlight: Int { links.reduce(0) { $0 + $1.inFlight.count } }
    var isIdle: Bool { queue.count == 0 && links.allSatisfy(\.inFlight.isEmpty) }
    /// Users among whom the token's time is shared.
    var knownUsers: Int { queue.knownUsers }

    /// Accepts a request.
    /// - Returns: Whether there was room for it.
    mutating func enqueue(_ request: SignatureRequest) -> Bool { queue.append(request) }

    /// The next request in turn that a link has room for, and that link: the one with the least in hand.
    mutating func assign(now: NIODeadline) -> Assignment? {
        guard queue.count > 0 else { return nil }
        queue.forgetIdle(now: now)
        let isShared = queue.knownUsers > 1
        var best = -1, least = (isShared ? LinkScheduler.inHandShared : LinkScheduler.inHand).nanoseconds
        for index in links.indices where links[index].cost < least && links[index].inFlight.count < inFlightPerLink {
            best = index
            least = links[index].cost
            if links[index].inFlight.isEmpty { break }
        }
        guard best >= 0,
            let request = queue.next(inHandAtMost: isShared ? placesOfUser : .max, isIdle: links[best].inFlight.isEmpty)
        else { return nil }
        let id = nextID
        nextID = nextID == .max ? 1 : nextID + 1
        if links[best].inFlight.isEmpty { links[best].owesSince = now }
        links[best].inFlight.append(InFlight(id: id, slot: request.slot, kind: request.kind, cost: request.cost, request: request))
        links[best].cost += request.cost
        return Assignment(link: best, id: id, request: request)
    }

    private var placesOfUser: Int { max(1, Int(Double(links.count * inFlightPerLink) * LinkScheduler.placesOfUser)) }

    /// Records a reply.
    mutating func complete(link: Int, id: UInt32, now: NIODeadline) -> Completion {
        guard links.indices.contains(link), let index = links[link].inFlight.firstIndex(where: { $0.id == id }) else { return .unknown }
        let answered = links[link].inFlight.remove(at: index)
        links[link].cost -= answered.cost
        // A link answers in order. If one does not, it is unknown what it has worked on.
        queue.completed(slot: answered.slot, kind: answered.kind, took: index == 0 ? now - links[link].owesSince : nil, now: now)
        links[link].owesSince = links[link].inFlight.isEmpty ? .distantFuture : now
        return answered.request.map { .request($0) } ?? .abandoned
    }

    /// The helper is gone: what it had in hand returns to the head of its user's queue, in the original order.
    /// - Returns: Requests that must not be repeated.
    mutating func lose(now: NIODeadline) -> [SignatureRequest] {
        let lost = links.flatMap(\.inFlight).sorted { $0.id < $1.id }
        links = []
        var given: [SignatureRequest] = []
        for entry in lost.reversed() {
            guard let request = entry.request, request.deaths < LinkScheduler.deathsAllowed else {
                queue.given(up: entry.slot, now: now)
                if let request = entry.request { given.append(request) }
                continue
            }
            request.deaths += 1
            queue.putBack(request)
        }
        return given.reversed()
    }

    /// Requests that have waited beyond their deadline, in the queue or at the token.
    mutating func expire(now: NIODeadline) -> [SignatureRequest] {
        var expired: [SignatureRequest] = []
        for link in links.indices {
            for index in links[link].inFlight.indices {
                guard let request = links[link].inFlight[index].request, request.deadline <= now else { continue }
                links[link].inFlight[index].request = nil
                expired.append(request)
            }
        }
        expired += queue.remove(now: now) { $0.deadline <= now }
        queue.forgetIdle(now: now)
        return expired
    }

    /// Since when the slowest link owes an answer; `nil` if none does.
    var owesSince: NIODeadline? {
        guard let oldest = links.lazy.map(\.owesSince).min(), oldest < .distantFuture else { return nil }
        return oldest
    }

    /// Whether links are open.
    var isOpen: Bool { !links.isEmpty }

    /// What no link has taken yet.
    mutating func drainQueue(now: NIODeadline) -> [SignatureRequest] { queue.remove(now: now) { _ in true } }

    /// Everything, when a helper ends and no other follows at once.
    mutating func drain(now: NIODeadline) -> [SignatureRequest] {
        let inHand = links.flatMap(\.inFlight)
        for entry in inHand { queue.given(up: entry.slot, now: now) }
        links = []
        return inHand.compactMap(\.request) + queue.remove(now: now) { _ in true }
    }
}
