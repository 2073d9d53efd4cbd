import Synchronization

/// Set when a task is cancelled, checked on the event loop.
final class CancellationMark: Sendable {
    private let value = Atomic(false)
    var isSet: Bool { value.load(ordering: .relaxed) }
    func set() { value.store(true, ordering: .relaxed) }
}
