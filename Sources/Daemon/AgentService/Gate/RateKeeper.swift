import ACME
import AgentInterface
import AuditTrail
import DaemonLog
import DurableFile
import NIOCore
import NIOPosix
import SigningPolicy
import StrictJSON

/// Counts what grants are used for, and keeps what is limited by the day in the state directory.
///
/// Confined to one event loop; the file is written on another thread.
final class RateKeeper {
    private var use: RateUse
    private let file: String
    private let disk: NIOThreadPool
    private let eventLoop: any EventLoop
    private let logger: DaemonLogger
    private var isWriting = false
    private var isChanged = false
    /// The last write failed.
    private var isFailing = false
    private var closing: EventLoopPromise<Void>?

    /// - Throws: ``NewerFormat``.
    init(file: String, disk: NIOThreadPool, eventLoop: any EventLoop, logger: DaemonLogger) throws {
        self.file = file
        self.disk = disk
        self.eventLoop = eventLoop
        self.logger = logger
        do {
            use = RateUse(times: try RateKeeper.read(file))
        } catch let error as NewerFormat {
            throw error
        } catch let error as FileError where error.isMissing {
            use = RateUse()
        } catch {
            // The limits are a second line behind the grants: without the file the agent serves.
            logger.log(
                .ratesUnknown, "what grants with a rate were used for is not known, and is counted from now on",
                [.file: file, .error: "\(error)"])
            use = RateUse()
        }
    }

    /// Counts a use that a grant covers.
    /// - Parameter counts: `false` only looks whether it would be allowed.
    /// - Returns: Why it may not be done now; then it does not count. `nil` if it may.
    func refusal(of operation: Operation, by grant: String, in policy: Policy, counts: Bool) -> Refusal? {
        guard policy.hasRates, let kind = GrantRate.Kind(operation), let limit = policy.rate(ofGrant: grant)?.limits[kind] else {
            return nil
        }
        let wall = AuditRecord.now()
        let verdict: RateUse.Verdict
        if counts {
            verdict = use.take(kind, of: grant, limit, wall: wall, monotonic: RateKeeper.monotonic())
        } else {
            // The same rule, on a copy.
            var copy = use
            verdict = copy.take(kind, of: grant, limit, wall: wall, monotonic: RateKeeper.monotonic())
        }
        switch verdict {
        case .taken:
            if counts, kind != .handshakes { write() }
            return nil
        case .exceeded(let wait):
            return Refusal(limit, of: kind, grant: grant, wall: wall, wait: wait)
        }
    }

    /// What is left of a grant's limits.
    func status(of grant: Grant) -> [RateStatus] {
        let wall = AuditRecord.now(), monotonic = RateKeeper.monotonic()
        return GrantRate.Kind.allCases.compactMap { kind in
            grant.rate?.limits[kind].map { limit in
                RateStatus(
                    RateLimit(limit, of: kind), left: use.left(kind, of: grant.name, limit, wall: wall, monotonic: monotonic))
            }
        }
    }

    /// Succeeds once everything counted is in the file, or could not be written.
    func close() -> EventLoopFuture<Void> {
        guard isWriting || isChanged else { return eventLoop.makeSucceededVoidFuture() }
        let promise = closing ?? eventLoop.makePromise(of: Void.self)
        closing = promise
        if !isWriting { write() }
        return promise.futureResult
    }

    private func write() {
        isChanged = true
        guard !isWriting else { return }
        isWriting = true
        isChanged = false
        use.forget(wall: AuditRecord.now())
        let times = use.times, file = file
        let keeper = NIOLoopBound(self, eventLoop: eventLoop)
        disk.runIfActive(eventLoop: eventLoop) { try RateKeeper.write(times, to: file) }.whenComplete { result in
            keeper.value.wrote(result)
        }
    }

