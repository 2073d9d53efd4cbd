import NIOCore
import TokenProtocol

/// The state of a token, as its supervisor sees it.
public enum TokenState: Sendable {
    /// A helper is being started, or logs in.
    case starting
    case ready(TokenInformation)
    /// There is no token, no login, or no helper; checked again from time to time.
    case unavailable(TokenFailure)
    case stopped
}

/// Numbers of one supervisor.
public struct TokenStatistics: Sendable, Hashable {
    /// Helpers started after the first.
    public var restarts = 0
    /// Signatures that wait for a link, and that the helper has in hand.
    public var queued = 0
    public var inFlight = 0
    /// Signatures made since the start.
    public var signatures: UInt64 = 0
    /// Changes whenever a helper starts or ends.
    public var generation = 0
}

/// How long a supervisor waits.
public struct SupervisorLimits: Sendable {
    /// A helper that has a signature in hand for longer than this hangs, and is killed.
    public var signature = TimeAmount.seconds(10)
    /// Loading a module and logging in: some network HSMs take half a minute.
    public var hello = TimeAmount.seconds(60)
    /// Making a key: RSA-4096 in a smart card takes a minute.
    public var generation = TimeAmount.seconds(120)
    /// All else on the control link.
    public var control = TimeAmount.seconds(30)
    /// How long a caller's call on the control link outlasts failures that may pass. A signature has its own deadline.
    public var patience = TimeAmount.seconds(10)
    /// The longest time until a missing token is tried again as a whole; see `RecheckPace`.
    public var recheck = TimeAmount.seconds(30)
    /// The longest time until the next look at whether it is there again.
    public var look = TimeAmount.seconds(2)
    /// How often helpers may report, unasked, that the token is gone or back; see `NoticeAllowance`. A device that is
    /// plugged in and out by hand needs two reports each time.
    public var notices = 16
    public var noticePause = TimeAmount.seconds(5)
    /// Pause before a helper is restarted, doubled with each further death.
    public var firstPause = TimeAmount.milliseconds(100)
    public var longestPause = TimeAmount.seconds(5)
    /// A helper that lived this long was healthy: the pauses start over. As long as the longest pause: helpers are then
    /// started no more often than after many deaths in a row.
    public var wellAfter = TimeAmount.seconds(5)
    /// How long a helper may take to exit by itself when the agent stops or closes the token: it finishes its current
    /// call.
    public var stop = TimeAmount.seconds(2)

    public init() {}
}
