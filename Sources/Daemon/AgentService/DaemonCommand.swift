import Dispatch
import Glibc
import Synchronization

/// What the daemon is told from outside while it runs.
enum DaemonCommand: Sendable, Hashable {
    /// With the name of the signal.
    case stop(String)
    case reload
}

/// SIGTERM, SIGINT and SIGHUP, one after another. Once this exists, none of them ends the process by itself.
final class DaemonSignals {
    /// What has arrived and was not yet returned.
    private final class Arrived: Sendable {
        struct State {
            var stop: String?
            /// True however many SIGHUPs came: the newest file is read once.
            var isReloadWanted = false
        }

        let state = Mutex(State())
        let semaphore = DispatchSemaphore(value: 0)
    }

    private let arrived = Arrived()
    private let sources: [any DispatchSourceSignal]

    init() {
        let queue = DispatchQueue(label: "signals")
        let names: [(Int32, String?)] = [(SIGTERM, "SIGTERM"), (SIGINT, "SIGINT"), (SIGHUP, nil)]
        sources = names.map { [arrived] number, name in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler {
                arrived.state.withLock { state in
                    if let name { state.stop = name } else { state.isReloadWanted = true }
                }
                arrived.semaphore.signal()
            }
            source.resume()
            return source
        }
    }

    deinit { for source in sources { source.cancel() } }

    /// Waits for the next command; a stop comes before anything else.
    func next() -> DaemonCommand {
        while true {
            let command: DaemonCommand? = arrived.state.withLock { state in
                if let name = state.stop { return .stop(name) }
                guard state.isReloadWanted else { return nil }
                state.isReloadWanted = false
                return .reload
            }
            if let command { return command }
            arrived.semaphore.wait()
        }
    }
}
