import NIOCore
import TokenProtocol

/// The end of a token that is closed while the agent keeps running.
extension TokenSupervisor {
    /// How often to check whether everything is answered.
    private static let retirementStep = TimeAmount.milliseconds(20)

    /// Has what waits and what is in hand answered, for at most `time`, and ends the helper. Nothing new may be
    /// requested.
    /// - Parameter failure: The answer to those that can no longer be served.
    /// - Returns: Succeeds when the helper's process has ended.
    public func retire(within time: TimeAmount, _ failure: TokenFailure) -> EventLoopFuture<Void> {
        eventLoop.preconditionInEventLoop()
        let promise = eventLoop.makePromise(of: Void.self)
        retire(until: .now() + time, failure, promise)
        return promise.futureResult
    }

    private func retire(until deadline: NIODeadline, _ failure: TokenFailure, _ promise: EventLoopPromise<Void>) {
        // A token that is not there answers nothing: tell those who wait for it now.
        let mayAnswer: Bool
        switch state {
        case .starting, .ready: mayAnswer = true
        case .unavailable, .stopped: mayAnswer = false
        }
        guard mayAnswer, !(scheduler.isIdle && calls.isIdle && held.isEmpty && heldCalls.isEmpty), NIODeadline.now() < deadline else {
            return stop(failure).cascade(to: promise)
        }
        eventLoop.assumeIsolated().scheduleTask(in: TokenSupervisor.retirementStep) {
            self.retire(until: deadline, failure, promise)
        }
    }
}
