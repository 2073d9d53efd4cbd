import ACME
import Crypto
import JOSE
import StrictJSON

/// What is remembered between the renewals of a certificate: when its CA wants it renewed (RFC 9773), whether its CA has
/// revoked it, and which attempts failed. All of it can be lost without harm: the certificate's lifetime alone decides then.
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
        /// Whether only the deploy hook failed: the certificate itself is installed.
        public var isDeployment: Bool
        /// The last error's stable code, as `--json` has it; `nil` in records of format 2 and earlier.
        public var code: String?

        public init(
            directory: ACMEURL, count: Int, first: Int64, last: Int64, next: Int64, reason: String, isOfCA: Bool,
            isDeployment: Bool = false, code: String? = nil
        ) {
            self.directory = directory
            self.count = count
            self.first = first
            self.last = last
            self.next = next
            self.reason = reason
            self.isOfCA = isOfCA
            self.isDeployment = isDeployment
            self.code = code
        }
    }

    /// That the CA has revoked the certificate, by its revocation list (RFC 5280 §5).
    public struct Revocation: Hashable, Sendable {
        /// By the list, Unix seconds.
        public var date: Int64
        /// `nil` if the list gives none.
        public var reason: RevocationReason?

        public init(date: Int64, reason: RevocationReason? = nil) {
            self.date = date
            self.reason = reason
        }
    }

    /// The newest revocation list that counted for the certificate.
    public struct SeenList: Hashable, Sendable {
        /// CRLNumber (RFC 5280 §5.2.3), hexadecimal without leading zeros.
        public var number: String?
        /// Unix seconds.
        public var thisUpdate: Int64
        public var nextUpdate: Int64

        public init(number: String? = nil, thisUpdate: Int64, nextUpdate: Int64) {
            self.number = number
            self.thisUpdate = thisUpdate
            self.nextUpdate = nextUpdate
        }

        public static func bytes(ofNumber text: String) -> [UInt8]? { Hexadecimal.decode(text) }
    }

    /// The lookups of the revocation list that failed since the last one that did not.
    public struct ListFailures: Hashable, Sendable {
        public var count: Int
        /// When the first one failed, Unix seconds.
        public var first: Int64
        /// Why the last one failed, for a person.
        public var reason: String

        public init(count: Int, first: Int64, reason: String) {
            self.count = count
            self.first = first
            self.reason = String(reason.prefix(RenewalRecord.longestReason))
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
    /// Kept of an error's code: a few words.
    static let longestCode = 64
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
    public var revocation: Revocation?
    public var seenList: SeenList?
    /// When the revocation list is looked at again, Unix seconds.
    public var nextListLook: Int64?
    public var listFailures: ListFailures?
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
        if let look = nextListLook, look > now &+ Self.longestWait { nextListLook = nil }
        if let first = listFailures?.first, first > now { listFailures = nil }
        if let pause, pause.renewed > now || pause.seconds > Self.longestWait { self.pause = nil }
    }

    /// Replaces what is known of a CA.
    public mutating func note(_ failure: Failures) {
        failures.removeAll { $0.directory == failure.directory }
        var failure = failure
        failure.reason = String(failure.reason.prefix(Self.longestReason))
        failure.code = failure.code.map { String($0.prefix(Self.longestCode)) }
        failures.append(failure)
        if failures.count > Self.maximumCAs { failures.removeFirst() }
    }
}

extension RenewalRecord: StoreDocument {
    static let kind = "renewal"
    /// Format 2 added revocation lists and failed deploy hooks, format 3 the failures' codes.
    static let version: Int64 = 3
    var format: Int64 { failures.contains { $0.code != nil } ? 3 : 2 }

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
        if let revocation {
            writer.name("revocation")
            writer.beginObject()
            writer.member("date", revocation.date)
            writer.member("reason", ifPresent: revocation.reason.map { Int64($0.rawValue) })
            writer.endObject()
        }
        if let seenList {
            writer.name("seenList")
            writer.beginObject()
            writer.member("number", ifPresent: seenList.number)
            writer.member("thisUpdate", seenList.thisUpdate)
            writer.member("nextUpdate", seenList.nextUpdate)
            writer.endObject()
        }
        writer.member("nextListLook", ifPresent: nextListLook)
        if let listFailures {
            writer.name("listFailures")
            writer.beginObject()
            writer.member("count", listFailures.count)
            writer.member("first", listFailures.first)
            writer.member("reason", listFailures.reason)
            writer.endObject()
        }
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
                if failure.isDeployment { writer.member("isDeployment", true) }
                writer.member("code", ifPresent: failure.code)
                writer.endObject()
            }
            writer.endArray()
        }
    }

    init(_ object: JSONObject) throws {
        try object.finish(known: [
            "version", "kind", "name", "serial", "window", "nextLook", "failedLooks", "failures", "pause", "revocation", "seenList",
            "nextListLook", "listFailures",
        ])
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
        if let value = object.optional("revocation") {
            let revocation = try value.object()
            try revocation.finish(known: ["date", "reason"])
            self.revocation = Revocation(
                date: try revocation.integer("date"),
                reason: try revocation.optionalInteger("reason").flatMap { RevocationReason(rawValue: Int(clamping: $0)) })
        }
        if let value = object.optional("seenList") {
            let list = try value.object()
            try list.finish(known: ["number", "thisUpdate", "nextUpdate"])
            seenList = SeenList(
                number: try list.optionalString("number"), thisUpdate: try list.integer("thisUpdate"),
                nextUpdate: try list.integer("nextUpdate"))
        }
        nextListLook = try object.optionalInteger("nextListLook")
        if let value = object.optional("listFailures") {
            let failures = try value.object()
            try failures.finish(known: ["count", "first", "reason"])
            listFailures = ListFailures(
                count: Int(clamping: try failures.integer("count")), first: try failures.integer("first"),
                reason: try failures.string("reason"))
        }
        for value in try object.optional("failures")?.array() ?? [] {
            let failure = try value.object()
            try failure.finish(known: ["directory", "count", "first", "last", "next", "reason", "isOfCA", "isDeployment", "code"])
            note(
                Failures(
                    directory: try ACMEURL(failure.string("directory")), count: Int(clamping: try failure.integer("count")),
                    first: try failure.integer("first"), last: try failure.integer("last"), next: try failure.integer("next"),
                    reason: try failure.string("reason"), isOfCA: try failure.bool("isOfCA"),
                    isDeployment: try failure.optionalBool("isDeployment") ?? false, code: try failure.optionalString("code")))
        }
    }
}

