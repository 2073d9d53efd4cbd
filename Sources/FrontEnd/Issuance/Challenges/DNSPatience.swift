import ACME
import CertificateStore

/// Bounds what is done with DNS servers: each answer may be slow, and lead to the next question.
enum DNSPatience {
    /// - Parameter target: the record that is about to be added, found or removed.
    /// - Throws: after the limit an `IssuanceError` that says that it may pass.
    static func within<Result: Sendable>(
        _ limit: Duration, _ identifier: Identifier, _ target: String, _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        try await withThrowingTaskGroup(of: Result?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                try await Task.sleep(for: limit)
                return nil
            }
            defer { group.cancelAll() }
            guard let first = try await group.next(), let result = first else {
                throw IssuanceError.passing(
                    identifier, reason: "the DNS servers for \(target) did not answer in time",
                    hint: "acme-agent asks the resolvers of /etc/resolv.conf, or --dns-resolver, and then the servers of the zone")
            }
            return result
        }
    }
}
