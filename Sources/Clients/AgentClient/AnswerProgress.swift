import Synchronization

/// How far an answer in many parts has come: they take time, which is not silence.
package final class AnswerProgress: Sendable {
    private let parts = Atomic<UInt64>(0)

    package init() {}

    /// Another part has come.
    package func advance() { parts.wrappingAdd(1, ordering: .relaxed) }

    /// Returns when nothing has come for `duration`.
    package func stall(for duration: Duration) async throws {
        var before: UInt64?
        while true {
            let now = parts.load(ordering: .relaxed)
            guard now != before else { return }
            before = now
            try await Task.sleep(for: duration)
        }
    }
}