/// What counts towards a CA's limits: the orders, certificates and failed validations of late (RFC 8555 §6.6).
public struct OrderCount: Hashable, Sendable {
    /// Something that is limited for each of many.
    public struct Entry: Hashable, Sendable {
        /// What it is counted for: a name, or the `id` of several.
        public var id: String
        /// Unix seconds.
        public var time: Int64

        public init(id: String, time: Int64) {
            self.id = id
            self.time = time
        }
    }

    /// More than any CA's limit.
    static let maximumTimes = 4_096

    public var directory: ACMEURL
    /// When each order was placed, Unix seconds, oldest first.
    public private(set) var times: [Int64]
    /// Certificates by their names, oldest first.
    public private(set) var certificates: [Entry]
    /// Failed validations by name, oldest first.
    public private(set) var failures: [Entry]

    public init(directory: ACMEURL, times: [Int64] = [], certificates: [Entry] = [], failures: [Entry] = []) {
        self.directory = directory
        self.times = Array(times.sorted().suffix(OrderCount.maximumTimes))
        self.certificates = Array(certificates.sorted { $0.time < $1.time }.suffix(OrderCount.maximumTimes))
        self.failures = Array(failures.sorted { $0.time < $1.time }.suffix(OrderCount.maximumTimes))
    }

    /// One text for exactly these names, in whatever order.
    public static func id(of identifiers: [Identifier]) -> String {
        let names = Set(identifiers.map(\.value)).sorted().joined(separator: " ")
        return Hexadecimal.encode(Array(SHA256.hash(data: Array(names.utf8)).prefix(16)))
    }

    /// - Parameter oldest: what happened before it is forgotten.
    public mutating func add(_ time: Int64, forgettingBefore oldest: Int64) { change(oldest) { $0.times.append(time) } }

    public mutating func add(certificateFor identifiers: [Identifier], _ time: Int64, forgettingBefore oldest: Int64) {
        change(oldest) { $0.certificates.append(Entry(id: OrderCount.id(of: identifiers), time: time)) }
    }

    public mutating func add(failureOf identifier: Identifier, _ time: Int64, forgettingBefore oldest: Int64) {
        change(oldest) { $0.failures.append(Entry(id: identifier.value, time: time)) }
    }

    private mutating func change(_ oldest: Int64, _ body: (inout OrderCount) -> Void) {
        body(&self)
        self = OrderCount(
            directory: directory, times: times.filter { $0 >= oldest }, certificates: certificates.filter { $0.time >= oldest },
            failures: failures.filter { $0.time >= oldest })
    }
}

extension OrderCount: StoreDocument {
    static let kind = "order-count"
    /// Format 2 added certificates and failed validations.
    static let version: Int64 = 2

    func write(_ writer: inout JSONWriter) {
        writer.member("directory", directory.text)
        writer.name("times")
        writer.beginArray()
        for time in times { writer.integer(time) }
        writer.endArray()
        for (member, entries) in [("certificates", certificates), ("failures", failures)] where !entries.isEmpty {
            writer.name(member)
            writer.beginArray()
            for entry in entries {
                writer.beginObject()
                writer.member("id", entry.id)
                writer.member("time", entry.time)
                writer.endObject()
            }
            writer.endArray()
        }
    }

    init(_ object: JSONObject) throws {
        try object.finish(known: ["version", "kind", "directory", "times", "certificates", "failures"])
        func entries(_ member: String) throws -> [Entry] {
            try object.optional(member)?.array().map { value in
                let entry = try value.object()
                try entry.finish(known: ["id", "time"])
                return Entry(id: try entry.string("id"), time: try entry.integer("time"))
            } ?? []
        }
        self.init(
            directory: try ACMEURL(object.string("directory")), times: try object.optional("times")?.array().map { try $0.integer() } ?? [],
            certificates: try entries("certificates"), failures: try entries("failures"))
    }
}
