/// Which root certificates the CA's own HTTPS certificate must chain to.
public enum TrustRoots: Hashable, Sendable {
    /// Those of the system. Reading them takes longer than everything else in an issuance, so they are read only where nothing else is
    /// configured.
    case system
    /// Only those in this PEM file.
    case file(String)
}
