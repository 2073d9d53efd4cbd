import ACME
import AgentInterface
import CMeasurement
import Glibc

/// The daemon and its hostile callers.
final class HostileBench {
    private let workshop: Workshop
    private let agent: AgentUnderTest
    private let latency: String
    private let size: HostileCallers.Size
    /// Where the daemon runs, away from the callers.
    private static let processor: Int32 = 1

    init(workshop: Workshop, size: HostileCallers.Size) throws {
        self.workshop = workshop
        self.size = size
        signal(SIGPIPE, SIG_IGN)
        try HostileCallers.raiseLimit(for: size.connections)
        latency = workshop.folder + "/latency-hostile"
        var settings = AgentUnderTest.Settings()
        settings.users = [HostilePart.modest]
        settings.isOpen = true
        // Both users must have room for their half.
        settings.connectionsPerUser = size.connections
        settings.program = [workshop.bench, "measured-daemon", "--latency", latency]
        agent = try AgentUnderTest("agent-hostile", settings, workshop: workshop)
        try agent.makeKey("p256", .p256)
    }

    func stop() { agent.stop() }

    /// Calls of the modest user alone, and beside the others.
    func measure(seconds: Double, seed: UInt64) throws -> [String: Double] {
        let callers = try HostileCallers(path: agent.socket, users: HostilePart.hostile, key: "p256", size: size, seed: seed)
        setApart(agent.daemonProcess)
        _ = try agent.inside(latency, of: HostilePart.modest)
        _ = try small(seconds / 3)
        let alone = try agent.inside(latency, of: HostilePart.modest)
        let before = Placement.residentMemory([agent.daemonProcess])
        let began = Clock.seconds()
        try callers.open()
        // As long as both of the modest user's loads with their warm-up, and a little longer on both sides.
        let meanwhile = HostileMeanwhile()
        var loads = callers.loads(seconds: seconds * 2.2 + 1)
        loads.append {
            usleep(300_000)
            let described = try self.small(seconds)
            meanwhile.inside = try self.agent.inside(self.latency, of: HostilePart.modest)
            meanwhile.signed = try self.agent.load(key: "p256", connections: 1, seconds: seconds, user: HostilePart.modest)
            meanwhile.memory = Placement.residentMemory([self.agent.daemonProcess])
            return described
        }
        let all = try Together.run(loads)
        let open = callers.stillOpen
        guard let described = all.last else { throw BenchError("nothing was measured") }
        let signed = meanwhile.signed
        var figures = [
            "hostile.alone.calls": alone.calls, "hostile.alone.p99": alone.p99, "hostile.meanwhile.p99": meanwhile.inside.p99,
            "hostile.calls": Double(described.calls), "hostile.signatures": Double(signed.calls),
            "hostile.failures": Double(described.failures + signed.failures),
            "hostile.open.idle": Double(open.idle), "hostile.open.slow": Double(open.slow),
            "hostile.lost": Double(size.idle + size.slow - open.idle - open.slow),
            "hostile.memory.before": before, "hostile.memory": meanwhile.memory,
            "hostile.memory.limit": HostilePart.memoryLimit(before: before, size: size),
        ]
        if signed.failures == 0 { figures["hostile.signature.p99"] = try signed.figures("signature")["signature.p99"].map { $0 / 1_000 } }
        for (flood, outcome) in zip(callers.floods, all) {
            let name = "hostile.\(flood.kind.rawValue)"
            figures[name + ".sent"] = Double(flood.sent)
            figures[name + ".replies"] = Double(flood.replies)
            figures[name + ".closed"] = Double(flood.closed)
            figures[name + ".rate"] = outcome.rate
        }
        let minutes = ((Clock.seconds() - began) / 60).rounded(.up) + 1, users = Double(HostilePart.hostile.count)
        let trail = try trail()
        figures["hostile.trail.records"] = Double(trail.records)
        figures["hostile.trail.records.limit"] = users * minutes * HostilePart.recordsPerMinute
        figures["hostile.trail.kib"] = Double(trail.bytes) / 1_024
        figures["hostile.trail.kib.limit"] = users * minutes * HostilePart.bytesPerMinute / 1_024
        return figures
    }

    /// Gives the daemon a CPU before everything else on it.
    private func setApart(_ process: pid_t) {
        for thread in Placement.threads(of: process) {
            _ = cmeasurement_pin(thread, HostileBench.processor)
            prefer(thread, -20)
        }
    }

    /// Sets a thread's nice value; 0 is the calling thread.
    private func prefer(_ thread: pid_t, _ value: Int32) { _ = setpriority(__priority_which_t(PRIO_PROCESS.rawValue), id_t(thread), value) }

    private func small(_ seconds: Double) throws -> Outcome {
        let key = try KeyName("p256")
        _ = cmeasurement_pin(0, Flood.processor)
        // Before the others, or there are too few calls for a quantile.
        prefer(0, -20)
        defer {
            _ = cmeasurement_unpin(0)
            prefer(0, 0)
        }
        return try agent.load(connections: 1, seconds: seconds, user: HostilePart.modest, prefix: "{\"parameters\":{\"key\":") { _, _ in
            .describeKey(name: key)
        }
    }

    /// What the trail has of the two users.
    private func trail() throws -> (records: Int, bytes: Int) {
        let text = try Files.text(agent.stateFolder + "/audit/audit.jsonl")
        let marks = HostilePart.hostile.map { "\"uid\":\($0)," }
        let lines = text.split(separator: "\n").filter { line in marks.contains { line.contains($0) } }
        return (lines.count, lines.reduce(0) { $0 + $1.utf8.count + 1 })
    }
}

/// What the modest user's thread finds.
private final class HostileMeanwhile {
    var inside = AgentUnderTest.Inside()
    var signed = Outcome()
    var memory = 0.0
}
