extension Cell {
    /// A bar whose length is the figure in another cell of the row.
    static func bar(_ value: UInt64, of largest: UInt64) -> Cell {
        let share = largest == 0 ? 0 : min(Double(value) / Double(largest), 1) * 100
        return Cell { markup in
            markup.element(.svg, .width(.percent(100)), .height(.pixels(12)), .hidden) { svg in
                guard value > 0 else { return }
                svg.element(.rect, .classes(.fill1), .y(.pixels(1)), .width(.percent(max(share, 0.5))), .height(.pixels(10))) { _ in }
            }
        }
    }
}
