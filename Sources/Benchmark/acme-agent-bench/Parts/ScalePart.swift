import ACME
import Glibc

/// Scaling: keys in the token, connections, a slow token, and start-up time.
final class ScalePart {
    let workshop: Workshop
    private var ends: [() -> Void] = []

    private static let fewKeys = 10
    private static let manyKeys = 10_000
    /// How long the slow token takes for a signature, and its number of sessions.
    static let slowMilliseconds = 20
    static let slowPool = 8

    init(_ workshop: Workshop) { self.workshop = workshop }

    func run(_ measure: (Plan) -> Void) throws {
        defer { for end in ends.reversed() { end() } }
        var plan = Plan()
        start(&plan)
        memory(&plan)
        slowToken(&plan)
        fairness(&plan)
        keys(&plan)
        measure(plan)
    }

    /// A daemon that runs during the whole part.
    func agent(_ name: String, _ settings: AgentUnderTest.Settings) throws -> AgentUnderTest {
        let agent = try AgentUnderTest(name, settings, workshop: workshop)
        ends.append { agent.stop() }
        return agent
    }

    private func start(_ plan: inout Plan) {
        plan.optional("start of the daemon") { plan in
            let agent = try self.agent("agent-start", AgentUnderTest.Settings())
            try agent.makeKey("p256", .p256)
            plan.probe("start of the daemon, to the first signature") {
                agent.stop()
                let began = Clock.seconds()
                try agent.start()
                let outcome = try agent.load(key: "p256", connections: 1, seconds: 0)
                guard outcome.failures == 0 else { throw BenchError("the first signature failed") }
                return ["start": Clock.seconds() - began]
            }
            plan.claims.append(.atMost("start of the daemon, to the first signature", "s", 0.3) { $0["start"] })
        }
        plan.probe("acme-agent --version") { [workshop] in
            let began = Clock.seconds()
            for _ in 0..<10 { try workshop.run([workshop.programs + "/acme-agent", "--version"]) }
            return ["version": (Clock.seconds() - began) / 10]
        }
        plan.claims.append(.atMost("acme-agent --version", "s", 0.03) { $0["version"] })
    }

    private func memory(_ plan: inout Plan) {
        plan.optional("memory") { plan in
            let agent = try self.agent("agent-memory", AgentUnderTest.Settings())
            try agent.makeKey("p256", .p256)
            plan.probe("memory, 1,000 connections") {
                agent.stop()
                try agent.start()
                let idle = Placement.residentMemory(agent.processes)
                var busy = 0.0
                _ = try agent.load(
                    key: "p256", connections: 1_000, seconds: 0.5, atEnd: { busy = Placement.residentMemory(agent.processes) })
                return ["memory.idle": idle, "memory.1000": busy]
            }
            plan.claims += [
                .figure("resident memory of daemon and helper, no connection", "MB", "memory.idle"),
                .atMost("resident memory of daemon and helper, 1,000 connections", "MB", 45) { $0["memory.1000"] },
            ]
        }
    }

    private func slowToken(_ plan: inout Plan) {
        let milliseconds = ScalePart.slowMilliseconds, pool = ScalePart.slowPool
        plan.optional("a token that takes \(milliseconds) ms") { plan in
            let agent = try self.agent("agent-slow", try self.slowSettings())
            try agent.makeKey("p256", .p256)
            let p256 = try KeyName("p256")
            plan.probe("a token that takes \(milliseconds) ms, 32 connections, and other calls") {
                let (signatures, others) = try Together.run(
                    { try agent.load(key: "p256", connections: 32, seconds: 2) },
                    {
                        try agent.load(connections: 1, seconds: 2, prefix: "{\"parameters\":{\"key\":") { _, _ in .describeKey(name: p256)
                        }
                    })
                return try signatures.figures("slow").merging(try others.figures("slow.others")) { $1 }
            }
            let most = Double(pool) * 1_000 / Double(milliseconds)
            plan.claims += [
                .atLeast("token of \(milliseconds) ms a signature, pool of \(pool): rate / (\(pool) / \(milliseconds) ms)", "×", 0.95) {
                    $0["slow.rate"].map { $0 / most }
                },
                .atMost("token of \(milliseconds) ms a signature: other calls' p99 meanwhile", "ms", 5) {
                    $0["slow.others.p99"].map { $0 / 1_000 }
                },
            ]
        }
    }

