import ACME

/// A week from Monday on, in UTC (ISO 8601).
struct Week: Hashable, Comparable, Sendable {
    /// Days since 1970-01-01, a Thursday.
    let monday: Int64

    init(containing time: Int64) {
        let day = TrailActivity.day(time)
        let weekday = (day % 7 + 7 + 3) % 7
        monday = day &- weekday
    }

    private init(monday: Int64) { self.monday = monday }

    /// Unix seconds.
    var begins: Int64 { monday &* 86_400 }
    var next: Week { Week(monday: monday &+ 7) }
    func advanced(by weeks: Int64) -> Week { Week(monday: monday &+ 7 &* weeks) }
    static func < (one: Week, other: Week) -> Bool { one.monday < other.monday }
}

/// A month, in UTC.
struct Month: Hashable, Comparable, Sendable {
    let year: Int64
    /// From 1 to 12.
    let number: Int64

    init(containing time: Int64) {
        let text = RFC3339.string(time)
        year = Int64(text.prefix(4)) ?? 1970
        number = min(max(Int64(text.dropFirst(5).prefix(2)) ?? 1, 1), 12)
    }

    private init(year: Int64, number: Int64) {
        self.year = year
        self.number = number
    }

    var next: Month { number == 12 ? Month(year: year &+ 1, number: 1) : Month(year: year, number: number + 1) }
    /// `2026-11`
    var text: String { "\(year)-\(number < 10 ? "0" : "")\(number)" }
    static func < (one: Month, other: Month) -> Bool { (one.year, one.number) < (other.year, other.number) }
}
