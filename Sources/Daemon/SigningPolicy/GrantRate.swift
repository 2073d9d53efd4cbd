import ACME

/// How often a grant may be used, by all its users together.
public struct GrantRate: Hashable, Sendable {
    /// What is counted. Raw values are used in the interface and in the state.
    public enum Kind: String, CaseIterable, Hashable, Sendable {
        case handshakes, orders, revocations, keys

        /// `nil` for an operation that is not counted.
        public init?(_ operation: Operation) {
            switch operation {
            case .signHandshake, .signClientHandshake, .signServerKeyExchange: self = .handshakes
            case .newOrder: self = .orders
            case .revokeCertificate: self = .revocations
            case .createKey, .adoptKey: self = .keys
            case .newAccount, .updateAccount, .deactivateAccount, .keyChange, .postAsGet, .respondToChallenge, .deactivateAuthorization,
                .finalize, .retireKey, .deleteKey, .listKeys, .signRequest, .readAudit, .readMetrics:
                return nil
            }
        }

        /// What so many of them are called.
        public func name(_ count: Int) -> String {
            switch self {
            case .handshakes: count == 1 ? "handshake" : "handshakes"
            case .orders: count == 1 ? "order" : "orders"
            case .revocations: count == 1 ? "revocation" : "revocations"
            case .keys: count == 1 ? "new key" : "new keys"
            }
        }
    }

    /// A limit: `count` in `seconds`. Of handshakes, as many as `burst` at once.
    public struct Limit: Hashable, Sendable {
        public var count: Int
        public var seconds: Int
        public var burst: Int

        public init(count: Int, seconds: Int, burst: Int? = nil) {
            self.count = count
            self.seconds = seconds
            self.burst = burst ?? count
        }
    }

    public static let day = 86_400

    public var limits: [Kind: Limit]

    public init(_ limits: [Kind: Limit]) { self.limits = limits }
}

/// How much of the grants' rates is used: a value without clock. Handshakes are a bucket that refills steadily; what is
/// limited by the day is counted over the last 24 hours.
public struct RateUse: Hashable, Sendable {
    public struct Counted: Hashable, Sendable {
        public var grant: String
        public var kind: GrantRate.Kind

        public init(grant: String, kind: GrantRate.Kind) {
            self.grant = grant
            self.kind = kind
        }
    }

    public enum Verdict: Hashable, Sendable {
        case taken
        /// Milliseconds until it may be tried again.
        case exceeded(wait: Int64)
    }

    /// Times of the uses within the last day, oldest first: milliseconds since 1970-01-01T00:00:00Z, since they are kept
    /// over restarts.
    public private(set) var times: [Counted: [Int64]] = [:]
    /// When each bucket is full again, in nanoseconds of a monotonic clock.
    private var full: [String: Int64] = [:]
    /// Since when uses are in the future, in nanoseconds of the monotonic clock.
    private var ahead: [Counted: Int64] = [:]

    public init() {}

    /// - Parameter times: What was used before a restart.
    public init(times: [Counted: [Int64]]) { self.times = times.mapValues { $0.sorted() } }

    /// Counts a use, if the rate allows one more.
    /// - Parameters:
    ///   - wall: Milliseconds since 1970-01-01T00:00:00Z.
    ///   - monotonic: Nanoseconds.
    public mutating func take(
        _ kind: GrantRate.Kind, of grant: String, _ limit: GrantRate.Limit, wall: Int64, monotonic: Int64
    ) -> Verdict {
        guard kind == .handshakes else { return takeOfDay(Counted(grant: grant, kind: kind), limit, wall: wall, monotonic: monotonic) }
        let one = RateUse.interval(limit)
        let owed = owed(grant, limit, monotonic), next = monotonic + owed + one
        // Also if it is refused: otherwise a bucket that a reload has made smaller would stay empty.
        full[grant] = monotonic + owed
        let wait = next - monotonic - one * Int64(limit.burst)
        guard wait <= 0 else { return .exceeded(wait: (wait + 999_999) / 1_000_000) }
        full[grant] = next
        return .taken
    }

    private mutating func takeOfDay(_ counted: Counted, _ limit: GrantRate.Limit, wall: Int64, monotonic: Int64) -> Verdict {
        let window = Int64(limit.seconds) * 1_000
        guard limit.count > 0 else { return .exceeded(wait: window) }
        var recent = (times[counted] ?? []).filter { $0 > wall - window }
        // The clock was set back: now, or it was ahead before. Until that is over, or for a day by the other clock, what
        // is in the future counts as of now.
        if let newest = recent.last, newest > wall {
            let since = ahead[counted] ?? monotonic
            ahead[counted] = since
            if monotonic - since >= window * 1_000_000 { recent.removeAll { $0 > wall } }
        } else {
            ahead[counted] = nil
        }
        // If a reload has lowered the limit, as many must end as there are too many.
        if recent.count >= limit.count, let last = recent.suffix(limit.count).first {
            return .exceeded(wait: min(last, wall) + window - wall)
        }
        times[counted] = (recent + [wall]).sorted()
        return .taken
    }

    /// Drops what no longer counts, also of grants that are gone.
    /// - Parameter wall: Milliseconds since 1970-01-01T00:00:00Z.
    public mutating func forget(wall: Int64) {
        let window = Int64(GrantRate.day) * 1_000
        times = times.mapValues { $0.filter { min($0, wall) > wall - window } }.filter { !$0.value.isEmpty }
    }

    /// How many more are allowed at once.
    public func left(_ kind: GrantRate.Kind, of grant: String, _ limit: GrantRate.Limit, wall: Int64, monotonic: Int64) -> Int {
        guard kind == .handshakes else {
            let window = Int64(limit.seconds) * 1_000
            let used = (times[Counted(grant: grant, kind: kind)] ?? []).count { min($0, wall) > wall - window }
            return max(0, limit.count - used)
        }
        let one = RateUse.interval(limit)
        return Int(clamping: (one * Int64(limit.burst) - owed(grant, limit, monotonic)) / one)
    }

    /// Nanoseconds until the bucket is full again: at most what all of it takes, since a reload may have made it smaller or
    /// faster.
    private func owed(_ grant: String, _ limit: GrantRate.Limit, _ monotonic: Int64) -> Int64 {
        min(max(0, (full[grant] ?? monotonic) - monotonic), RateUse.interval(limit) * Int64(limit.burst))
    }

    /// Nanoseconds between two in the long run.
    private static func interval(_ limit: GrantRate.Limit) -> Int64 {
        max(1, Int64(limit.seconds) * 1_000_000_000 / Int64(max(1, limit.count)))
    }
}
