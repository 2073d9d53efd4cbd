/// Lists of slots; each slot is in at most one. Every step takes the same time however many there are, and only a new
/// slot takes memory.
struct UserLists {
    enum List: Int, CaseIterable {
        case none
        /// Users whose turn comes in this round and in the next; which is which changes with each round.
        case even, odd
        /// Users with credit in this round who already have the most allowed in hand.
        case full
        /// Users with nothing waiting and nothing in hand.
        case idle
    }

    private struct Entry {
        var list = List.none
        var before = -1
        var after = -1
    }

    private struct Ends {
        var first = -1
        var last = -1
        var count = 0
    }

    private var entries: [Entry] = []
    private var ends = List.allCases.map { _ in Ends() }

    /// Makes a slot, in no list.
    mutating func add() { entries.append(Entry()) }

    func first(of list: List) -> Int? {
        let first = ends[list.rawValue].first
        return first >= 0 ? first : nil
    }

    func count(of list: List) -> Int { ends[list.rawValue].count }

    func list(of slot: Int) -> List { entries[slot].list }

    /// Moves a slot to the end of a list, from the one that it is in.
    mutating func move(_ slot: Int, to list: List) {
        leave(slot)
        guard list != .none else { return }
        let last = ends[list.rawValue].last
        entries[slot] = Entry(list: list, before: last, after: -1)
        if last >= 0 { entries[last].after = slot } else { ends[list.rawValue].first = slot }
        ends[list.rawValue].last = slot
        ends[list.rawValue].count += 1
    }

    private mutating func leave(_ slot: Int) {
        let entry = entries[slot]
        guard entry.list != .none else { return }
        if entry.before >= 0 { entries[entry.before].after = entry.after } else { ends[entry.list.rawValue].first = entry.after }
        if entry.after >= 0 { entries[entry.after].before = entry.before } else { ends[entry.list.rawValue].last = entry.before }
        ends[entry.list.rawValue].count -= 1
        entries[slot] = Entry()
    }
}
