/// Whether a figure of a process grows: the line of least squares through its samples, after the time in which a
/// program still warms up.
struct Growth {
    /// How much the line may rise over the time that it covers.
    let bound: Double
    private var samples: [(time: Double, value: Double)] = []
    /// The part at the beginning that does not count.
    private static let warmUp = 1.0 / 3
    /// Fewer samples say nothing.
    static let fewest = 5

    init(bound: Double) { self.bound = bound }

    mutating func add(_ value: Double, at time: Double) { samples.append((time, value)) }

    var first: Double? { samples.first?.value }
    var last: Double? { samples.last?.value }
    var highest: Double? { samples.map(\.value).max() }

    /// The rise of the line from the first sample that counts to the last; `nil` if there are too few.
    var rise: Double? {
        guard let start = samples.first?.time, let end = samples.last?.time else { return nil }
        let counted = samples.filter { $0.time >= start + (end - start) * Growth.warmUp }
        guard counted.count >= Growth.fewest, let from = counted.first?.time, end > from else { return nil }
        let count = Double(counted.count)
        let time = counted.reduce(0) { $0 + $1.time } / count, value = counted.reduce(0) { $0 + $1.value } / count
        let spread = counted.reduce(0) { $0 + ($1.time - time) * ($1.time - time) }
        let slope = counted.reduce(0) { $0 + ($1.time - time) * ($1.value - value) } / spread
        return slope * (end - from)
    }

    /// Whether the figure is flat; a figure that could not be judged is not.
    var isFlat: Bool { rise.map { $0 <= bound } ?? false }
}
