import ACME
import ACMEClient
import CertificateStore
import DurableFile
import Issuance
import StrictJSON

/// Orders at the staging environments of CAs that stop once the names are proven: the store's certificates and journals,
/// the remembered options and the token's keys stay as they are, and no hook but those for challenges runs.
struct DryRun: Sendable {
    /// What is tried for one certificate.
    struct Trial: Sendable {
        var request: IssuanceRequest
        var settings: CertificateSettings
        /// The CA where it is, or would be, ordered.
        var ca: ResolvedCA

        var name: CertificateName { request.name }
    }

    struct Report: Sendable {
        var proven: [(trial: Trial, staging: ACMEURL)] = []
        var failed: [(name: CertificateName, failure: Failure)] = []
    }

    let session: Session
    let display: ProgressDisplay

    /// A folder of its own below the state directory: journals in it say what a killed trial has left at challenges.
    private static let folderName = "dry-run"
    /// As deep as a store's folders are.
    private static let depth = 6

    /// - Throws: what ends all of them. A certificate's own failure is in the report.
    func run(_ trials: [Trial]) async throws -> Report {
        var report = Report()
        guard !trials.isEmpty else { return report }
        let keys = try await session.keys()
        for trial in trials {
            try Task.checkCancellation()
            do {
                try Hooks.check(trial.settings)
                let staging = try Self.staging(of: trial.ca, session)
                try await prove(trial, at: staging, keys)
                report.proven.append((trial, staging))
            } catch {
                try Task.checkCancellation()
                let failure = Failure(error)
                report.failed.append((trial.name, failure))
                session.output.reportPart(failure, of: trial.name.rawValue)
            }
        }
        removeScratch()
        return report
    }

    /// The directory of the CA's staging environment; that of the CA itself if it is one.
    static func staging(of ca: ResolvedCA, _ session: Session) throws(Failure) -> ACMEURL {
        if let staging = ca.staging { return staging }
        let isStaging = session.settings.cas.all.contains { $0.staging == ca.directory }
        guard !isStaging else { return ca.directory }
        throw .usage(
            "no staging environment of \(ca.text) is known, so nothing was tried",
            hint: "staging-directory in its [[ca]] part of the configuration names it; `acme-agent challenge test` tries without a CA")
    }

    private func prove(_ trial: Trial, at staging: ACMEURL, _ keys: AgentKeyProvider) async throws {
        do {
            try await session.withTransport(to: staging, remembered: trial.settings.caCertificate) { transport in
                let accounts = AccountFlow(store: session.store, keys: keys, transport: transport, observer: display.observer)
                let issuer = try ACMEIssuer(client: try await accounts.client(for: staging))
                let flow = IssuanceFlow(
                    issuer: issuer, store: session.store(at: scratch), keys: keys,
                    solvers: trial.settings.solvers(for: issuer.account, observer: display.observer), observer: display.observer)
                try await flow.prove(trial.request)
            }
        } catch IssuanceError.noAccount {
            let name = session.settings.knownCA(at: staging).name
            throw Failure(
                "no-account", .failed, "there is no account at \(staging.origin), where the dry run would order",
                hint: "acme-agent account register --agree-tos " + (name.map { "--ca \($0)" } ?? "--directory \(staging)"))
        }
    }

    private var scratch: String { session.settings.stateDirectory + "/" + Self.folderName }

    private func removeScratch() {
        // A journal that is still there belongs to another run, or names what could not be removed.
        guard let names = try? DurableFile.names(in: scratch + "/orders"), !names.isEmpty else {
            try? Folder(session.settings.stateDirectory).removeTree(Self.folderName, depth: Self.depth)
            return
        }
    }

    /// Prints the report.
    static func finish(_ report: Report, _ session: Session) throws -> ExitStatus {
        let lines = report.proven.map { trial, staging in
            let hooks = (trial.settings.deployHooks ?? []) + session.settings.rootDeployHooks(of: trial.name)
            let rest =
                hooks.isEmpty ? "" : "; deploy hooks that would run: \(Wording.list(hooks.map { TerminalText.safe($0, limit: 200) }))"
            return "\(trial.name): control of \(Wording.list(trial.request.identifiers)) is proven at \(staging); nothing was issued\(rest)"
        }
        try session.output.result(lines.joined(separator: "\n")) { json in
            json.member("dryRun", true)
            json.name("proven")
            json.beginArray()
            for (trial, staging) in report.proven {
                json.beginObject()
                json.member("name", trial.name.rawValue)
                json.name("identifiers")
                json.beginArray()
                for identifier in trial.request.identifiers { identifier.write(to: &json) }
                json.endArray()
                json.member("directory", staging.text)
                json.member("deployHooks", trial.settings.deployHooks ?? [])
                json.member("rootDeployHooks", session.settings.rootDeployHooks(of: trial.name))
                json.endObject()
            }
            json.endArray()
            json.name("failed")
            Failure.write(report.failed, to: &json)
        }
        return Renew.status(report.failed.map(\.failure.exitStatus))
    }
}
