import ACME
import ArgumentParser
import DurableFile

struct MetricsCommand: AgentCommand {
    static let stateUse = StateUse.read
    static let configuration = CommandConfiguration(
        commandName: "metrics", abstract: "Print metrics for Prometheus: the agent's, and those of the stored certificates.",
        discussion: """
            They are in Prometheus's text format. The agent's policy must grant you read-metrics. With --textfile they \
            are written to a file for node_exporter's textfile collector, which is replaced as a whole; its folder \
            must belong to you or root. metrics.md lists the metrics.

            If the agent cannot be reached, acme_agent_reachable is 0 and the exit status is 3; if its policy refuses, \
            acme_agent_metrics_refused is 1 and the exit status is 2. The certificates' metrics are printed in both cases.

            Example: acme-agent metrics --textfile /var/lib/acme-agent-metrics/a.prom
            """)

    @Option(help: ArgumentHelp("Write them to this file, for everybody to read.", valueName: "file"))
    var textfile: String?

    @Flag(help: "Print only the certificates' metrics; do not ask the agent.")
    var withoutAgent = false

    @OptionGroup var options: GlobalOptions

    func validate() throws {
        guard let textfile else { return }
        // node_exporter reads no other files.
        if !textfile.hasSuffix(".prom") { throw ValidationError("node_exporter reads only files whose name ends in .prom") }
    }

    func run(_ session: Session) async throws -> ExitStatus {
        var agentText: String?, failure: Failure?
        if !withoutAgent {
            do { agentText = try await session.agent().metrics() } catch { failure = Failure(error) }
            try Task.checkCancellation()
        }
        let contents = try await StoreContents(session)
        let store = await StoreMetrics(contents, session, agent: withoutAgent ? .notAsked : Self.answer(failure))
        let text = (agentText ?? "") + store.text
        if let textfile {
            do { try DurableFile.replace(textfile, with: Array(text.utf8), mode: 0o644) } catch {
                throw Failure(
                    "output", .failed, "the metrics cannot be written to \(TerminalText.safe(textfile)): \(error)",
                    hint: "the folder must exist, and you must be able to write to it")
            }
        } else {
            try session.output.result(text) { json in json.member("metrics", text) }
        }
        guard let failure else { return .success }
        session.output.report(failure, json: false)
        return failure.exitStatus
    }

    /// A refusal is an answer, too.
    private static func answer(_ failure: Failure?) -> StoreMetrics.Answer {
        guard let failure else { return .given }
        return failure.exitStatus == .refused ? .refused : .unanswered
    }
}
