import CertificateStore

@testable import Issuance

extension IssuanceFlow {
    /// Renews a certificate now, due or not; see `RenewalRule`.
    /// - Parameter adjust: changes the request, for example to have a new key.
    func renew(_ name: CertificateName, _ adjust: (inout IssuanceRequest) -> Void = { _ in }) async throws -> IssuanceOutcome {
        guard let certificate = try await store.certificate(named: name) else { throw IssuanceError.notFound(name) }
        var request = try Self.renewalRequest(for: certificate)
        adjust(&request)
        return try await issue(request)
    }
}
