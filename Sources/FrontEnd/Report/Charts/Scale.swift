/// The axis of a chart: from 0 to a round number.
struct Scale: Sendable {
    let end: UInt64

    /// The smallest of 1, 2, 5 times a power of ten, and 4 for whole halves, that is not below the largest value.
    init(to largest: UInt64) {
        var step: UInt64 = 1
        while true {
            for factor: UInt64 in [2, 4, 10] {
                let (end, overflow) = step.multipliedReportingOverflow(by: factor)
                guard !overflow else {
                    self.end = largest
                    return
                }
                if end >= largest {
                    self.end = end
                    return
                }
            }
            // Not beyond what was just tried.
            step = step &* 10
        }
    }

    /// From 0 to 1.
    func share(_ value: UInt64) -> Double { min(Double(value) / Double(max(end, 1)), 1) }
}
