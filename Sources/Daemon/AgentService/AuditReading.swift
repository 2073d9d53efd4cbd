import AgentInterface
import AuditTrail
import DaemonLog
import NIOCore
import NIOPosix
import StrictJSON
import Synchronization
import Varlink

/// Answers ReadAudit: the last records, and with `more` those that follow. Reads the disk on another thread.
final class AuditReading {
    /// How often a reader that follows looks for new records.
    private static let interval = TimeAmount.milliseconds(250)
    /// Records in one part.
    private static let part = 500
    /// Bytes after which a part is full: a record can have half a megabyte.
    private static let partBytes = 256 * 1024
    /// Bytes of records in a single reply; a connection takes 4 MiB, with quotation marks escaped.
    private static let replyBytes = 2 * 1024 * 1024

    private let path: String
    private let eventLoop: any EventLoop
    private let disk: NIOThreadPool
    private let logger: DaemonLogger

    init(path: String, eventLoop: any EventLoop, disk: NIOThreadPool, logger: DaemonLogger) {
        self.path = path
        self.eventLoop = eventLoop
        self.disk = disk
        self.logger = logger
    }

    /// Calls that may read at the same time, in total and per user: each has a file open and holds what it has read.
    static let readers = 64
    static let readersPerUser = 16

    /// A reader used on the disk's thread, by one call at a time.
    private final class Place: Sendable {
        private struct State {
            var reader: AuditReader?
            /// Records of a single reply so far.
            var before: [String] = []
        }

        private let state = Mutex(State())

        /// One part, as the parameters of its reply. Written here, since a part would block the loop for too long.
        func part(path: String, last: Int) throws(AuditError) -> Part {
            try state.withLock { state throws(AuditError) in
                let lines = try Place.lines(&state, path: path, last: last)
                let isFull = lines.count == AuditReading.part || AuditReading.size(of: lines) >= AuditReading.partBytes
                return lines.isEmpty ? .nothing : .records(AuditReading.parameters(lines), isFull: isFull)
            }
        }

        /// Reads one part of a single reply; returns the whole reply once there are no more records.
        func whole(path: String, last: Int) throws(AuditError) -> Whole {
            try state.withLock { state throws(AuditError) in
                let lines = try Place.lines(&state, path: path, last: last)
                state.before += lines
                if AuditReading.size(of: state.before) > AuditReading.replyBytes { return .tooLong }
                return !lines.isEmpty && state.before.count < last ? .unfinished : .records(AuditReading.parameters(state.before))
            }
        }

        private static func lines(_ state: inout State, path: String, last: Int) throws(AuditError) -> [String] {
            var reader = if let reader = state.reader { reader } else { try AuditReader(path: path, last: last) }
            defer { state.reader = reader }
            return try reader.read(limit: AuditReading.part, bytes: AuditReading.partBytes).map { String(decoding: $0.line, as: UTF8.self) }
        }
    }

    private enum Part: Sendable {
        case nothing
        case records([UInt8], isFull: Bool)
    }

    private enum Whole: Sendable {
        case unfinished
        case records([UInt8])
        case tooLong
    }

    /// Calls that are reading now, per user.
    private var readers: [UInt32: Int] = [:]

    func read(_ admitted: Admitted, last: Int, follow: Bool, reply: VarlinkReplier, mayGoOn: @escaping () -> Bool) {
        let uid = admitted.caller.peer.uid
        guard readers[uid, default: 0] < AuditReading.readersPerUser, readers.values.reduce(0, +) < AuditReading.readers else {
            return reply.fail(
                AgentError.overloaded(message: "too many calls are reading the audit trail already"), admitted.caller.correlation)
        }
        readers[uid, default: 0] += 1
        let call = Call(
            place: Place(), last: last, uid: uid, correlation: admitted.caller.correlation, reply: reply, mayGoOn: mayGoOn
        ) {
            self.readers[uid] = self.readers[uid].flatMap { $0 > 1 ? $0 - 1 : nil }
        }
        reply.onCancel { call.end() }
        follow ? proceed(call) : readAll(call)
    }

