/// A time limit for an asynchronous operation.
enum Deadline {
    /// Runs `operation`. If it takes longer than `duration`, cancels it and throws the error that `orThrow` makes.
    static func within<Result: Sendable>(
        _ duration: Duration, _ operation: @escaping @Sendable () async throws -> Result, orThrow error: @escaping @Sendable () -> any Error
    ) async throws -> Result {
        try await withThrowingTaskGroup(of: Result?.self) { group in
            group.addTask { try await operation() }
            group.addTask {
                try await Task.sleep(for: duration)
                return nil
            }
            defer { group.cancelAll() }
            guard let first = try await group.next(), let result = first else { throw error() }
            return result
        }
    }
}
