import NIOCore

/// When to look again for what is missing: soon at first, at most a minute apart.
struct RetryPace {
    private static let longest: Int64 = 60
    private var seconds: Int64 = 1

    mutating func next() -> TimeAmount {
        defer { seconds = min(RetryPace.longest, seconds &* 2) }
        return .seconds(seconds)
    }
}