    private func wrote(_ result: Result<Void, any Error>) {
        isWriting = false
        switch result {
        case .success:
            if isFailing { logger.log(.ratesWritten, "what grants with a rate are used for is written again", [.file: file]) }
            isFailing = false
            if isChanged { return write() }
        case .failure(let error):
            if !isFailing {
                logger.log(
                    .ratesNotWritten, "what grants with a rate are used for cannot be written; until it is, a restart forgets it",
                    [.file: file, .error: "\(error)", .hint: "make room in the state directory"])
            }
            isFailing = true
            isChanged = true
            guard closing != nil else {
                eventLoop.assumeIsolated().scheduleTask(in: .seconds(1)) { if self.closing == nil, !self.isWriting { self.write() } }
                return
            }
        }
        closing?.succeed()
    }

    private static func monotonic() -> Int64 { Int64(clamping: NIODeadline.now().uptimeNanoseconds) }
}

extension Refusal {
    /// What a grant's rate does not allow.
    /// - Parameters:
    ///   - wall: The time, in milliseconds since 1970-01-01T00:00:00Z.
    ///   - wait: Milliseconds until it may be tried again; ignored for a rate of 0.
    init(_ limit: GrantRate.Limit, of kind: GrantRate.Kind, grant: String, wall: Int64, wait: Int64) {
        let message = "grant \"\(grant)\" allows \(limit.count) \(kind.name(limit.count)) "
        // Rounded up, so that the request is not refused again at that time.
        let retryAt = limit.count == 0 ? nil : (wall + wait + 999) / 1_000
        let hint =
            retryAt.map { limit.seconds == 1 ? "try again in \(wait) ms" : "try again at \(RFC3339.string($0))" }
            ?? "its administrator can raise the rate"
        // A rate of 0 is never exceeded later: the caller must not try again.
        self.init(
            .rateExceeded, grant: grant,
            forCaller: CallerRefusal(
                limit.count == 0 ? .notPermitted : .rateExceeded, message: message + (limit.seconds == 1 ? "a second" : "in 24 hours"),
                hint: hint, retryAt: retryAt))
    }
}

// MARK: The file

extension RateKeeper {
    /// The file was written by a newer version, which may count what this one would forget.
    struct NewerFormat: Error, CustomStringConvertible {
        let file: String
        let format: Int64

        var description: String {
            "\(file): written by a newer acme-agent: format \(format), and this one reads formats up to \(RateKeeper.format); "
                + "use the newer version"
        }
    }

    private struct Malformed: Error, CustomStringConvertible {
        let description: String
    }

    private static let format: Int64 = 1
    /// Far more than 16 grants with 10,000 uses of each kind.
    private static let sizeLimit = 16 * 1024 * 1024
    private static let limits = JSONLimits(values: 1_000_000)

    private static func write(_ times: [RateUse.Counted: [Int64]], to file: String) throws(FileError) {
        var json = JSONWriter()
        json.beginObject()
        json.member("format", format)
        json.name("uses")
        json.beginArray()
        for (counted, times) in times.sorted(by: { ($0.key.grant, $0.key.kind.rawValue) < ($1.key.grant, $1.key.kind.rawValue) })
        where !times.isEmpty {
            json.beginObject()
            json.member("grant", counted.grant)
            json.member("what", counted.kind.rawValue)
            json.name("times")
            json.beginArray()
            for time in times { json.integer(time) }
            json.endArray()
            json.endObject()
        }
        json.endArray()
        json.endObject()
        try DurableFile.replace(file, with: json.bytes + [UInt8(ascii: "\n")], mode: 0o600)
    }

    private static func read(_ file: String) throws -> [RateUse.Counted: [Int64]] {
        let root = try JSONDocument(parsing: try DurableFile.read(file, limit: sizeLimit), limits: limits).root.object()
        let format = try root.integer("format")
        guard format <= RateKeeper.format else { throw NewerFormat(file: file, format: format) }
        var times: [RateUse.Counted: [Int64]] = [:]
        for value in try root.array("uses") {
            let entry = try value.object()
            guard let kind = GrantRate.Kind(rawValue: try entry.string("what")) else {
                throw Malformed(description: "an unknown kind of use")
            }
            times[RateUse.Counted(grant: try entry.string("grant"), kind: kind)] = try entry.array("times").map { try $0.integer() }
        }
        return times
    }
}
