import ACME
import StrictJSON

/// What is remembered between the renewals of a certificate: when its CA wants it renewed (RFC 9773), and which attempts
/// failed. All of it can be lost without harm: the certificate's lifetime alone decides then.
public struct RenewalRecord: Hashable, Sendable {
    /// The CA's window for one certificate, and the moment in it that was chosen for the renewal.
    public struct Window: Hashable, Sendable {
        /// Unix seconds.
        public var start: Int64
        public var end: Int64
        /// Chosen at random once, and kept until the window changes (RFC 9773 §4.2).
        public var moment: Int64
        /// For a person. Not safe for a terminal.
        public var explanationURL: String?

        public init(start: Int64, end: Int64, moment: Int64, explanationURL: String? = nil) {
            self.start = start
            self.end = end
            self.moment = moment
            self.explanationURL = explanationURL
        }
    }

    /// The failed attempts at one CA since the last success.
    public struct Failures: Hashable, Sendable {
        public var directory: ACMEURL
        public var count: Int
        /// When the first and the last one failed, Unix seconds.
        public var first: Int64
        public var last: Int64
        /// No attempt is made by itself before this moment.
        public var next: Int64
        /// Why the last one failed, for a person.
        public var reason: String
        /// Whether it was the CA's fault, so that another CA might do better.
        public var isOfCA: Bool

        public init(directory: ACMEURL, count: Int, first: Int64, last: Int64, next: Int64, reason: String, isOfCA: Bool) {
            self.directory = directory
            self.count = count
            self.first = first
            self.last = last
            self.next = next
            self.reason = reason
            self.isOfCA = isOfCA
        }
    }

    /// The time after a renewal in which nothing is done by itself.
    public struct Pause: Hashable, Sendable {
        /// When the certificate was renewed, Unix seconds.
        public var renewed: Int64
        public var seconds: Int64

        public init(renewed: Int64, seconds: Int64) {
            self.renewed = renewed
            self.seconds = seconds
        }
    }

    /// Kept of a reason: a sentence.
    static let longestReason = 500
    /// A certificate has one CA, or two.
    static let maximumCAs = 8

    public var name: CertificateName
    /// The certificate that the window is for, by its serial number: another one has another window.
    public var serial: String?
    public var window: Window?
    /// When the CA wants to be asked for the window again, Unix seconds.
    public var nextLook: Int64?
    /// How often in a row the CA could not be asked.
    public var failedLooks = 0
    /// At most one for each CA.
    public var failures: [Failures] = []
    public var pause: Pause?

    public init(name: CertificateName) { self.name = name }

    public func failures(at directory: ACMEURL) -> Failures? { failures.first { $0.directory == directory } }

    /// No wait is longer than this many seconds: a CA may ask for a week.
    static let longestWait: Int64 = 8 * 86_400

    /// Drops what a clock that was ahead has left: otherwise nothing would be done until that time comes.
    public mutating func forgetTheFuture(now: Int64) {
        failures.removeAll { $0.last > now || $0.next > now &+ Self.longestWait }
        if let look = nextLook, look > now &+ Self.longestWait { nextLook = nil }
        if let pause, pause.renewed > now || pause.seconds > Self.longestWait { self.pause = nil }
    }

    /// Replaces what is known of a CA.
    public mutating func note(_ failure: Failures) {
        failures.removeAll { $0.directory == failure.directory }
        var failure = failure
        failure.reason = String(failure.reason.prefix(Self.longestReason))
        failures.append(failure)
        if failures.count > Self.maximumCAs { failures.removeFirst() }
    }
}

extension RenewalRecord: StoreDocument {
    static let kind = "renewal"

    func write(_ writer: inout JSONWriter) {
        writer.member("name", name.rawValue)
        writer.member("serial", ifPresent: serial)
        if let window {
            writer.name("window")
            writer.beginObject()
            writer.member("start", window.start)
            writer.member("end", window.end)
            writer.member("moment", window.moment)
            writer.member("explanation", ifPresent: window.explanationURL)
            writer.endObject()
        }
        writer.member("nextLook", ifPresent: nextLook)
        if let pause {
            writer.name("pause")
            writer.beginObject()
            writer.member("renewed", pause.renewed)
            writer.member("seconds", pause.seconds)
            writer.endObject()
        }
        if failedLooks > 0 { writer.member("failedLooks", failedLooks) }
        if !failures.isEmpty {
            writer.name("failures")
            writer.beginArray()
            for failure in failures {
                writer.beginObject()
                writer.member("directory", failure.directory.text)
                writer.member("count", failure.count)
                writer.member("first", failure.first)
                writer.member("last", failure.last)
                writer.member("next", failure.next)
                writer.member("reason", failure.reason)
                writer.member("isOfCA", failure.isOfCA)
                writer.endObject()
            }
            writer.endArray()
        }
    }

    init(_ object: JSONObject) throws {
        try object.finish(known: ["version", "kind", "name", "serial", "window", "nextLook", "failedLooks", "failures", "pause"])
        name = try CertificateName(object.string("name"))
        serial = try object.optionalString("serial")
        if let value = object.optional("window") {
            let window = try value.object()
            try window.finish(known: ["start", "end", "moment", "explanation"])
            self.window = Window(
                start: try window.integer("start"), end: try window.integer("end"), moment: try window.integer("moment"),
                explanationURL: try window.optionalString("explanation"))
        }
        if let value = object.optional("pause") {
            let pause = try value.object()
            try pause.finish(known: ["renewed", "seconds"])
            self.pause = Pause(renewed: try pause.integer("renewed"), seconds: try pause.integer("seconds"))
        }
        nextLook = try object.optionalInteger("nextLook")
        failedLooks = Int(clamping: try object.optionalInteger("failedLooks") ?? 0)
        for value in try object.optional("failures")?.array() ?? [] {
            let failure = try value.object()
            try failure.finish(known: ["directory", "count", "first", "last", "next", "reason", "isOfCA"])
            note(
                Failures(
                    directory: try ACMEURL(failure.string("directory")), count: Int(clamping: try failure.integer("count")),
                    first: try failure.integer("first"), last: try failure.integer("last"), next: try failure.integer("next"),
                    reason: try failure.string("reason"), isOfCA: try failure.bool("isOfCA")))
        }
    }
}

/// The orders that were placed at a CA of late, for its limit (RFC 8555 §6.6).
public struct OrderCount: Hashable, Sendable {
    /// More than any CA's limit.
    static let maximumTimes = 4_096

    public var directory: ACMEURL
    /// When each was placed, Unix seconds, oldest first.
    public private(set) var times: [Int64]

    public init(directory: ACMEURL, times: [Int64] = []) {
        self.directory = directory
        self.times = Array(times.sorted().suffix(OrderCount.maximumTimes))
    }

    /// - Parameter oldest: what was placed before it is forgotten.
    public mutating func add(_ time: Int64, forgettingBefore oldest: Int64) {
        self = OrderCount(directory: directory, times: times.filter { $0 >= oldest } + [time])
    }
}

extension OrderCount: StoreDocument {
    static let kind = "order-count"

    func write(_ writer: inout JSONWriter) {
        writer.member("directory", directory.text)
        writer.name("times")
        writer.beginArray()
        for time in times { writer.integer(time) }
        writer.endArray()
    }

    init(_ object: JSONObject) throws {
        try object.finish(known: ["version", "kind", "directory", "times"])
        self.init(
            directory: try ACMEURL(object.string("directory")), times: try object.optional("times")?.array().map { try $0.integer() } ?? [])
    }
}
