import NIOCore

/// The deadlines of one connection: how long its peer may keep the server waiting.
///
/// One event loop timer serves them all. It is set when a new expectation starts, and not moved when that is met: it
/// then finds nothing to do, so that busy connections cost no timers.
struct VarlinkServerDeadlines {
    /// What a peer is expected to do.
    enum Expectation: Equatable {
        /// Read its replies.
        case reading
        /// Finish the message after this many.
        case restOfMessage(UInt64)
        /// Make a call.
        case call
    }

    private let stall: TimeAmount
    private let idle: TimeAmount?
    private var check: (() -> Void)?
    private var expectation: Expectation?
    private var due: NIODeadline = .distantFuture
    private var lastActivity: NIODeadline = .distantPast
    private var timer: Scheduled<Void>?
    private var timerDue: NIODeadline = .distantFuture
    private(set) var isStarted = false

    init(limits: VarlinkServerLimits) {
        stall = limits.stalledPeerDeadline
        idle = limits.idleTime
    }

    mutating func start(_ eventLoop: any EventLoop, check: @escaping () -> Void) {
        isStarted = true
        self.check = check
        sawActivity(eventLoop)
        if let idle { arm(lastActivity + idle, eventLoop) }
    }

    mutating func stop() {
        timer?.cancel()
        timer = nil
        check = nil
    }

    mutating func sawActivity(_ eventLoop: any EventLoop) {
        if idle != nil { lastActivity = eventLoop.now }
    }

    /// Sets what the peer is expected to do from now on; the deadline of an unchanged expectation stays.
    mutating func expect(_ wanted: Expectation?, _ eventLoop: any EventLoop) {
        guard wanted != expectation else { return }
        expectation = wanted
        guard wanted != nil else { return }
        due = eventLoop.now + stall
        arm(due, eventLoop)
    }

    /// Called by the timer: what the peer failed to do. Sets the timer again if it came too early.
    mutating func expired(_ eventLoop: any EventLoop, isIdle: Bool) -> Expectation? {
        timer = nil
        timerDue = .distantFuture
        let now = eventLoop.now
        if let expectation {
            if due <= now { return expectation }
            arm(due, eventLoop)
        }
        if let idle {
            if isIdle, lastActivity + idle <= now { return .call }
            arm(isIdle ? lastActivity + idle : now + idle, eventLoop)
        }
        return nil
    }

    private mutating func arm(_ deadline: NIODeadline, _ eventLoop: any EventLoop) {
        guard let check, timer == nil || deadline < timerDue else { return }
        timer?.cancel()
        timerDue = deadline
        timer = eventLoop.assumeIsolated().scheduleTask(deadline: deadline) { check() }
    }
}
