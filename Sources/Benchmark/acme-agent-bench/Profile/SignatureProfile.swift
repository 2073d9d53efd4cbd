import ArgumentParser
import Glibc
import Measurement

/// Where the time of one signature goes: call stacks that perf(1) samples while the agent signs.
///
/// With one connection and everything on one CPU, that CPU is never idle, so a stage's share of the samples is its
/// share of the caller's wait. With 64 connections, the CPU time per signature counts.
struct SignatureProfile: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "profile", abstract: "Show where the time of a signature goes, stage by stage, as a table and a picture.")

    @Option(help: "The folder for signature.md and signature.svg.")
    var output = "bench"

    func run() throws {
        let workshop = try Workshop()
        defer { workshop.remove() }
        try Files.makeFolder(output)
        var bars: [StackedBars.Bar] = []
        for verifiesAll in [false, true] {
            var settings = AgentUnderTest.Settings()
            settings.verifiesAll = verifiesAll
            let agent = try AgentUnderTest("agent-\(verifiesAll)", settings, workshop: workshop)
            defer { agent.stop() }
            try agent.makeKey("p256", .p256)
            let shown = verifiesAll ? "verified" : "not verified"
            workshop.progress.show("profile: one connection, \(shown)")
            bars.append(try alone(agent, shown, workshop))
            workshop.progress.show("profile: 64 connections, \(shown)")
            bars.append(try crowded(agent, shown, workshop))
        }
        let picture = StackedBars(title: "Where the time of a P-256 signature goes", unit: "µs", bars: bars)
        try Files.write(output + "/signature.svg", picture.svg.utf8, mode: 0o644)
        try Files.write(output + "/signature.md", picture.markdown.utf8, mode: 0o644)
        print(picture.markdown)
    }

    /// One connection on one CPU: the share of the samples times the caller's wait.
    private func alone(_ agent: AgentUnderTest, _ shown: String, _ workshop: Workshop) throws -> StackedBars.Bar {
        var profile = StackProfile(perfScript: "")
        let outcome = try record(["-C", "0"], workshop, into: &profile) { seconds in
            try agent.load(key: "p256", connections: 1, seconds: seconds, placement: .oneCPU)
        }
        let mean = 1e6 / outcome.rate
        return bar("1 connection, one CPU, \(shown): a caller waits", profile, agent, total: mean, without: [])
    }

    /// 64 connections: CPU time of daemon and helper per signature.
    private func crowded(_ agent: AgentUnderTest, _ shown: String, _ workshop: Workshop) throws -> StackedBars.Bar {
        var profile = StackProfile(perfScript: "")
        let outcome = try record(["-a"], workshop, into: &profile) { seconds in
            try agent.load(key: "p256", connections: 64, seconds: seconds)
        }
        let cpu = outcome.cpu * 1e6 / Double(max(1, outcome.calls))
        return bar("64 connections, \(shown): CPU of daemon and helper", profile, agent, total: cpu, without: [.client, .idle])
    }

    private func bar(
        _ name: String, _ profile: StackProfile, _ agent: AgentUnderTest, total: Double, without: Set<SignatureStage>
    ) -> StackedBars.Bar {
        let processes = SignatureStage.Processes(client: getpid(), daemon: agent.daemonProcess, helper: agent.helperProcess)
        let counts = profile.counts { sample -> SignatureStage? in
            let stage = SignatureStage(sample, processes)
            return without.contains(stage) ? nil : stage
        }
        let all = Double(max(1, counts.values.reduce(0, +)))
        return StackedBars.Bar(
            name: name,
            parts: SignatureStage.allCases.compactMap { stage in counts[stage].map { (stage.rawValue, Double($0) / all * total) } })
    }

    /// Samples while a load runs.
    private func record(
        _ whom: [String], _ workshop: Workshop, into profile: inout StackProfile, _ load: (Double) throws -> Outcome
    ) throws -> Outcome {
        let data = workshop.folder + "/perf.data", text = workshop.folder + "/perf.txt"
        let perf = try ChildProcess(
            ["perf", "record", "-q"] + whom + [
                "-e", "cpu-clock", "-F", "\(SignatureProfile.frequency)", "-g", "-o", data, "--", "sleep", "2",
            ],
            environment: workshop.environment, log: workshop.folder + "/perf.log")
        let outcome = try load(2.2)
        guard try perf.wait().status == 0 else { throw BenchError("perf record: \(perf.lastWords)") }
        unlink(text)
        let script = try ChildProcess(
            ["perf", "script", "-i", data, "-F", "comm,pid,ip,sym,dso"], environment: workshop.environment, log: text)
        guard try script.wait().status == 0 else { throw BenchError("perf script: \(script.lastWords)") }
        profile = StackProfile(perfScript: try Files.text(text))
        return outcome
    }

    /// Samples per second and CPU; not a multiple of the kernel's own tick.
    private static let frequency = 4_999
}
