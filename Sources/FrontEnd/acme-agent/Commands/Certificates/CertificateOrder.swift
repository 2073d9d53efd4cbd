import ACME
import CertificateStore
import Issuance

/// One order, with the settings that are remembered for the certificate's renewals: what `issue` and `apply` have in
/// common.
struct CertificateOrder: Sendable {
    var request: IssuanceRequest
    /// The CA.
    var directory: ACMEURL
    var settings: CertificateSettings
    /// The settings to remember.
    var kept: CertificateSettings
    /// Whether there is no certificate of that name yet.
    var isFirst: Bool

    /// - Parameter isWanted: decides under the certificate's lock.
    /// - Returns: `nil` if it is no longer wanted.
    func place(
        _ session: Session, keys: any KeyProvider, _ display: ProgressDisplay, timings: Timings? = nil,
        ifStill isWanted: (StoredCertificate?, OrderJournal?) -> Bool
    ) async throws -> IssuanceOutcome? {
        let memory = RememberedSettings(stateDirectory: session.settings.stateDirectory), name = request.name
        let before = isFirst ? nil : (try? await session.store.certificate(named: name))?.metadata.key
        let outcome = try await session.withFlow(at: directory, keys: keys, settings, display, oldKey: request.oldKey, timings: timings) {
            flow in
            // Before the first order, so that `renew` can resume it. Later orders change the settings when they
            // succeed.
            if isFirst { try memory.remember(kept, for: name) }
            do { return try await flow.issue(request, ifStill: isWanted) } catch IssuanceError.deployFailed(let name, let reason) {
                // It is installed, with these settings; the next run needs the hook's name.
                try? memory.remember(kept, for: name)
                throw IssuanceError.deployFailed(name, reason: reason)
            } catch {
                // The refused order has left nothing that needs the settings.
                if case .some(.none) = try? await session.store.journal(named: name),
                    case .some(.none) = try? await session.store.certificate(named: name)
                {
                    try? memory.forget(name)
                }
                throw error
            }
        }
        if let outcome {
            try memory.remember(kept, for: name)
            if let before, before.fingerprint != outcome.certificate.metadata.key.fingerprint {
                session.warnOfOldKey(of: name, settings, request.oldKey, isMade: true)
            }
        }
        return outcome
    }

    /// Says that a person who wanted another certificate got one that an earlier run had ordered: "again" may mean the
    /// same command after an interruption, and a second certificate counts towards the CA's limits.
    static func note(_ outcome: IssuanceOutcome, force: Bool, newKey: Bool, _ output: Output) {
        guard outcome.wasInstalled, force || newKey else { return }
        let name = outcome.certificate.name
        output.warning(
            "\(name) was installed by an earlier run, which did not complete its deployment; that is done now, and nothing else was ordered",
            hint: "the same command\(force ? "" : ", with --force,") orders another certificate now"
                + (newKey ? "; this one's key \"\(outcome.key.name)\" was made for it" : ""))
    }
}

extension Session {
    /// Warns that servers use the old key until somebody reloads them, unless something does.
    /// - Parameter isMade: whether the certificate has the new key already.
    func warnOfOldKey(
        of name: CertificateName, _ certificate: CertificateSettings, _ oldKey: IssuanceRequest.OldKey, isMade: Bool
    ) {
        guard certificate.deployHooks == nil, settings.rootDeployHooks(of: name).isEmpty, oldKey != .keep else { return }
        let grace = certificate.oldKeyGrace ?? CertificateSettings.defaultOldKeyGrace, end = oldKey == .delete ? "deleted" : "retired"
        output.warning(
            "\(name) \(isMade ? "has a new key, but" : "gets a new key, but has") no deploy hook: servers use the old one until they are "
                + "reloaded, and it is \(end) " + (grace > 0 ? "in \(Wording.duration(seconds: Int64(grace)))" : "at once"),
            hint: "acme-agent deploy SERVER \(name) prints the hook for a server")
    }
}
