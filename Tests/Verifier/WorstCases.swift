/// The table `worst-cases.json`: for each operation, every other one for which a lenient CA may take its signature.
enum WorstCases {
    struct Row: Hashable {
        var signed: String
        var taken: String
        var consequence: String
    }

    private static let folder = String(#filePath.split(separator: "/").dropLast().reduce(into: "") { $0 += "/" + $1 })

    /// - Returns: `nil` if the file is not there or not the table.
    static let rows: [Row]? = read(folder + "/worst-cases.json")

    private static func read(_ path: String) -> [Row]? {
        guard let list = File.read(path).flatMap({ JSONReader.read($0) })?.array else { return nil }
        var rows: [Row] = []
        for item in list {
            guard let signed = item["signed"]?.string, let taken = item["taken"]?.string, let consequence = item["consequence"]?.string,
                Operation(rawValue: signed) != nil, Operation(rawValue: taken) != nil
            else { return nil }
            rows.append(Row(signed: signed, taken: taken, consequence: consequence))
        }
        return rows.isEmpty ? nil : rows
    }

    /// Every meaning of the signed bytes other than the one that was asked for must be in the table, and must be what
    /// the table says.
    static func check(_ meaning: RequestMeaning, operation: Operation, isAllowed: (Operation) -> Bool) throws(Finding) {
        let possible = meaning.possibleOperations
        guard possible.contains(operation) else { throw Finding("the bytes do not say \(operation.rawValue)") }
        for other in possible where other != operation {
            let row = rows?.first { $0.signed == operation.rawValue && $0.taken == other.rawValue }
            switch row?.consequence {
            case "granted together":
                if !isAllowed(other) {
                    throw Finding("\(operation.rawValue) may be taken for \(other.rawValue), which policy does not allow")
                }
            case "no stronger": break
            case "kept apart":
                // RFC 8555 section 6.2: jwk for a registration, kid for the rest.
                let hasKey = if case .jwk = meaning.signer { true } else { false }
                if hasKey == (other == .newAccount) {
                    throw Finding("\(operation.rawValue) can be taken for \(other.rawValue) by its header")
                }
            default: throw Finding("\(operation.rawValue) may be taken for \(other.rawValue), which the table does not have")
            }
        }
    }

    /// The rows of the table in Docs/threat-model.md, section "Payloads that coincide".
    static func documented(_ path: String) -> Set<Row>? {
        guard let text = File.read(path).map({ String(decoding: $0, as: UTF8.self) }) else { return nil }
        var rows: Set<Row> = []
        var isInSection = false
        for line in text.split(separator: "\n") {
            if line.hasPrefix("## ") { isInSection = line == "## Payloads that coincide" }
            guard isInSection, line.hasPrefix("| `") else { continue }
            let cells = line.split(separator: "|").map { String($0) }
            guard cells.count == 5 else { return nil }
            func operations(_ cell: String) -> [String] {
                cell.split(separator: "`", omittingEmptySubsequences: false).enumerated().filter { $0.offset % 2 == 1 }.map {
                    String($0.element)
                }
            }
            var consequence = cells[4]
            while consequence.hasPrefix(" ") { consequence.removeFirst() }
            while consequence.hasSuffix(" ") { consequence.removeLast() }
            for signed in operations(cells[0]) {
                for taken in operations(cells[1]) { rows.insert(Row(signed: signed, taken: taken, consequence: consequence)) }
            }
        }
        return rows.isEmpty ? nil : rows
    }
}
