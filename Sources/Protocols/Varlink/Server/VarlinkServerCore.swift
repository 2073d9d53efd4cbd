/// What all connections of a server share: routing, scheduling, reused memory.
///
/// One for each server; confined to the server's event loop.
public final class VarlinkServerCore {
    let router: VarlinkRouter
    let memory = MessageMemory()
    let rounds = PendingRounds()
    /// Whose turn it is, and who must wait for room.
    let schedule: ServerSchedule
    /// Parses long messages, if present.
    let thread: TurnThread?
    /// Records the time of calls, for the benchmark.
    package var latency: VarlinkLatency?

    /// - Parameters:
    ///   - info: What the service says about itself.
    ///   - interfaces: Those it offers.
    ///   - limits: What the connections may cost.
    ///   - rounds: Counts the rounds of the connections' loop; without it, a round is a millisecond.
    ///   - thread: Parses long messages; without it, they are parsed on the loop.
    public init(
        info: VarlinkServiceInfo, interfaces: [VarlinkInterface], limits: VarlinkServerLimits = VarlinkServerLimits(),
        rounds: LoopRounds? = nil, thread: TurnThread? = nil
    ) {
        self.router = VarlinkRouter(info: info, interfaces: interfaces)
        self.schedule = ServerSchedule(limits: limits, rounds: rounds)
        self.thread = thread
    }

    /// For a service, with its information and interfaces.
    public convenience init(
        _ service: some VarlinkService, limits: VarlinkServerLimits = VarlinkServerLimits(), rounds: LoopRounds? = nil,
        thread: TurnThread? = nil
    ) {
        self.init(info: service.info, interfaces: service.interfaces, limits: limits, rounds: rounds, thread: thread)
    }
}
