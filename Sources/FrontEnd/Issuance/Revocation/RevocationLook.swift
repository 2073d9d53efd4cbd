import CertificateStore

/// What a certificate's revocation list says of it.
public enum RevocationLook: Sendable, Equatable {
    /// It names no list that can be asked.
    case none
    case notRevoked(RenewalRecord.SeenList)
    case revoked(RenewalRecord.Revocation, RenewalRecord.SeenList)
    /// No list could be had, or none counts. That is no reason to renew.
    case failed(reason: String)
    /// Others took all the time; nothing was asked.
    case postponed
}
