/// The calendar of a few certificates: a line for each, from now until it expires.
struct ExpiryLines {
    private let certificates: [CertificateFact]
    private let now: Int64
    /// Unix seconds: the end of the calendar.
    private let end: Int64
    private let weeks: [Int64]

    /// Seconds before now at which the calendar begins, and after the last expiry at which it ends.
    private static let margin: Int64 = 4 * 86_400
    /// Weeks that are shown at most: what ends later, such as a root of ten years, has a line to the edge.
    private static let mostWeeks: Int64 = 60
    private static let leastWeeks: Int64 = 8
    private static let week: Int64 = 7 * 86_400
    private static let height = 22.0

    init(_ certificates: [CertificateFact], now: Int64) {
        self.certificates = certificates
        self.now = now
        let latest = certificates.map(\.notAfter).max() ?? now
        let bound = now &+ Self.mostWeeks &* Self.week
        end = max(min(latest, bound), now &+ Self.leastWeeks &* Self.week) &+ Self.margin
        weeks = Array(stride(from: Week(containing: now).next.begins, to: end, by: Int(Self.week)))
    }

    func write(to markup: inout Markup) {
        markup.table(
            "Expiry calendar: a line for each certificate until it expires, with a vertical line every week; a square marks the "
                + "moment at which its renewal is due", [Column("Certificate"), Column("Expires"), Column(axis, .bar)],
            certificates.map { certificate in
                [
                    Cell(certificate.name),
                    Cell { cell in
                        cell.day(certificate.notAfter)
                        cell.element(.div, .classes(.muted), text: Phrase.distance(certificate.notAfter, from: now))
                    }, line(certificate),
                ]
            })
    }

    private var axis: String { "\(Phrase.day(now)) to \(Phrase.day(end))" }

    private func percent(_ time: Int64) -> Double {
        let start = now &- Self.margin, bounded = min(max(time, start), end)
        return Double(bounded &- start) / Double(max(end &- start, 1)) * 100
    }

    private func line(_ certificate: CertificateFact) -> Cell {
        let from = percent(max(now, certificate.notBefore)), to = percent(certificate.notAfter)
        let renewal = certificate.renewal.map(percent), today = percent(now)
        let marks = weeks.map(percent), isOver = certificate.notAfter <= now
        return Cell { cell in
            cell.element(.svg, .width(.percent(100)), .height(.pixels(Self.height)), .hidden) { svg in
                let top = Attribute.Length.pixels(0), bottom = Attribute.Length.pixels(Self.height)
                for mark in marks {
                    svg.element(.line, .classes(.grid), .x1(.percent(mark)), .x2(.percent(mark)), .y1(top), .y2(bottom)) { _ in }
                }
                svg.element(.line, .classes(.today), .x1(.percent(today)), .x2(.percent(today)), .y1(top), .y2(bottom)) { _ in }
                if !isOver {
                    svg.element(
                        .rect, .classes(certificate.needsAttention ? .fill3 : .fill1), .x(.percent(from)), .y(.pixels(7)),
                        .width(.percent(max(to - from, 0.3))), .height(.pixels(8))
                    ) { _ in }
                }
                if let renewal, !isOver {
                    // One that is due is shown at the moment it is due at the latest: now.
                    svg.element(
                        .rect, .classes(.mark), .x(.percent(min(max(renewal, today), 98.5))), .y(.pixels(5)), .width(.pixels(6)),
                        .height(.pixels(12))
                    ) { _ in }
                }
            }
        }
    }
}
