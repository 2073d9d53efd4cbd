/// The calendar of many certificates: how many expire, and how many renewals are due, in each week or month.
struct ExpiryCalendar {
    struct Period: Sendable, Hashable {
        var name: String
        var expiries: UInt64 = 0
        var renewals: UInt64 = 0
    }

    /// In their order, without those before now and beyond the calendar.
    private(set) var periods: [Period]
    private(set) var expired: UInt64 = 0
    private(set) var later: UInt64 = 0
    private(set) var overdue: UInt64 = 0
    let isByWeek: Bool

    static let mostWeeks: Int64 = 26
    private static let mostMonths = 24

    init(_ certificates: [CertificateFact], now: Int64) {
        let latest = certificates.map(\.notAfter).max() ?? now
        let first = Week(containing: now), lastWeek = Week(containing: max(latest, now))
        isByWeek = lastWeek < first.advanced(by: Self.mostWeeks)
        periods = []
        // The number of each period.
        var weeks: [Week: Int] = [:], months: [Month: Int] = [:]
        if isByWeek {
            var week = first
            while week <= lastWeek {
                weeks[week] = periods.count
                periods.append(Period(name: Phrase.day(week.begins)))
                week = week.next
            }
        } else {
            var month = Month(containing: now)
            let last = Month(containing: max(latest, now))
            while month <= last, periods.count < Self.mostMonths {
                months[month] = periods.count
                periods.append(Period(name: month.text))
                month = month.next
            }
        }
        func index(_ time: Int64) -> Int? { isByWeek ? weeks[Week(containing: time)] : months[Month(containing: time)] }
        for certificate in certificates {
            if certificate.notAfter < now {
                expired += 1
            } else if let index = index(certificate.notAfter) {
                periods[index].expiries += 1
            } else {
                later += 1
            }
            guard let renewal = certificate.renewal else { continue }
            if renewal < now {
                overdue += 1
            } else if let index = index(renewal) {
                periods[index].renewals += 1
            }
        }
    }

    func write(to markup: inout Markup) {
        let unit = isByWeek ? "week" : "month"
        ColumnChart(
            caption: "Certificates that expire in each \(unit)", series: [("expire", .fill1)],
            buckets: periods.map { ColumnChart.Bucket(label: $0.name, values: [$0.expiries]) }
        ).write(to: &markup)
        var rows: [[Cell]] = []
        if expired > 0 || overdue > 0 { rows.append([Cell("before now"), .number(expired), .number(overdue)]) }
        rows += periods.filter { $0.expiries > 0 || $0.renewals > 0 }.map {
            [.period($0.name), .number($0.expiries), .number($0.renewals)]
        }
        if later > 0 { rows.append([Cell("later"), .number(later), Cell("")]) }
        markup.table(
            "Expiry calendar by \(unit)" + (isByWeek ? ", named by its Monday" : ""),
            [Column(isByWeek ? "Week of" : "Month"), Column("Expire", .number), Column("Renewals due", .number)], rows)
    }
}
