/// An ACME client with an account at the benchmark's CA. Its http-01 answers go into the benchmark's webroot.
protocol IssuanceClient {
    /// As it is shown.
    var name: String { get }

    /// Gets one certificate for these names, which nobody has asked for before, with a new key.
    func issue(_ names: [String], trusting store: TrustStore) throws -> Issuance
}

/// What one certificate took.
struct Issuance {
    /// Seconds until the client was done.
    var wall: Double
    /// CPU time of the client, and of the processes that do its work, seconds.
    var cpu: Double
    /// Greatest resident memory of the client, MB.
    var memory: Double?
}
