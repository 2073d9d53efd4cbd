import ACMEClient
import ArgumentParser
import CertificateStore
import Glibc
import Issuance

struct Run: AgentCommand {
    static let configuration = CommandConfiguration(
        abstract: "Keep running and renew certificates when they are due.",
        discussion: """
            It decides as `acme-agent renew --all` does, at the moment at which something is due, and looks at the store \
            at least once an hour. SIGTERM ends it; what it was working on is resumed by the next run. A failure ends \
            nothing: it is printed, and tried again later.

            Example: acme-agent run
            """)

    @Option(help: ArgumentHelp("Renew this many at once. (default: \(RenewalScheduler.Limits().atOnce))", valueName: "count"))
    var atOnce: Int?

    @OptionGroup var options: GlobalOptions

    func validate() throws {
        if let atOnce, !Renew.atOnceRange.contains(atOnce) {
            throw ValidationError("--at-once takes from \(Renew.atOnceRange.lowerBound) to \(Renew.atOnceRange.upperBound)")
        }
    }

    /// Seconds: several hosts that were started together do not ask together.
    private static let jitter = 0..<30

    func run(_ session: Session) async throws -> ExitStatus {
        let display = ProgressDisplay(session.output)
        do {
            try await session.followed(display) { _ in
                while true { try await round(session, display) }
            }
        } catch let failure as Failure where failure.exitStatus == .terminated {
            // As it is meant to end.
            return .success
        }
        return .success
    }

    private func round(_ first: Session, _ display: ProgressDisplay) async throws {
        // Read again each time: what a person mends or adds counts from the next round on.
        var session = first
        do { session = Session(settings: try Settings(options, environment: Environment.current()), output: first.output) } catch {
            first.output.report(Failure(error), json: false)
        }
        let renewals = Renewals(
            session, given: CertificateSettings(), CertificateOptions.unset, display, isForced: false, isNamed: false)
        var next = Session.now + RenewalScheduler.longestPause
        do {
            next = try await renewals.runDue(atOnce: atOnce ?? RenewalScheduler.Limits().atOnce)
        } catch {
            try Task.checkCancellation()
            // The store or the configuration: a person mends it while this goes on.
            session.output.report(Failure(error), json: false)
            next = Session.now + 300
        }
        // Nothing is waited for between two rounds.
        display.finish(summary: false)
        let report = renewals.report, now = Session.now
        for outcome in report.renewed {
            session.output.note("renewed \(outcome.certificate.name), valid until \(Self.moment(outcome, now))")
        }
        for entry in report.postponed { session.output.note(entry.line(from: now)) }
        Renew.warn(of: report.toRequest, session.output)
        await Renew.settleOutgoingKeys(session)
        let pause = max(next - now, 1) + Int64(Int.random(in: Self.jitter))
        session.output.detail("next round in \(Wording.duration(seconds: pause))")
        try await Task.sleep(for: .seconds(pause))
    }

    private static func moment(_ outcome: IssuanceOutcome, _ now: Int64) -> String {
        Wording.moment(outcome.certificate.metadata.notAfter, from: now)
    }
}
