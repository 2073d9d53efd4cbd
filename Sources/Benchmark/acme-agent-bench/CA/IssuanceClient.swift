/// An ACME client with an account at the benchmark's CA. It puts its http-01 responses into the benchmark's webroot.
protocol IssuanceClient {
    /// The name shown.
    var name: String { get }

    /// Gets one certificate with a new key for these names, which have not been used before.
    func issue(_ names: [String], trusting store: TrustStore) throws -> Issuance
}

/// What one issuance took.
struct Issuance {
    /// Seconds until the client was done.
    var wall: Double
    /// CPU time of the client and of the processes that work for it, seconds.
    var cpu: Double
    /// Peak resident memory of the client, MB.
    var memory: Double?
}
