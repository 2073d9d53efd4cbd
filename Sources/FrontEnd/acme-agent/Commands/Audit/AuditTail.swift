import ACME
import AgentClient
import AgentInterface
import ArgumentParser
import AuditTrail
import Synchronization

struct AuditTail: AgentCommand {
    static let stateUse = StateUse.none
    static let configuration = CommandConfiguration(
        commandName: "tail", abstract: "Show the last records of the audit trail.",
        discussion: """
            The agent's policy must grant you read-audit. With --json each record is one line, as it is in the file.

            Example: acme-agent audit tail -n 20 --follow
            """
    )

    @Option(name: [.customShort("n"), .customLong("last")], help: ArgumentHelp("Number of records.", valueName: "count"))
    var last = 10

    @Flag(name: .shortAndLong, help: "Continue with new records as they are written.")
    var follow = false

    @OptionGroup var options: GlobalOptions

    func validate() throws {
        // The agent would refuse more.
        if !(0...CallLimits.auditRecords).contains(last) { throw ValidationError("-n must be from 0 to \(CallLimits.auditRecords)") }
    }

    func run(_ session: Session) async throws -> ExitStatus {
        let agent = try await session.agent()
        let shown = try await AuditTail.fitting(last) { count in
            let ahead = ReadAhead()
            for try await line in ahead.lines(agent.audit(last: count, follow: follow)) {
                ahead.taken()
                let text = session.output.isJSON ? Output.withoutControls(Array(line.utf8)) : Array(AuditTail.text(line).utf8)
                try session.output.write(text + [0x0A])
            }
        }
        if shown < last {
            session.output.warning(
                "only the last \(Wording.count(shown, "record")) instead of \(last) \(shown == 1 ? "is" : "are") shown: "
                    + "about that many fit in one reply of the agent",
                hint: "`acme-agent audit tail -n \(last) --follow` shows all of them, and then new ones")
        }
        return .success
    }

    /// Lines that wait for a pager, which reads when its user does: the agent closes a connection whose replies are left
    /// unread for 30 s (Docs/protocol.md, "Limits").
    private final class ReadAhead: Sendable {
        /// Some 50 MB. Beyond that the agent is held back after all.
        private static let most = 100_000
        private let waiting = Atomic<Int>(0)

        func taken() { waiting.subtract(1, ordering: .relaxed) }

        func lines(_ lines: AuditLines) -> AsyncThrowingStream<String, any Error> {
            AsyncThrowingStream { continuation in
                let task = Task {
                    do {
                        for try await line in lines {
                            while waiting.load(ordering: .relaxed) >= ReadAhead.most { try await Task.sleep(for: .milliseconds(100)) }
                            waiting.add(1, ordering: .relaxed)
                            continuation.yield(line)
                        }
                        continuation.finish()
                    } catch { continuation.finish(throwing: error) }
                }
                continuation.onTermination = { _ in task.cancel() }
            }
        }
    }

    /// Shows as many of the last records as fit in one reply of the agent, which refuses to answer with fewer than it was
    /// asked for.
    /// - Parameter show: asks for so many and shows them.
    /// - Returns: for how many it was asked at last.
    static func fitting(_ last: Int, show: (Int) async throws -> Void) async throws -> Int {
        var count = last
        while true {
            do {
                try await show(count)
                return count
            } catch AgentError.invalidRequest(parameter: "last", _, _) where count > 1 {
                // Nothing was shown. In small steps: what fits and is not shown would be missed.
                count -= max(1, count / 8)
            }
        }
    }

    /// One line for a person; a line that is not a record is shown as it is.
    static func text(_ line: String) -> String {
        guard let entry = try? AuditEntry(line: Array(line.utf8)) else { return TerminalText.safe(line) }
        return TerminalText.safe(text(entry.record))
    }

    static func text(_ record: AuditRecord) -> String {
        let milliseconds = Int(record.time % 1000)
        let moment = RFC3339.string(record.time / 1000, milliseconds: milliseconds)
        var parts = ["\(record.sequence)", moment, record.result ?? record.kind.rawValue]
        if let operation = record.operation { parts.append(operation) }
        if let key = record.key { parts.append("by key \(key)") }
        if !record.identifiers.isEmpty { parts.append("for \(Wording.list(record.identifiers))") }
        if let ca = record.ca { parts.append("at \(ca)") }
        if let uid = record.uid { parts.append("asked by user \(uid)") }
        if let grant = record.grant { parts.append("(grant \(grant))") }
        // The detail of a refusal already begins with the reason.
        if let error = record.error, record.detail?.hasPrefix("\(error):") != true { parts.append("[\(error)]") }
        if let detail = record.detail { parts.append("- \(detail)") }
        return parts.joined(separator: " ")
    }
}
