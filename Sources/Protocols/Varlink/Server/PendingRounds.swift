import NIOCore

/// The connections of a server that have work after the code running now. Confined to the server's event loop.
final class PendingRounds {
    /// Connections with a scheduled round, and those whose rounds are running; the second array is kept for its memory.
    private var waiting: [VarlinkServerHandler] = []
    private var running: [VarlinkServerHandler] = []
    private var areDue = false

    /// Runs a connection's round after the code running now. The rounds of many connections share one task on the loop.
    func schedule(_ connection: VarlinkServerHandler) {
        waiting.append(connection)
        guard !areDue else { return }
        areDue = true
        connection.eventLoop.assumeIsolated().execute { self.run() }
    }

    /// Runs the rounds that `body` makes necessary at its end, without a task on the loop.
    func together(_ body: () -> Void) {
        // A run is already scheduled or under way.
        guard !areDue, running.isEmpty else { return body() }
        areDue = true
        body()
        run()
    }

    private func run() {
        areDue = false
        // A round scheduled by one of these runs in the next task.
        swap(&waiting, &running)
        for connection in running { connection.runRound(isTurn: false) }
        running.removeAll(keepingCapacity: true)
    }
}
