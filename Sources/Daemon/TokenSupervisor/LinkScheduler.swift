import NIOCore

/// Which signature goes to which link, in which order. A state machine without I/O and clock.
///
/// At most four requests are in flight on a link. With one, its thread would wait for the daemon between two signatures. With four, the daemon
/// wakes half as often as with two, for twice the work, which saves a tenth of its time. With many, one slow signature would hold up those
/// behind it while other links are idle.
struct LinkScheduler {
    static let inFlightPerLink = 4
    /// Requests that may wait. Beyond it the token is slower than its callers for good, and waiting would only hide it.
    static let queueLimit = 4_096
    /// Bytes that may wait: Ed25519 takes whole messages, and 4,096 of the longest would fill a gigabyte.
    static let queueBytesLimit = 32 * 1024 * 1024
    /// A request that two helpers died with is likely why they died.
    static let deathsAllowed = 1

    struct Assignment {
        let link: Int
        let id: UInt32
        let request: SignatureRequest
    }

    /// What a reply is to.
    enum Completion {
        case request(SignatureRequest)
        /// Its caller was told before that it took too long.
        case abandoned
        /// Nothing of that number is in hand on that link: the helper talks nonsense.
        case unknown
    }

    private struct InFlight {
        let id: UInt32
        /// `nil` once the caller was told that it took too long: the token still works on it, and the link is taken.
        var request: SignatureRequest?
    }

    private struct Link {
        /// At most `inFlightPerLink`.
        var inFlight: [InFlight] = []
        /// Since when it owes an answer: the last reply, or the first request after it was idle.
        var owesSince = NIODeadline.distantFuture
    }

    private let inFlightPerLink: Int
    private var queue = RequestQueue()
    private var links: [Link] = []
    private var nextID: UInt32 = 1

    init(inFlightPerLink: Int = LinkScheduler.inFlightPerLink) { self.inFlightPerLink = inFlightPerLink }

    /// Links that are open; none while there is no helper that is ready.
    mutating func open(links count: Int) { links = Array(repeating: Link(), count: count) }

    var queued: Int { queue.count }
    var inFlight: Int { links.reduce(0) { $0 + $1.inFlight.count } }
    var isIdle: Bool { queue.count == 0 && links.allSatisfy(\.inFlight.isEmpty) }

    /// Takes a request.
    /// - Returns: Whether there was room for it.
    mutating func enqueue(_ request: SignatureRequest) -> Bool {
        guard queue.count < LinkScheduler.queueLimit, queue.bytes + request.input.count <= LinkScheduler.queueBytesLimit else {
            return false
        }
        queue.append(request)
        return true
    }

    /// The next request that a link has room for, and which link: the least loaded.
    mutating func assign(now: NIODeadline) -> Assignment? {
        guard queue.count > 0 else { return nil }
        var best = -1, load = inFlightPerLink
        for index in links.indices where links[index].inFlight.count < load {
            best = index
            load = links[index].inFlight.count
            if load == 0 { break }
        }
        guard best >= 0, let request = queue.popFirst() else { return nil }
        let id = nextID
        nextID = nextID == .max ? 1 : nextID + 1
        if load == 0 { links[best].owesSince = now }
        links[best].inFlight.append(InFlight(id: id, request: request))
        return Assignment(link: best, id: id, request: request)
    }

    /// Takes note of a reply.
    mutating func complete(link: Int, id: UInt32, now: NIODeadline) -> Completion {
        guard links.indices.contains(link), let index = links[link].inFlight.firstIndex(where: { $0.id == id }) else { return .unknown }
        let answered = links[link].inFlight.remove(at: index)
        links[link].owesSince = links[link].inFlight.isEmpty ? .distantFuture : now
        return answered.request.map { .request($0) } ?? .abandoned
    }

    /// The helper is gone: what it had in hand goes back to the head of the queue, in the order in which it was taken.
    /// - Returns: Requests that must not be tried again.
    mutating func lose() -> [SignatureRequest] {
        let lost = links.flatMap(\.inFlight).sorted { $0.id < $1.id }.compactMap(\.request)
        links = []
        var given: [SignatureRequest] = []
        for request in lost.reversed() {
            request.deaths += 1
            if request.deaths > LinkScheduler.deathsAllowed { given.append(request) } else { queue.prepend(request) }
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
        return expired + queue.remove { $0.deadline <= now }
    }

    /// Since when the slowest link owes an answer; `nil` if none does.
    var owesSince: NIODeadline? {
        guard let oldest = links.lazy.map(\.owesSince).min(), oldest < .distantFuture else { return nil }
        return oldest
    }

    /// Whether links are open.
    var isOpen: Bool { !links.isEmpty }

    /// What no link has taken yet.
    mutating func drainQueue() -> [SignatureRequest] { queue.remove { _ in true } }

    /// Everything, for the end.
    mutating func drain() -> [SignatureRequest] {
        let all = links.flatMap(\.inFlight).compactMap(\.request) + queue.remove { _ in true }
        links = []
        return all
    }
}
