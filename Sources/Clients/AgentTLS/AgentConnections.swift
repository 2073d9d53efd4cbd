import ACME
import AgentClient
import Varlink

/// The connections to one agent, shared by all handshakes. They are opened when they are needed and kept.
///
/// The agent answers the calls of one connection one after another, so there are a few: as many as it takes to use a
/// token's sessions.
actor AgentConnections {
    static let maximum = 8
    /// Handshakes that wait for the agent. It takes as many of one user.
    static let waitingMaximum = 1_024
    /// New connections for one handshake. An agent that stops may close a connection before it has read its call.
    private static let attempts = 3
    /// For one attempt to connect. Whoever waits for it may have less time left, and waits at most this much longer.
    private static let attempt = Duration.milliseconds(250)
    /// Between two attempts to connect to an agent that is being restarted.
    private static let pause = Duration.milliseconds(20)

    private final class Connection {
        let client: AgentClient
        var calls = 0
        init(_ client: AgentClient) { self.client = client }
    }

    private let socket: String
    private let deadline: Duration
    private let clock = ContinuousClock()
    private var connections: [Connection] = []
    /// Whoever needs a connection waits for the same attempt.
    private var opening: Task<Void, any Error>?
    private var waiting = 0

    /// - Parameter deadline: For each signature, connecting included.
    init(socket: String, deadline: Duration) {
        self.socket = socket
        self.deadline = deadline
    }

    /// The agent's signature. While the agent is being restarted, this waits for it.
    /// - Throws: `AgentTLSError`, within the deadline.
    func signature(_ message: HandshakeMessage, key: KeyName, content: [UInt8], scheme: String) async throws -> [UInt8] {
        guard waiting < AgentConnections.waitingMaximum else {
            throw AgentTLSError(
                .busy, "\(waiting) handshakes wait for the agent at \(socket)", hint: "the agent is slow, or these are too many handshakes")
        }
        waiting += 1
        defer { waiting -= 1 }
        let end = clock.now + deadline
        do {
            // One that was closed while it was idle does not count.
            for _ in 0..<(AgentConnections.attempts + AgentConnections.maximum) {
                let connection = try await connection(until: end)
                connection.calls += 1
                defer { connection.calls -= 1 }
                do {
                    return try await connection.client.signature(
                        message, key: key, content: content, scheme: scheme, timeout: left(until: end))
                } catch VarlinkConnectionError.closed {
                    drop(connection)
                } catch VarlinkConnectionError.timedOut {
                    // Calls that wait on it may still be answered. Nothing new is sent on it.
                    drop(connection)
                    throw late
                }
            }
            throw VarlinkConnectionError.closed
        } catch { throw AgentTLSError(error, socket: socket) }
    }

    private var late: AgentTLSError {
        AgentTLSError(.deadline, "the agent at \(socket) did not answer within \(deadline)", hint: AgentTLSError.seeLog)
    }

    private func left(until end: ContinuousClock.Instant) throws -> Duration {
        let left = clock.now.duration(to: end)
        guard left > .zero else { throw late }
        return left
    }

    /// The connection with the fewest calls. If all have some, another one is opened for the next caller.
    private func connection(until end: ContinuousClock.Instant) async throws -> Connection {
        // Says more than that the time is over.
        var cause: (any Error)?
        while true {
            connections.removeAll { !$0.client.isOpen }
            if let best = connections.min(by: { $0.calls < $1.calls }) {
                if best.calls > 0, connections.count < AgentConnections.maximum, opening == nil { _ = open(until: end) }
                return best
            }
            let attempt = opening ?? open(until: end)
            do { try await attempt.value } catch {
                // It may have been another handshake's, whose time was over earlier.
                let mayPass = (error as? AgentConnectionError)?.mayPass ?? ((error as? AgentTLSError)?.reason == .deadline)
                if !(error is AgentTLSError) { cause = error }
                guard mayPass, clock.now + AgentConnections.pause < end else { throw cause ?? error }
                try await Task.sleep(for: AgentConnections.pause)
            }
        }
    }

    private func open(until end: ContinuousClock.Instant) -> Task<Void, any Error> {
        let attempt = Task {
            defer { opening = nil }
            let time = min(try left(until: end), AgentConnections.attempt)
            connections.append(Connection(try await AgentClient.connect(socket: socket, timeout: time, reconnects: false)))
        }
        opening = attempt
        return attempt
    }

    private func drop(_ connection: Connection) { connections.removeAll { $0 === connection } }
}
