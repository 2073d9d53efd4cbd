import ACME
import CertificateStore

/// Bounds what is done with DNS servers: each answer may be slow, and lead to the next question.
enum DNSPatience {
    /// - Parameters:
    ///   - target: the record that is about to be added, found or removed.
    ///   - more: asked at the end of the limit: how much longer it is, because other records have been changed.
    /// - Throws: after the limit an `IssuanceError` that says that it may pass.
    static func within<Result: Sendable>(
        _ limit: Duration, _ identifier: Identifier, _ target: String, more: @escaping @Sendable () -> Duration = { .zero },
        _ body: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        try await withThrowingTaskGroup(of: Result?.self) { group in
            group.addTask { try await body() }
            group.addTask {
                var left = limit
                repeat {
                    try await Task.sleep(for: left)
                    left = more()
                } while left > .zero
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
