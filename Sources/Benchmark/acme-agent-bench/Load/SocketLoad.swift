import CMeasurement
import Glibc

/// Requests over many connections, each of which sends the next request when it has the reply to the last.
///
/// One connection blocks in read(2), as a simple client does. More are served by one thread and epoll(7), so that the
/// load takes as little of the two CPUs as possible: what it takes, the measured server loses.
struct SocketLoad {
    /// What connection `index` sends as its `number`-th request.
    typealias Request = (_ index: Int, _ number: Int) -> [UInt8]

    let path: String
    let framing: Framing
    /// Made before the load starts, and sent in turn.
    let request: Request
    /// Whether a reply is correct.
    let isRight: (UnsafeRawBufferPointer) -> Bool
    /// The processes whose CPU time is counted.
    let processes: [pid_t]
    /// The user of the connections; `nil` for this process's user.
    var user: uid_t?

    /// Number of different requests of one connection before they repeat.
    private static let variety = 16

    /// - Parameter atEnd: Runs while the connections are still open.
    func run(connections count: Int, seconds: Double, placement: Placement = .free, atEnd: () -> Void = {}) throws -> Outcome {
        let buffer = ReplyBuffer()
        let connections = try (0..<count).map { _ in try Connection(path: path, framing: framing, buffer: buffer, user: user) }
        let requests = (0..<count).map { index in (0..<SocketLoad.variety).map { request(index, $0) } }
        let outcome = try placement.during(processes) {
            count == 1 ? try alone(connections[0], requests[0], seconds) : try many(connections, requests, seconds)
        }
        atEnd()
        return outcome
    }

    private func alone(_ connection: Connection, _ requests: [[UInt8]], _ seconds: Double) throws -> Outcome {
        var outcome = Outcome()
        outcome.latencies.reserveCapacity(65_536)
        let measuredFrom = Clock.nanoseconds() + UInt64(seconds * 1e8), end = measuredFrom + UInt64(seconds * 1e9)
        var began = Clock.nanoseconds(), number = 0, isMeasured = false, cpu = 0.0, first: UInt64 = 0
        while began < end {
            if !isMeasured, began >= measuredFrom {
                isMeasured = true
                cpu = Clock.processor(processes)
                began = Clock.nanoseconds()
                first = began
            }
            guard connection.send(requests[number % SocketLoad.variety]), let isRight = connection.receive(isRight) else {
                throw BenchError("the connection was closed")
            }
            number += 1
            let ended = Clock.nanoseconds()
            if isMeasured {
                outcome.latencies.append(Float(ended - began) / 1_000)
                outcome.calls += 1
                if !isRight { outcome.failures += 1 }
            }
            began = ended
        }
        outcome.seconds = Double(began - first) / 1e9
        outcome.cpu = Clock.processor(processes) - cpu
        return outcome
    }

    private func many(_ connections: [Connection], _ requests: [[[UInt8]]], _ seconds: Double) throws -> Outcome {
        let poll = epoll_create1(0)
        guard poll >= 0 else { throw BenchError.system("epoll_create1") }
        defer { close(poll) }
        for (index, connection) in connections.enumerated() {
            guard cmeasurement_watch(poll, connection.descriptor, UInt32(index)) == 0 else { throw BenchError.system("epoll_ctl") }
        }
        var outcome = Outcome()
        outcome.latencies.reserveCapacity(262_144)
        var sent = [Int](repeating: 0, count: connections.count)
        var began = [UInt64](repeating: 0, count: connections.count)
        var ready = [UInt32](repeating: 0, count: 256)
        let start = Clock.nanoseconds()
        let measuredFrom = start + UInt64(seconds * 1e8), end = measuredFrom + UInt64(seconds * 1e9)
        var isMeasured = false, cpu = 0.0, first: UInt64 = 0, last: UInt64 = 0
        func next(_ index: Int) throws {
            began[index] = Clock.nanoseconds()
            guard connections[index].send(requests[index][sent[index] % SocketLoad.variety]) else { throw BenchError.system("write") }
            sent[index] += 1
        }
        for index in connections.indices { try next(index) }
        var waiting = connections.count, isEnding = false
        while waiting > 0 {
            let count = cmeasurement_wait(poll, &ready, Int32(ready.count), 10_000)
            guard count > 0 else {
                if count < 0, errno == EINTR { continue }
                throw BenchError("\(waiting) connections got no reply within 10 s")
            }
            let now = Clock.nanoseconds()
            if !isMeasured, now >= measuredFrom {
                isMeasured = true
                cpu = Clock.processor(processes)
                first = now
            }
            if !isEnding, now >= end {
                isEnding = true
                last = now
                outcome.cpu = Clock.processor(processes) - cpu
            }
            for number in ready.prefix(Int(count)) {
                let index = Int(number)
                guard let isRight = connections[index].receive(isRight) else { throw BenchError("a connection was closed") }
                if isMeasured, !isEnding {
                    outcome.latencies.append(Float(Clock.nanoseconds() - began[index]) / 1_000)
                    outcome.calls += 1
                    if !isRight { outcome.failures += 1 }
                }
                if isEnding { waiting -= 1 } else { try next(index) }
            }
        }
        outcome.seconds = Double(last - first) / 1e9
        return outcome
    }
}