    /// Settings for a daemon whose token takes `slowMilliseconds` for a signature.
    func slowSettings() throws -> AgentUnderTest.Settings {
        let module = workshop.folder + "/slow-module.so"
        try workshop.run([
            "bash", "-c", "cc -O2 -shared -fPIC $(pkg-config --cflags p11-kit-1) -o \"$1\" softhsm/slow-module.c -ldl", "-", module,
        ])
        var settings = AgentUnderTest.Settings()
        settings.module = module
        settings.pool = ScalePart.slowPool
        settings.helperEnvironment = ["SLOW_SIGN_MILLISECONDS": "\(ScalePart.slowMilliseconds)"]
        return settings
    }

    private func keys(_ plan: inout Plan) {
        for count in [ScalePart.fewKeys, ScalePart.manyKeys] {
            plan.optional("\(count) keys") { plan in
                var settings = AgentUnderTest.Settings()
                settings.verifiesAll = false
                settings.keys = { [workshop] agent in try ManyKeysMaker(workshop: workshop).make(count, for: agent) }
                workshop.progress.show("scale: making \(count) keys")
                let agent = try self.agent("agent-\(count)-keys", settings)
                agent.settle()
                plan.probe("P-256, \(count) keys in the token, 1 connection") {
                    try agent.load(key: ManyKeys.name(0), connections: 1, seconds: 0.6).figures("keys.\(count)")
                }
                guard count == ScalePart.manyKeys else { return }
                plan.probe("listing \(count) keys") {
                    let began = Clock.seconds()
                    let listed = try agent.listKeys()
                    guard listed == count else { throw BenchError("\(listed) of \(count) keys were listed") }
                    return ["list": Clock.seconds() - began]
                }
                plan.probe("acme-agent keys list, \(count) keys") { [workshop] in
                    let began = Clock.seconds()
                    try workshop.run([workshop.programs + "/acme-agent", "keys", "list", "--socket", agent.socket])
                    return ["list.command": Clock.seconds() - began]
                }
                // Once: the keys take a minute to make.
                var started: Double? = agent.startTime
                plan.probe("start with \(count) keys") {
                    defer { started = nil }
                    return started.map { ["start.many": $0] } ?? [:]
                }
            }
        }
        plan.claims += [
            .figure("P-256, \(ScalePart.fewKeys) keys in the token, 1 connection: p50", "µs", "keys.\(ScalePart.fewKeys).p50"),
            .figure("P-256, \(ScalePart.manyKeys) keys in the token, 1 connection: p50", "µs", "keys.\(ScalePart.manyKeys).p50"),
            .atMost("P-256, 10,000 keys in the token / 10 keys: p50", "×", 1.1) {
                $0.ratio("keys.\(ScalePart.manyKeys).p50", "keys.\(ScalePart.fewKeys).p50")
            },
            .atMost("P-256, 10,000 keys in the token / 10 keys: CPU of daemon and helper", "×", 1.1) {
                $0.ratio("keys.\(ScalePart.manyKeys).cpu", "keys.\(ScalePart.fewKeys).cpu")
            },
            .atMost("listing 10,000 keys, over the socket", "s", 1) { $0["list"] },
            .atMost("listing 10,000 keys, acme-agent keys list", "s", 1) { $0["list.command"] },
            .figure("start of the daemon with 10,000 keys, to a ready token", "s", "start.many"),
        ]
    }
}
