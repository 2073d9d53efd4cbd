/// A key as parsed.
struct TOMLKey {
    var bytes: [UInt8]
    var position: TOMLPosition
    var text: String { String(decoding: bytes, as: UTF8.self) }
}

/// The document while it is parsed: tables and arrays of tables by number, so that any of them can be continued
/// anywhere in the text. The specification says which may be, in "Table", "Dotted keys", "Inline table" and "Array of
/// tables".
struct TOMLTree {
    /// How a table was made, which determines what may add to it.
    enum Origin {
        /// `[a.b]` made `a`: a header may still define it, dotted keys may add to it.
        case implicit
        /// `[a]`, an element of `[[a]]`, or the document.
        case header
        /// `a.b = 1` made `a`: more dotted keys may add to it, headers only below it.
        case dotted
        /// `{ … }`: nothing may be added.
        case inline
    }

    /// A value while it is parsed.
    indirect enum Slot {
        case scalar(TOMLValue)
        case array([(slot: Slot, position: TOMLPosition)])
        case table(Int)
        /// `[[a]]`.
        case tables(Int)
    }

    private struct Member {
        var key: TOMLKey
        var slot: Slot
        var position: TOMLPosition
    }

    private struct Building {
        var origin: Origin
        var position: TOMLPosition
        var depth: Int
        var members: [Member] = []
        var index: [[UInt8]: Int] = [:]
    }

    static let root = 0
    let depthLimit: Int
    private var tables: [Building] = [Building(origin: .header, position: TOMLPosition(line: 1, column: 1), depth: 0)]
    private var arrays: [[Int]] = []

    init(depthLimit: Int) { self.depthLimit = depthLimit }

    func depth(of table: Int) -> Int { tables[table].depth }

    /// A table that is not yet in the document.
    mutating func makeTable(_ origin: Origin, at position: TOMLPosition, depth: Int) throws(TOMLError) -> Int {
        try checkDepth(depth, at: position)
        tables.append(Building(origin: origin, position: position, depth: depth))
        return tables.count - 1
    }

    func checkDepth(_ depth: Int, at position: TOMLPosition) throws(TOMLError) {
        guard depth <= depthLimit else {
            throw TOMLError(position: position, message: "tables and arrays are nested more than \(depthLimit) deep")
        }
    }

    private func member(_ key: TOMLKey, of table: Int) -> Member? {
        tables[table].index[key.bytes].map { tables[table].members[$0] }
    }

    /// Puts a value under a key that is free.
    mutating func add(_ slot: Slot, at position: TOMLPosition, under key: TOMLKey, to table: Int) {
        tables[table].index[key.bytes] = tables[table].members.count
        tables[table].members.append(Member(key: key, slot: slot, position: position))
    }

    private func taken(_ key: TOMLKey, _ by: Member, _ reason: String) -> TOMLError {
        TOMLError(
            position: key.position, message: "\"\(key.text)\" \(reason)",
            hint: "it is first used on line \(by.key.position.line)")
    }

    // MARK: Dotted keys

    /// The table for a dotted key's last part, if that part is still free.
    mutating func place(for path: [TOMLKey], from start: Int) throws(TOMLError) -> Int {
        var table = start
        for key in path.dropLast() {
            guard let found = member(key, of: table) else {
                let new = try makeTable(.dotted, at: key.position, depth: tables[table].depth + 1)
                add(.table(new), at: key.position, under: key, to: table)
                table = new
                continue
            }
            guard case .table(let inner) = found.slot else { throw taken(key, found, "is not a table that dotted keys can add to") }
            switch tables[inner].origin {
            case .dotted: break
            case .implicit: tables[inner].origin = .dotted
            case .header: throw taken(key, found, "was defined by its own header, and dotted keys cannot add to it")
            case .inline: throw taken(key, found, "is an inline table, and nothing can be added to it")
            }
            table = inner
        }
        if let key = path.last, let found = member(key, of: table) { throw taken(key, found, "occurs twice") }
        return table
    }

    // MARK: Headers

    /// The table that `[path]` opens.
    mutating func open(_ path: [TOMLKey], at position: TOMLPosition) throws(TOMLError) -> Int {
        guard let key = path.last else { return TOMLTree.root }
        let above = try walk(path)
        guard let found = member(key, of: above) else {
            let new = try makeTable(.header, at: position, depth: tables[above].depth + 1)
            add(.table(new), at: position, under: key, to: above)
            return new
        }
        guard case .table(let inner) = found.slot, tables[inner].origin == .implicit else {
            throw taken(key, found, "is already defined, and this header would define it again")
        }
        tables[inner].origin = .header
        tables[inner].position = position
        return inner
    }

    /// The new table that `[[path]]` opens.
    mutating func openElement(_ path: [TOMLKey], at position: TOMLPosition) throws(TOMLError) -> Int {
        guard let key = path.last else { return TOMLTree.root }
        let above = try walk(path)
        let found = member(key, of: above)
        // An array and a table in it.
        let new = try makeTable(.header, at: position, depth: tables[above].depth + 2)
        guard let found else {
            arrays.append([new])
            add(.tables(arrays.count - 1), at: position, under: key, to: above)
            return new
        }
        guard case .tables(let array) = found.slot else { throw taken(key, found, "is already defined, and not as [[\(key.text)]]") }
        arrays[array].append(new)
        return new
    }

    /// The table above the last part of a header; missing tables are made.
    private mutating func walk(_ path: [TOMLKey]) throws(TOMLError) -> Int {
        var table = TOMLTree.root
        for key in path.dropLast() {
            guard let found = member(key, of: table) else {
                let new = try makeTable(.implicit, at: key.position, depth: tables[table].depth + 1)
                add(.table(new), at: key.position, under: key, to: table)
                table = new
                continue
            }
            switch found.slot {
            case .table(let inner):
                guard tables[inner].origin != .inline else { throw taken(key, found, "is an inline table, and nothing can be added to it") }
                table = inner
            case .tables(let array):
                guard let last = arrays[array].last else { throw taken(key, found, "is empty") }
                table = last
            case .scalar, .array: throw taken(key, found, "is not a table")
            }
        }
        return table
    }

    // MARK: Result

    /// A finished table. Recursion ends at the depth limit.
    func table(_ number: Int) -> TOMLTable {
        let building = tables[number]
        let members = building.members.map { member in
            TOMLTable.Member(
                key: member.key.text, position: member.key.position, node: TOMLNode(value: value(member.slot), position: member.position))
        }
        return TOMLTable(position: building.position, members: members, index: building.index)
    }

    private func value(_ slot: Slot) -> TOMLValue {
        switch slot {
        case .scalar(let value): value
        case .table(let number): .table(table(number))
        case .array(let elements): .array(elements.map { TOMLNode(value: value($0.slot), position: $0.position) })
        case .tables(let number):
            .array(arrays[number].map { TOMLNode(value: .table(table($0)), position: tables[$0].position) })
        }
    }
}
