import ACME
import ACMEClient
import ArgumentParser
import CertificateStore
import Glibc
import Issuance

struct Run: AgentCommand {
    static let configuration = CommandConfiguration(
        abstract: "Keep running and renew certificates when they are due.",
        discussion: """
            It does what `acme-agent renew --all` does, as soon as something is due, and reads the store at least once \
            an hour. SIGTERM ends it; the next run resumes what it was working on. A failure does not end it: it is \
            printed, and the work is tried again later.

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
                await announce(session)
                var warned: [RenewalReport.Warning] = []
                while true { warned = try await round(session, display, after: warned) }
            }
        } catch let failure as Failure where failure.exitStatus == .terminated {
            // As it is meant to end.
            return .success
        }
        return .success
    }

    /// Says once what is watched, and what is due first, as far as the store knows it.
    private func announce(_ session: Session) async {
        guard session.output.verbosity > .quiet else { return }
        let now = Session.now, names = (try? await session.store.certificateNames()) ?? []
        var first: (name: CertificateName, due: Int64)?
        for name in names {
            guard let stored = try? await session.store.certificate(named: name), stored.metadata.directory != nil else { continue }
            var report = CertificateReport(stored, now: now)
            report.take(await session.renewalRecord(of: stored))
            guard let due = report.renewal, due < first?.due ?? .max else { continue }
            first = (name, due)
        }
        let place = TerminalText.safe(session.settings.stateDirectory)
        let next = first.map { $0.due <= now ? "\($0.name) is due" : "\($0.name) is due first, \(Wording.moment($0.due, from: now))" }
        session.output.note(
            names.isEmpty
                ? "watching \(place): there are no certificates yet"
                : "watching \(Wording.count(names.count, "certificate")) in \(place): "
                    + (next.map { "\($0) (\(RFC3339.string(first?.due ?? now)))" } ?? "none is renewed by an ACME CA"))
    }

    /// - Parameter warned: what has been said already, and is not said again.
    /// - Returns: what is wrong now.
    private func round(
        _ first: Session, _ display: ProgressDisplay, after warned: [RenewalReport.Warning]
    ) async throws -> [RenewalReport.Warning] {
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
        let (warnings, isAgentBack) = report.standing(after: warned)
        RenewalReport.Warning.print(warnings.filter { !warned.contains($0) }, session.output)
        if isAgentBack { session.output.note("the agent answers again") }
        await Renew.settleOutgoingKeys(session)
        let pause = max(next - now, 1) + Int64(Int.random(in: Self.jitter))
        session.output.detail("next round in \(Wording.duration(seconds: pause))")
        try await Task.sleep(for: .seconds(pause))
        return warnings
    }

    private static func moment(_ outcome: IssuanceOutcome, _ now: Int64) -> String {
        Wording.moment(outcome.certificate.metadata.notAfter, from: now)
    }
}
