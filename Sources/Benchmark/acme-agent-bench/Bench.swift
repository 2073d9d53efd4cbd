import ArgumentParser
import Measurement

/// `acme-agent-bench`: measures the agent and its peers, interleaved in one run. Not installed.
@main
struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "acme-agent-bench",
        abstract: "Measure the agent and its peers, interleaved in one run.",
        discussion: "Start it with `make bench` in the package's folder. Docs/performance.md says what is measured and how.",
        subcommands: [
            Run.self, Compare.self, SignatureProfile.self, IssuanceProfile.self, FunctionOrder.self, Answer.self, Unrecorded.self,
            MeasuredDaemon.self, HostileCallersCommand.self,
            ManyKeys.self,
            ServeWebroot.self,
        ],
        defaultSubcommand: Run.self)
}

/// Measures.
struct Run: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Run the benchmark, or parts of it.")

    @Argument(help: "The parts to run: \(Part.allCases.map(\.rawValue).joined(separator: ", ")). Default: all.")
    var parts: [Part] = []

    @Option(help: "The report as JSON; a table (.md) is written next to it. Default: bench/latest.json; with --only, bench/only.json.")
    var output: String?

    @Option(help: "The minimum number of rounds.")
    var rounds = 4

    @Option(help: "Measure only what has this in its name, as shown during a run; may be given several times.")
    var only: [String] = []

    func validate() throws {
        guard rounds > 0 else { throw ValidationError("--rounds must be 1 or more") }
    }

    func run() throws {
        // Fail before minutes are spent on results that cannot be written.
        let output = output ?? (only.isEmpty ? "bench/latest.json" : "bench/only.json")
        if let folder = output.lastIndex(of: "/") { try Files.makeFolder(String(output[..<folder])) }
        let workshop = try Workshop()
        defer { workshop.remove() }
        var rows: [Row] = []
        var omissions: [Report.Omission] = []
        var offered: [String] = []
        for part in parts.isEmpty ? Part.allCases : parts {
            let began = Clock.seconds()
            workshop.progress.say("\(part.rawValue): setting up")
            try part.run(in: workshop) { plan in
                var plan = plan
                plan.rounds = plan.isRepeated ? rounds : 1
                offered += plan.probes.map(\.name)
                if !only.isEmpty { plan.restrict(to: only) }
                guard !plan.probes.isEmpty else { return }
                var measured = Rounds(part: part.rawValue, plan: plan, progress: workshop.progress)
                let found = measured.run()
                rows += found.rows
                omissions += found.omissions
            }
            workshop.progress.say("\(part.rawValue): \(Int(Clock.seconds() - began)) s")
        }
        guard only.isEmpty || !rows.isEmpty || !omissions.isEmpty else {
            throw ValidationError("nothing has \(only) in its name; choose from:\n  " + offered.joined(separator: "\n  "))
        }
        let report = Report(time: Clock.timestamp(), circumstances: Machine.circumstances(), rows: rows, omissions: omissions)
        try Files.write(output, report.json, mode: 0o644)
        let table = output.hasSuffix(".json") ? output.dropLast(5) + ".md" : output + ".md"
        try Files.write(String(table), report.markdown.utf8, mode: 0o644)
        print(report.markdown)
        let missed = rows.filter { $0.holds == false }
        print("\(rows.count) rows, \(rows.filter { $0.holds != nil }.count) with a limit, \(missed.count) miss it")
    }
}

/// Compares two reports.
struct Compare: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Show what changed by more than the noise between two reports.")

    @Argument(help: "The older report.")
    var base: String

    @Argument(help: "The newer report.")
    var report = "bench/latest.json"

    func run() throws {
        let comparison = Comparison(before: try Compare.read(base), after: try Compare.read(report))
        print(comparison.text, terminator: "")
        if comparison.changes.contains(where: \.isBroken) { throw ExitCode(1) }
    }

    private static func read(_ path: String) throws -> Report {
        do { return try Report(json: try Files.read(path)) } catch { throw ValidationError("\(path): \(error)") }
    }
}

/// The other end of the bare socket peer.
struct Answer: ParsableCommand {
    static let configuration = CommandConfiguration(shouldDisplay: false)

    @Argument var socket: String
    @Argument var requestLength: Int
    @Argument var replyLength: Int

    func run() throws { try BareSocketPeer.serve(path: socket, requestLength: requestLength, replyLength: replyLength) }
}
