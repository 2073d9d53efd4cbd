import AuditTrail

/// What a trail says happened, counted. However long the trail is, this stays small: days, callers, keys and refusals are
/// bounded, and what is beyond a bound is counted together, so that the page can say how much it leaves out.
public struct TrailActivity: Sendable {
    /// More than a year, so that a page shows one.
    static let days = 400
    static let callers = 500
    /// As many of them may have had refusals alone: whoever is refused takes no place from those who sign.
    static let refusedCallers = 100
    static let keys = 1_000
    static let refusalKinds = 200
    /// Refusals and events that are shown one by one.
    static let latest = 20

    public struct Tally: Sendable, Hashable {
        public var signed: UInt64 = 0
        public var failed: UInt64 = 0
        public var refused: UInt64 = 0
        /// Unix seconds.
        public var last: Int64 = .min

        var isEmpty: Bool { signed == 0 && failed == 0 && refused == 0 }
    }

    struct Day: Sendable, Hashable {
        var purposes: [Purpose: UInt64] = [:]
        var callers: [UInt32: UInt64] = [:]
    }

    struct RefusalKind: Sendable, Hashable {
        var operation: String
        var reason: String
    }

    /// Records read, of any kind.
    public private(set) var records: UInt64 = 0
    /// Sequence numbers.
    public private(set) var first: UInt64?
    public private(set) var head: (sequence: UInt64, hash: String)?
    /// Unix seconds.
    public private(set) var begins: Int64?
    public private(set) var ends: Int64?
    public private(set) var total = Tally()
    /// Signatures by day since 1970-01-01, in UTC.
    private(set) var byDay: [Int64: Day] = [:]
    /// Signatures of days before the first of `byDay` that were left out.
    private(set) var before: UInt64 = 0
    private(set) var byPurpose: [Purpose: Tally] = [:]
    private(set) var byOperation: [String: Tally] = [:]
    private(set) var byCaller: [UInt32: Tally] = [:]
    /// Of callers beyond the bound, and of records that name none.
    private(set) var otherCallers = Tally()
    /// Of `byCaller`, those with refusals alone.
    private var onlyRefused: Set<UInt32> = []
    private(set) var byKey: [String: Tally] = [:]
    /// Of keys beyond the bound.
    private(set) var otherKeys = Tally()
    private(set) var refusals: [RefusalKind: UInt64] = [:]
    private(set) var otherRefusals: UInt64 = 0
    /// Refusals that the trail has only counted.
    public private(set) var uncounted: UInt64 = 0
    /// Oldest first.
    private(set) var latestRefusals: [AuditRecord] = []
    private(set) var latestEvents: [AuditRecord] = []
    private(set) var events: UInt64 = 0

    public init() {}

    /// Counts a record. Records come in their order.
    /// - Parameter hash: of its line.
    public mutating func add(_ record: AuditRecord, hash: String) {
        let time = record.time >= 0 ? record.time / 1_000 : (record.time &- 999) / 1_000
        records &+= 1
        if first == nil { first = record.sequence }
        head = (record.sequence, hash)
        begins = min(begins ?? time, time)
        ends = max(ends ?? time, time)
        switch record.kind {
        case .genesis, .intent: break
        case .outcome: outcome(record, time)
        case .refusal: refusal(record, time)
        case .event: event(record)
        }
    }

    private mutating func outcome(_ record: AuditRecord, _ time: Int64) {
        // Other outcomes are of keys that were made, retired or deleted.
        guard let purpose = Purpose(operation: record.operation) else { return }
        let isSigned = record.result == "signed"
        count(record, time) { isSigned ? ($0.signed &+= 1) : ($0.failed &+= 1) }
        Self.add(&byPurpose[purpose, default: Tally()], time) { isSigned ? ($0.signed &+= 1) : ($0.failed &+= 1) }
        guard isSigned else { return }
        let day = Self.day(time)
        if byDay[day] == nil, byDay.count >= Self.days {
            guard let oldest = byDay.keys.min(), oldest < day else { return before &+= 1 }
            before &+= byDay.removeValue(forKey: oldest)?.purposes.values.reduce(0, &+) ?? 0
        }
        byDay[day, default: Day()].purposes[purpose, default: 0] &+= 1
        if let uid = record.uid, byCaller[uid] != nil { byDay[day]?.callers[uid, default: 0] &+= 1 }
    }

    private mutating func refusal(_ record: AuditRecord, _ time: Int64) {
        count(record, time) { $0.refused &+= 1 }
        let kind = RefusalKind(operation: record.operation ?? "", reason: record.error ?? "")
        if refusals[kind] != nil || refusals.count < Self.refusalKinds {
            refusals[kind, default: 0] &+= 1
        } else {
            otherRefusals &+= 1
        }
        Self.keep(record, in: &latestRefusals)
    }

    private mutating func event(_ record: AuditRecord) {
        events &+= 1
        // `12 refusals of the user were not recorded one by one`
        if record.operation == "refusals-left-out", let number = record.detail?.prefix(while: \.isNumber), let count = UInt64(number) {
            uncounted = uncounted.addingReportingOverflow(count).overflow ? .max : uncounted &+ count
        }
        Self.keep(record, in: &latestEvents)
    }

    /// Counts it in all, for its caller, its key and its operation.
    private mutating func count(_ record: AuditRecord, _ time: Int64, _ body: (inout Tally) -> Void) {
        Self.add(&total, time, body)
        if let uid = record.uid, hasPlace(uid, isRefusal: record.kind == .refusal) {
            Self.add(&byCaller[uid, default: Tally()], time, body)
        } else {
            Self.add(&otherCallers, time, body)
        }
        // The names of refused requests are their callers' own, and those of operations are a closed list.
        if record.kind != .refusal, let key = record.key?.rawValue {
            if byKey[key] != nil || byKey.count < Self.keys {
                Self.add(&byKey[key, default: Tally()], time, body)
            } else {
                Self.add(&otherKeys, time, body)
            }
        }
        if let operation = record.operation, byOperation[operation] != nil || byOperation.count < Self.refusalKinds {
            Self.add(&byOperation[operation, default: Tally()], time, body)
        }
    }

    /// Whether a caller is counted by itself.
    private mutating func hasPlace(_ uid: UInt32, isRefusal: Bool) -> Bool {
        guard byCaller[uid] == nil else {
            if !isRefusal { onlyRefused.remove(uid) }
            return true
        }
        guard byCaller.count < Self.callers else { return false }
        guard isRefusal else { return true }
        guard onlyRefused.count < Self.refusedCallers else { return false }
        onlyRefused.insert(uid)
        return true
    }

    private static func add(_ tally: inout Tally, _ time: Int64, _ body: (inout Tally) -> Void) {
        body(&tally)
        tally.last = max(tally.last, time)
    }

    private static func keep(_ record: AuditRecord, in latest: inout [AuditRecord]) {
        if latest.count >= Self.latest { latest.removeFirst() }
        latest.append(record)
    }

    /// Days since 1970-01-01.
    static func day(_ time: Int64) -> Int64 { time >= 0 ? time / 86_400 : (time &- 86_399) / 86_400 }

    /// The callers, those with most signatures and refusals first.
    var callers: [(uid: UInt32, tally: Tally)] {
        byCaller.map { ($0.key, $0.value) }.sorted { one, other in
            let (a, b) = (one.1.signed &+ one.1.failed &+ one.1.refused, other.1.signed &+ other.1.failed &+ other.1.refused)
            return a == b ? one.0 < other.0 : a > b
        }
    }
}
