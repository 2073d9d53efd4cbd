import Synchronization

/// How far a long answer has come: many records take time, which is not silence.
final class Seen: Sendable {
    private let records = Atomic<UInt64>(0)

    func count(_ number: UInt64) { records.store(number, ordering: .relaxed) }

    /// Returns when nothing has come for `duration`.
    func stall(for duration: Duration) async throws {
        var before = UInt64.max
        while true {
            let now = records.load(ordering: .relaxed)
            guard now != before else { return }
            before = now
            try await Task.sleep(for: duration)
        }
    }
}
