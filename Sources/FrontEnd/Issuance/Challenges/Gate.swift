import Synchronization

/// Admits a bounded number of tasks at a time, in order of arrival.
public actor Gate {
    private var free: Int
    private var waiting: [CheckedContinuation<Void, Never>] = []

    public init(limit: Int) { free = max(limit, 1) }

    public func enter() async {
        if free > 0 {
            free -= 1
            return
        }
        await withCheckedContinuation { waiting.append($0) }
    }

    public func leave() {
        if waiting.isEmpty { free += 1 } else { waiting.removeFirst().resume() }
    }
}

/// The bounds of hooks, shared by all orders of this process: programs of other tools expect to run alone.
enum HookGates {
    private static let gates = Mutex<[String: Gate]>([:])

    static func gate(of path: String, _ hookProtocol: HookProtocol) -> Gate {
        gates.withLock { gates in
            let id = "\(hookProtocol.maximumPrograms) \(path)"
            if let known = gates[id] { return known }
            let made = Gate(limit: hookProtocol.maximumPrograms)
            gates[id] = made
            return made
        }
    }
}