    /// A call that reads, until it is answered or its connection is gone.
    private final class Call {
        let place: Place
        let last: Int
        let uid: UInt32
        let correlation: String
        let reply: VarlinkReplier
        let mayGoOn: () -> Bool
        private var ended: (() -> Void)?
        /// Whether the disk's thread works for the call. It keeps its place until that returns, also if its caller has left:
        /// otherwise callers who come and go would queue searches without a bound.
        private var isReading = false
        private var isOver = false

        init(
            place: Place, last: Int, uid: UInt32, correlation: String, reply: VarlinkReplier, mayGoOn: @escaping () -> Bool,
            ended: @escaping () -> Void
        ) {
            self.place = place
            self.last = last
            self.uid = uid
            self.correlation = correlation
            self.reply = reply
            self.mayGoOn = mayGoOn
            self.ended = ended
        }

        func reads() { isReading = true }

        func returned() {
            isReading = false
            if isOver { release() }
        }

        func end() {
            isOver = true
            if !isReading { release() }
        }

        private func release() {
            ended?()
            ended = nil
        }

        func fail(_ error: AgentError) {
            end()
            reply.fail(error, correlation)
        }
    }

    /// Records that do not fit in one reply are refused: a shorter answer would look complete.
    private func readAll(_ call: Call) {
        guard call.reply.isOpen else { return }
        call.reads()
        disk.runIfActive(eventLoop: eventLoop) { [path, place = call.place, last = call.last] in
            try place.whole(path: path, last: last)
        }.assumeIsolated().whenComplete { result in
            call.returned()
            switch result {
            case .failure(let error): self.fail(call, error)
            case .success(.unfinished): self.readAll(call)
            case .success(.tooLong):
                call.fail(
                    .invalidRequest(
                        parameter: "last", message: "these records do not fit in one reply; ask for fewer, or set \"more\""))
            case .success(.records(let parameters)):
                call.end()
                call.reply.succeed(parameters: parameters)
            }
        }
    }

    private func proceed(_ call: Call) {
        guard call.reply.isOpen else { return }
        guard call.mayGoOn() else {
            return call.fail(
                .refused(reason: "not-permitted", message: "no grant lets you read the audit trail any more", hint: nil))
        }
        call.reads()
        disk.runIfActive(eventLoop: eventLoop) { [path, place = call.place, last = call.last] in
            try place.part(path: path, last: last)
        }.assumeIsolated().whenComplete { result in
            call.returned()
            var pause = AuditReading.interval
            switch result {
            case .failure(let error): return self.fail(call, error)
            case .success(.nothing): break
            case .success(.records(let parameters, let isFull)):
                guard call.reply.next(parameters: parameters) else { return call.end() }
                if isFull { pause = .zero }
            }
            // Wait for a client that reads more slowly than the disk, rather than disconnect it.
            guard call.reply.isWritable else { return call.reply.onWritable { self.proceed(call) } }
            self.eventLoop.assumeIsolated().scheduleTask(in: pause) { self.proceed(call) }
        }
    }

    private static func size(of lines: [String]) -> Int { lines.reduce(0) { $0 + $1.utf8.count } }

    private static func parameters(_ records: [String]) -> [UInt8] {
        var json = JSONWriter(reservingCapacity: size(of: records) * 5 / 4 + 64)
        json.beginObject()
        json.member("records", records)
        json.endObject()
        return json.bytes
    }

    private func fail(_ call: Call, _ error: any Error) {
        // With the caller, whose lines are limited.
        logger.log(
            .trailNotRead, "the audit trail cannot be read", [.correlation: call.correlation, .uid: "\(call.uid)", .error: "\(error)"])
        call.fail(.auditUnavailable(message: "the audit trail cannot be read", hint: "the agent's log says more"))
    }
}
