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
        let outcome = try await session.withFlow(at: directory, keys: keys, settings, display, timings: timings) { flow in
            // Before the first order, so that `renew` can resume it. Later orders change the settings when they
            // succeed.
            if isFirst { try memory.remember(kept, for: name) }
            do { return try await flow.issue(request, ifStill: isWanted) } catch {
                // The refused order has left nothing that needs the settings.
                if case .some(.none) = try? await session.store.journal(named: name),
                    case .some(.none) = try? await session.store.certificate(named: name)
                {
                    try? memory.forget(name)
                }
                throw error
            }
        }
        if outcome != nil { try memory.remember(kept, for: name) }
        return outcome
    }
}
