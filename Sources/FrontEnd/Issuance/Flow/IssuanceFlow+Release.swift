import ACME
import ACMEClient
import CertificateStore

extension IssuanceFlow {
    /// Authorizations of one order that are given up: no CA takes more names.
    private static let mostReleased = 100
    /// How long that may take: the failure itself has to be told.
    private static let releasePatience: Duration = .seconds(20)

    /// Deactivates what a failed order leaves pending, where the CA counts it. Its own failure is only a warning: such an
    /// authorization expires.
    func releaseAuthorizations(of journal: OrderJournal) async {
        guard let urls = IssuerOrder(journal)?.authorizations, !urls.isEmpty, await releasesAuthorizations() else { return }
        let deadline = time.uptime() + Self.releasePatience
        for url in urls.prefix(Self.mostReleased) where time.uptime() < deadline && !Task.isCancelled {
            do {
                guard try await issuer.authorization(at: url).state == .pending else { continue }
                try await issuer.deactivate(authorization: url)
            } catch {
                observer(.warning("an authorization of the failed order stays pending at the CA until it expires: \(error)"))
                return
            }
        }
    }
}
