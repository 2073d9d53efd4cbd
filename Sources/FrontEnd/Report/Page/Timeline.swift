/// The days of a trail, or its weeks if it has many days.
struct Timeline {
    struct Period {
        var name: String
        var day = TrailActivity.Day()
    }

    private(set) var periods: [Period] = []
    let isByWeek: Bool
    /// Signatures before the first period.
    private(set) var before: UInt64

    var unit: String { isByWeek ? "week" : "day" }

    /// Days that are shown as days.
    static let mostDays: Int64 = 35
    static let mostWeeks: Int64 = 53

    /// From the first signature until now, without gaps; a year at most.
    init(_ activity: TrailActivity, now: Int64) {
        before = activity.before
        // A clock that was wrong once must not stretch the time.
        let today = TrailActivity.day(now), days = activity.byDay.filter { $0.key <= today }
        before &+= activity.byDay.filter { $0.key > today }.values.reduce(0) { $0 &+ $1.purposes.values.reduce(0, &+) }
        let first = max(days.keys.min() ?? today, today &- Self.mostWeeks &* 7)
        isByWeek = today &- first >= Self.mostDays
        if isByWeek {
            let last = Week(containing: now)
            var week = max(Week(containing: first &* 86_400), last.advanced(by: 1 - Self.mostWeeks)), place: [Week: Int] = [:]
            while week <= last {
                place[week] = periods.count
                periods.append(Period(name: Phrase.day(week.begins)))
                week = week.next
            }
            for (day, counts) in days { add(counts, at: place[Week(containing: day &* 86_400)]) }
        } else {
            for day in first...today { periods.append(Period(name: Phrase.day(day &* 86_400))) }
            for (day, counts) in days { add(counts, at: day >= first ? Int(day &- first) : nil) }
        }
    }

    private mutating func add(_ counts: TrailActivity.Day, at index: Int?) {
        guard let index, periods.indices.contains(index) else { return before &+= counts.purposes.values.reduce(0, &+) }
        periods[index].day.purposes.merge(counts.purposes, uniquingKeysWith: &+)
        periods[index].day.callers.merge(counts.callers, uniquingKeysWith: &+)
    }
}
