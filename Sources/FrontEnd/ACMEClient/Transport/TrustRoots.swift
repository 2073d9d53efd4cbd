/// The root certificates to which the CA's own HTTPS certificate must chain.
public enum TrustRoots: Hashable, Sendable {
    /// The system's. Reading them takes longer than everything else in an issuance, so they are read only if nothing
    /// else is configured.
    case system
    /// Only those in this PEM file.
    case file(String)
}
