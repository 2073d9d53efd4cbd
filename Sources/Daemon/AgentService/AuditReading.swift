import AgentInterface
import AuditTrail
import Logging
import NIOCore
import NIOPosix
import Synchronization
import Varlink

/// Answers ReadAudit: the last records, and with `more` those that follow. The disk is read on another thread.
final class AuditReading {
    /// How often a reader that follows looks for new records.
    private static let interval = TimeAmount.milliseconds(250)
    /// Records in one part.
    private static let part = 500
    /// Bytes after which a part is full: a record may have half a megabyte.
    private static let partBytes = 256 * 1024
    /// Bytes of records in a single reply; a connection takes 4 MiB, in which quotation marks are escaped.
    private static let replyBytes = 2 * 1024 * 1024

    private let path: String
    private let eventLoop: any EventLoop
    private let disk: NIOThreadPool
    private let logger: Logger

    init(path: String, eventLoop: any EventLoop, disk: NIOThreadPool, logger: Logger) {
        self.path = path
        self.eventLoop = eventLoop
        self.disk = disk
        self.logger = logger
    }

    /// A reader that is used on the disk's thread, one call at a time.
    private final class Place: Sendable {
        private let reader = Mutex<AuditReader?>(nil)

        func read(path: String, last: Int, limit: Int, bytes: Int) throws(AuditError) -> [String] {
            try reader.withLock { reader throws(AuditError) in
                var current = if let reader { reader } else { try AuditReader(path: path, last: last) }
                defer { reader = current }
                return try current.read(limit: limit, bytes: bytes).map { String(decoding: $0.line, as: UTF8.self) }
            }
        }
    }

    func read(_ admitted: Admitted, last: Int, follow: Bool, reply: VarlinkReplier, mayGoOn: @escaping () -> Bool) {
        let place = Place()
        follow ? proceed(place, last: last, reply, mayGoOn) : readAll(place, last: last, [], reply)
    }

    /// What does not fit one reply is refused: a shorter answer would look like the whole.
    private func readAll(_ place: Place, last: Int, _ before: [String], _ reply: VarlinkReplier) {
        part(of: place, last: last).assumeIsolated().whenComplete { result in
            switch result {
            case .failure(let error): self.fail(reply, error)
            case .success(let lines):
                let all = before + lines
                guard AuditReading.size(of: all) <= AuditReading.replyBytes else {
                    return reply.fail(
                        AgentError.invalidRequest(
                            parameter: "last", message: "so many records do not fit one reply; ask for fewer, or with \"more\""))
                }
                if !lines.isEmpty, all.count < last { return self.readAll(place, last: last, all, reply) }
                reply.succeed { json in json.member("records", all) }
            }
        }
    }

    private func proceed(_ place: Place, last: Int, _ reply: VarlinkReplier, _ mayGoOn: @escaping () -> Bool) {
        guard reply.isOpen else { return }
        guard mayGoOn() else {
            return reply.fail(
                AgentError.refused(reason: "not-permitted", message: "the grant that let you read the audit trail is gone", hint: nil))
        }
        part(of: place, last: last).assumeIsolated().whenComplete { result in
            switch result {
            case .failure(let error): self.fail(reply, error)
            case .success(let lines):
                if !lines.isEmpty { guard reply.next({ json in json.member("records", lines) }) else { return } }
                // A client that reads slower than the disk gives is waited for, not thrown out.
                guard reply.isWritable else { return reply.onWritable { self.proceed(place, last: last, reply, mayGoOn) } }
                let isFull = lines.count == AuditReading.part || AuditReading.size(of: lines) >= AuditReading.partBytes
                let pause = isFull ? TimeAmount.zero : AuditReading.interval
                self.eventLoop.assumeIsolated().scheduleTask(in: pause) { self.proceed(place, last: last, reply, mayGoOn) }
            }
        }
    }

    private func part(of place: Place, last: Int) -> EventLoopFuture<[String]> {
        disk.runIfActive(eventLoop: eventLoop) { [path] in
            try place.read(path: path, last: last, limit: AuditReading.part, bytes: AuditReading.partBytes)
        }
    }

    private static func size(of lines: [String]) -> Int { lines.reduce(0) { $0 + $1.utf8.count } }

    private func fail(_ reply: VarlinkReplier, _ error: any Error) {
        logger.error("the audit trail cannot be read", metadata: ["error": "\(error)"])
        reply.fail(AgentError.auditUnavailable(message: "the audit trail cannot be read", hint: "the administrator's log says more"))
    }
}
