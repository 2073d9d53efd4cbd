import ArgumentParser
import Measurement
import StrictJSON

/// Where the time of one issuance goes: the output of `acme-agent issue --timings`, from the median of several runs.
struct IssuanceProfile: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "issuance-profile", abstract: "Show where the time of an issuance goes, step by step, as a table and a picture.")

    @Option(help: "The folder for issuance.md and issuance.svg.")
    var output = "bench"

    @Option(help: "Number of issuances; the one with the median wall time is shown.")
    var issuances = 11

    func run() throws {
        let workshop = try Workshop()
        defer { workshop.remove() }
        try Files.makeFolder(output)
        let field = try IssuanceField("pebble", workshop: workshop)
        defer { field.stop() }
        let agent = try AgentUnderTest("agent-issuance", AgentUnderTest.Settings(), workshop: workshop)
        defer { agent.stop() }
        let client = try AcmeAgentClient(agent: agent, field: field)
        let timings = workshop.folder + "/timings.json"
        var traces: [IssuanceTrace] = []
        for number in 1...max(1, issuances) {
            workshop.progress.show("issuance profile: \(number) of \(issuances)")
            let began = Clock.nanoseconds()
            _ = try client.issue(field.ca.freshNames(), trusting: .oneRoot, timings: timings)
            traces.append(try IssuanceTrace(json: Files.read(timings), began: began, ended: Clock.nanoseconds()))
        }
        let sorted = traces.sorted { $0.duration < $1.duration }
        let trace = sorted[sorted.count / 2]
        try Files.write(output + "/issuance.svg", trace.chart.svg.utf8, mode: 0o644)
        try Files.write(output + "/issuance.md", trace.markdown.utf8, mode: 0o644)
        print(trace.markdown)
    }
}
