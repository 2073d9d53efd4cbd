import NIOCore
import TokenProtocol

/// A call on the control link.
struct ControlCall {
    let request: HelperRequest
    /// Whose it is; `nil` for the agent's own.
    var user: UInt32?
    /// How long the helper may work on it.
    let time: TimeAmount
    let completion: (Result<HelperReply, TokenFailure>) -> Void
    /// When nobody waits any longer for a helper that could take it.
    var expires: NIODeadline
    /// Helpers that died while they worked on it.
    var deaths = 0

    /// Part of a helper's start: goes before all else, and ends with its helper.
    var isGreeting: Bool {
        switch request {
        case .hello, .status, .look: true
        default: false
        }
    }

    /// Only asks, or has the same result when repeated, so that it can be sent twice.
    var isRepeatable: Bool {
        switch request {
        case .find, .list, .prepare, .settle: true
        default: false
        }
    }
}

/// Schedules the control link: one call after another, users in turn. A state machine without I/O and clock.
///
/// A token makes one key after another, and an RSA key takes seconds. A user waits for the call in progress and for one
/// call of each other user, however many keys somebody makes. Signatures have their own links and do not wait for keys.
struct ControlQueue {
    /// Key management is an administrator's work; more than this at once is a mistake.
    static let limit = 256
    /// The same for one user.
    static let limitOfUser = 64
    /// What one user may have waiting even if others have filled the rest.
    static let assuredOfUser = 4
    /// Keys in one listing. A token has a few thousand at most; a helper that sends keys without end must not fill the
    /// daemon's memory.
    static let keysInListing = 16_384

    enum Reception {
        case finished(ControlCall, HelperReply)
        /// More of the same listing follows.
        case continues
        /// The helper violates the protocol.
        case unexpected
    }

    private struct Current {
        let id: UInt32
        let call: ControlCall
        let deadline: NIODeadline
        var keys: [TokenKey] = []
    }

    private var waiting: [ControlCall] = []
    /// Users with a waiting call, the one whose turn is next first; each once.
    private var turns: [UInt32?] = []
    private var current: Current?
    private var nextID: UInt32 = 1

    var isIdle: Bool { current == nil && waiting.isEmpty }

    /// Accepts a call.
    /// - Returns: Whether there was room for it.
    mutating func enqueue(_ call: ControlCall) -> Bool {
        if call.isGreeting {
            waiting.insert(call, at: 0)
            return true
        }
        let own = waiting.lazy.filter { !$0.isGreeting && $0.user == call.user }.count
        guard own < ControlQueue.assuredOfUser || own < ControlQueue.limitOfUser && waiting.count < ControlQueue.limit else { return false }
        waiting.append(call)
        if own == 0 { turns.append(call.user) }
        return true
    }

    /// The next call to send; `nil` while the helper works on another. A helper that is not ready gets only greetings.
    mutating func next(isReady: Bool, now: NIODeadline) -> (id: UInt32, request: HelperRequest)? {
        guard current == nil, let index = nextInTurn, isReady || waiting[index].isGreeting else { return nil }
        let call = waiting.remove(at: index)
        if !call.isGreeting {
            turns.removeAll { $0 == call.user }
            if waiting.contains(where: { !$0.isGreeting && $0.user == call.user }) { turns.append(call.user) }
        }
        let id = nextID
        nextID = nextID == .max ? 1 : nextID + 1
        current = Current(id: id, call: call, deadline: now + call.time)
        return (id, call.request)
    }

    private var nextInTurn: Int? {
        if let call = waiting.first, call.isGreeting { return 0 }
        guard let user = turns.first else { return nil }
        return waiting.firstIndex { $0.user == user }
    }

    /// Records a reply.
    mutating func receive(_ reply: HelperReply, id: UInt32, now: NIODeadline) -> Reception {
        guard var answered = current, answered.id == id else { return .unexpected }
        var whole = reply
        if case .keys(let keys, let more) = reply {
            guard answered.keys.count + keys.count <= ControlQueue.keysInListing, !more || !keys.isEmpty else { return .unexpected }
            answered.keys += keys
            if more {
                current = answered
                return .continues
            }
            whole = .keys(answered.keys, more: false)
        }
        current = nil
        // The other calls waited for this one, not for a helper, so their time starts again. While the helper is greeted
        // they wait for it.
        if !answered.call.isGreeting {
            for index in waiting.indices { waiting[index].expires = max(waiting[index].expires, now + waiting[index].time) }
        }
        return .finished(answered.call, whole)
    }

    /// The helper is gone: a call that can be repeated is sent once more.
    /// - Returns: Calls that must not be repeated, because they may have been done or because they belonged to that
    ///   helper.
    mutating func lose() -> [ControlCall] {
        var lost = waiting.filter(\.isGreeting)
        waiting.removeAll(where: \.isGreeting)
        if var call = current?.call {
            call.deaths += 1
            if call.isRepeatable, call.deaths <= LinkScheduler.deathsAllowed {
                waiting.insert(call, at: 0)
                turns.removeAll { $0 == call.user }
                turns.insert(call.user, at: 0)
            } else {
                lost.append(call)
            }
        }
        current = nil
        return lost
    }

    /// Whether the helper has worked on a call for longer than it may.
    func isOverdue(now: NIODeadline) -> Bool { current.map { $0.deadline <= now } ?? false }

    /// Calls that have waited too long for a helper that could take them.
    mutating func expire(now: NIODeadline) -> [ControlCall] {
        guard current == nil else { return [] }
        let expired = waiting.filter { $0.expires <= now }
        if !expired.isEmpty {
            waiting.removeAll { $0.expires <= now }
            turns.removeAll { user in !waiting.contains { !$0.isGreeting && $0.user == user } }
        }
        return expired
    }

    /// What was not sent yet.
    mutating func drainWaiting() -> [ControlCall] {
        defer {
            waiting = []
            turns = []
        }
        return waiting
    }

    /// Whether the helper works on a call.
    var isInHand: Bool { current != nil }

    /// Everything, at the end; a call in progress comes first.
    mutating func drain() -> [ControlCall] {
        let all = [current?.call].compactMap { $0 } + waiting
        current = nil
        waiting = []
        turns = []
        return all
    }
}
