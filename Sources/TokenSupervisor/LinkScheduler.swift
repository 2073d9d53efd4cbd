import NIOCore
import TokenProtocol

/// A signature that was asked for and not yet answered.
struct SignatureRequest {
    let key: TokenKeyReference
    let mechanism: SigningMechanism
    let input: [UInt8]
    let deadline: NIODeadline
    let completion: (Result<[UInt8], TokenFailure>) -> Void
    /// Helpers that died with it in hand.
    var deaths = 0
    /// When it went to a link.
    var sent: NIODeadline?
}

/// Which signature goes to which link, in which order. A state machine without I/O and clock.
///
/// At most two requests are in flight on a link: with one, its thread would wait for the daemon between two signatures; with many, one slow
/// signature would hold up those behind it while other links are idle.
struct LinkScheduler {
    static let inFlightPerLink = 2
    /// Requests that may wait. Beyond it the token is slower than its callers for good, and waiting would only hide it.
    static let queueLimit = 4_096
    /// A request that two helpers died with is likely why they died.
    static let deathsAllowed = 1

    struct Assignment {
        let link: Int
        let id: UInt32
        let request: SignatureRequest
    }

    private var queue = RequestQueue()
    private var links: [[UInt32: SignatureRequest]] = []
    private var nextID: UInt32 = 1

    /// Links that are open; none while there is no helper that is ready.
    mutating func open(links count: Int) { links = Array(repeating: [:], count: count) }

    var queued: Int { queue.count }
    var inFlight: Int { links.reduce(0) { $0 + $1.count } }
    var isIdle: Bool { queue.count == 0 && links.allSatisfy(\.isEmpty) }

    /// Takes a request.
    /// - Returns: The request itself where there is no room for it.
    mutating func enqueue(_ request: SignatureRequest) -> SignatureRequest? {
        guard queue.count < LinkScheduler.queueLimit else { return request }
        queue.append(request)
        return nil
    }

    /// The next request that a link has room for, and which link: the least loaded.
    mutating func assign(now: NIODeadline) -> Assignment? {
        guard queue.count > 0 else { return nil }
        var best = -1, load = LinkScheduler.inFlightPerLink
        for index in links.indices where links[index].count < load {
            best = index
            load = links[index].count
            if load == 0 { break }
        }
        guard best >= 0, var request = queue.popFirst() else { return nil }
        request.sent = now
        let id = nextID
        nextID = nextID == .max ? 1 : nextID + 1
        links[best][id] = request
        return Assignment(link: best, id: id, request: request)
    }

    /// The request that a reply answers; `nil` if the link has none of that number in hand.
    mutating func complete(link: Int, id: UInt32) -> SignatureRequest? {
        links.indices.contains(link) ? links[link].removeValue(forKey: id) : nil
    }

    /// The helper is gone: what it had in hand goes back to the head of the queue, in the order in which it was taken.
    /// - Returns: Requests that must not be tried again.
    mutating func lose() -> [SignatureRequest] {
        let lost = links.flatMap { $0 }.sorted { $0.key < $1.key }.map(\.value)
        links = []
        var given: [SignatureRequest] = []
        for var request in lost.reversed() {
            request.deaths += 1
            request.sent = nil
            if request.deaths > LinkScheduler.deathsAllowed { given.append(request) } else { queue.prepend(request) }
        }
        return given.reversed()
    }

    /// Requests that waited beyond their deadline.
    mutating func expire(now: NIODeadline) -> [SignatureRequest] { queue.remove { $0.deadline <= now } }

    /// When the request that is longest on a link went there.
    var oldestSent: NIODeadline? { links.lazy.flatMap(\.values).compactMap(\.sent).min() }

    /// Everything, for the end.
    mutating func drain() -> [SignatureRequest] {
        let all = links.flatMap(\.values) + queue.remove { _ in true }
        links = []
        return all
    }
}

/// A queue whose head is taken without moving the rest.
private struct RequestQueue {
    private var items: [SignatureRequest?] = []
    private var head = 0

    var count: Int { items.count - head }

    mutating func append(_ request: SignatureRequest) { items.append(request) }

    mutating func prepend(_ request: SignatureRequest) {
        if head > 0 {
            head -= 1
            items[head] = request
        } else {
            items.insert(request, at: 0)
        }
    }

    mutating func popFirst() -> SignatureRequest? {
        guard head < items.count else { return nil }
        let request = items[head]
        items[head] = nil
        head += 1
        if head == items.count {
            items.removeAll(keepingCapacity: true)
            head = 0
        } else if head > 1_024, head > items.count / 2 {
            items.removeFirst(head)
            head = 0
        }
        return request
    }

    mutating func remove(where condition: (SignatureRequest) -> Bool) -> [SignatureRequest] {
        let all = items[head...].compactMap { $0 }
        let removed = all.filter(condition)
        guard !removed.isEmpty else { return [] }
        items = all.filter { !condition($0) }
        head = 0
        return removed
    }
}
