/// How many refusals are recorded one by one: a state machine without clock and trail. A caller that is refused in a
/// loop must not fill the disk, since on a full disk nothing is signed for anybody. Bounded for each user and in total,
/// by number and by bytes; the rest is only counted.
struct RefusalBudget {
    struct Bounds {
        /// Length of a window in milliseconds.
        var window: Int64 = 60_000
        /// A user who makes mistakes stays far below it.
        var perUser = 100
        var bytesPerUser = 128 << 10
        var all = 1_000
        var bytesOfAll = 1 << 20
        /// Users who are counted one by one; refusals of further users are counted together.
        var users = 1_024
    }

    enum Verdict: Hashable {
        case record
        /// The first in this window that is not recorded.
        case leaveOutFirst
        case leaveOut
    }

    /// Refusals that were only counted. `user` is `nil` for users beyond `Bounds.users`.
    struct LeftOut: Hashable {
        var user: UInt32?
        var count: Int
    }

    private struct Window {
        var start: Int64
        var count = 0
        var bytes = 0
        var leftOut = 0
    }

    let bounds: Bounds
    private var windows: [UInt32: Window] = [:]
    private var others = Window(start: .min)
    private var all = Window(start: .min)

    init(_ bounds: Bounds = Bounds()) { self.bounds = bounds }

    /// Whether no refusal of this user will be recorded, however short: then no record need be made.
    func isExhausted(for user: UInt32, now: Int64) -> Bool {
        let isFull = now - bounds.window < all.start && all.count >= bounds.all
        guard let window = windows[user], now - bounds.window < window.start else { return isFull }
        return isFull || window.count >= bounds.perUser
    }

    /// Counts a refusal of a user.
    /// - Parameters:
    ///   - bytes: Length of its record; `nil` if there is none.
    ///   - now: A monotonic clock in milliseconds.
    mutating func take(_ user: UInt32, bytes: Int?, now: Int64) -> Verdict {
        if now - bounds.window >= all.start { all = Window(start: now) }
        guard windows[user] != nil || windows.count < bounds.users else {
            return leaveOut(&others, now)
        }
        var window = windows[user] ?? Window(start: now)
        if now - bounds.window >= window.start { window = Window(start: now, leftOut: window.leftOut) }
        defer { windows[user] = window }
        guard let bytes, window.count < bounds.perUser, window.bytes + bytes <= bounds.bytesPerUser, all.count < bounds.all,
            all.bytes + bytes <= bounds.bytesOfAll
        else { return leaveOut(&window, now) }
        window.count += 1
        window.bytes += bytes
        all.count += 1
        all.bytes += bytes
        return .record
    }

    private func leaveOut(_ window: inout Window, _ now: Int64) -> Verdict {
        if window.start == .min { window.start = now }
        window.leftOut += 1
        return window.leftOut == 1 ? .leaveOutFirst : .leaveOut
    }

    /// Whether something was left out that has not been reported.
    var owes: Bool { others.leftOut > 0 || windows.values.contains { $0.leftOut > 0 } }

    /// What to report about windows that are over, or about all; forgets users whose window is over.
    mutating func settle(now: Int64, all: Bool = false) -> [LeftOut] {
        var result: [LeftOut] = []
        for (user, window) in windows.sorted(by: { $0.key < $1.key }) where all || now - bounds.window >= window.start {
            if window.leftOut > 0 { result.append(LeftOut(user: user, count: window.leftOut)) }
            windows[user] = nil
        }
        if others.leftOut > 0, all || now - bounds.window >= others.start {
            result.append(LeftOut(user: nil, count: others.leftOut))
            others = Window(start: .min)
        }
        return result
    }
}
