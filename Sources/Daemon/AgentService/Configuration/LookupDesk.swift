import Dispatch
import Glibc
import Synchronization

/// Looks things up on its own threads. A lookup that hangs in a directory service blocks nothing else: neither the
/// event loop, nor the start, nor the other lookups.
final class LookupDesk: Sendable {
    /// The most threads. If all of them hang, later lookups wait for one.
    private static let mostThreads = 16

    private struct State {
        var waiting: [Lookup] = []
        /// Waiting or being looked up: looked up once, however often it is asked for.
        var underWay: Set<Lookup> = []
        var answers: [Lookup: LookupAnswer] = [:]
        var threads = 0
        var listener: (@Sendable (Lookup, LookupAnswer) -> Void)?
    }

    private let state = Mutex(State())
    private let answered = DispatchSemaphore(value: 0)
    private let find: @Sendable (Lookup) -> LookupAnswer

    /// - Parameter find: A replacement for asking the system, for tests.
    init(find: @escaping @Sendable (Lookup) -> LookupAnswer = { $0.answer() }) { self.find = find }

    /// From now on the listener gets each answer, on a thread of the desk.
    func listen(_ listener: (@Sendable (Lookup, LookupAnswer) -> Void)?) { state.withLock { $0.listener = listener } }

    /// Starts these lookups; does not wait.
    func ask(_ lookups: some Sequence<Lookup>) {
        let threads = state.withLock { state in
            for lookup in lookups {
                state.answers[lookup] = nil
                if state.underWay.insert(lookup).inserted { state.waiting.append(lookup) }
            }
            let more = max(0, min(state.waiting.count, LookupDesk.mostThreads - state.threads))
            state.threads += more
            return more
        }
        for _ in 0..<threads { startThread() }
    }

    /// Starts these lookups, and waits for the answers, at most `seconds`.
    /// - Returns: The answers that came in time; the listener gets the others.
    func answers(to lookups: Set<Lookup>, within seconds: Double) -> [Lookup: LookupAnswer] {
        ask(lookups)
        let deadline = DispatchTime.now() + seconds
        while true {
            let answers = state.withLock { $0.answers }
            if lookups.isSubset(of: answers.keys) || answered.wait(timeout: deadline) == .timedOut {
                return answers.filter { lookups.contains($0.key) }
            }
        }
    }

    private func startThread() {
        var thread = pthread_t()
        let desk = Unmanaged.passRetained(self)
        let result = pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<LookupDesk>.fromOpaque(argument).takeRetainedValue().work() }
                return nil
            }, desk.toOpaque())
        if result == 0 {
            pthread_detach(thread)
        } else {
            desk.release()
            work(ending: result)
        }
    }

    /// - Parameter failure: Why there is no thread: waiting lookups are then answered with that, on the caller's
    ///   thread.
    private func work(ending failure: Int32? = nil) {
        while let lookup = next() {
            let answer = failure.map { LookupAnswer.nothing("cannot be looked up: \(String(cString: strerror($0)))") } ?? find(lookup)
            let listener = state.withLock { state in
                state.underWay.remove(lookup)
                state.answers[lookup] = answer
                return state.listener
            }
            answered.signal()
            listener?(lookup, answer)
        }
    }

    private func next() -> Lookup? {
        state.withLock { state in
            guard !state.waiting.isEmpty else {
                state.threads -= 1
                return nil
            }
            return state.waiting.removeFirst()
        }
    }
}
