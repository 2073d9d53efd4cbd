/// Statistics of the rounds of one measurement.
public enum Statistics {
    /// The middle value; for an even count, the mean of the two middle ones. `nil` if there are none.
    public static func median(_ values: [Double]) -> Double? {
        let sorted = values.sorted()
        guard let upper = sorted.dropFirst(sorted.count / 2).first else { return nil }
        guard sorted.count.isMultiple(of: 2), let lower = sorted.dropFirst(sorted.count / 2 - 1).first else { return upper }
        return (lower + upper) / 2
    }

    /// The value below which `share` (0 to 1) of the values are, by nearest rank. `nil` if there are none.
    public static func quantile(_ share: Double, of values: [Double]) -> Double? {
        guard !values.isEmpty else { return nil }
        let sorted = values.sorted()
        let rank = (share * Double(sorted.count)).rounded(.up)
        return sorted[min(max(Int(rank) - 1, 0), sorted.count - 1)]
    }

    /// How much the rounds differ: (greatest − least) / median. 0 for fewer than two, or if the median is 0.
    public static func spread(_ values: [Double]) -> Double {
        guard let least = values.min(), let greatest = values.max(), let median = median(values), median != 0 else { return 0 }
        return (greatest - least) / abs(median)
    }

    /// How far a typical round is from the median, as a share of it (median absolute deviation / median).
    public static func deviation(_ values: [Double]) -> Double {
        guard let median = median(values), median != 0, let typical = Statistics.median(values.map { abs($0 - median) }) else { return 0 }
        return typical / abs(median)
    }
}
