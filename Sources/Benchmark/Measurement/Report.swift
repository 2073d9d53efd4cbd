import StrictJSON

/// The results of one run of the benchmark.
public struct Report: Sendable, Hashable {
    /// Something that the run should have measured but could not.
    public struct Omission: Sendable, Hashable {
        public var part: String
        public var name: String
        public var reason: String

        public init(part: String, name: String, reason: String) {
            self.part = part
            self.name = name
            self.reason = reason
        }
    }

    /// When the run ended, RFC 3339, UTC.
    public var time: String
    /// Facts that the figures depend on: CPU, kernel, versions, placement. In the order shown.
    public var circumstances: [(name: String, value: String)] {
        get { names.map { ($0, facts[$0] ?? "") } }
        set {
            names = newValue.map(\.name)
            facts = Dictionary(newValue.map { ($0.name, $0.value) }) { _, last in last }
        }
    }
    public var rows: [Row]
    public var omissions: [Omission]

    private var names: [String] = []
    private var facts: [String: String] = [:]

    public init(time: String, circumstances: [(name: String, value: String)], rows: [Row], omissions: [Omission]) {
        self.time = time
        self.rows = rows
        self.omissions = omissions
        self.circumstances = circumstances
    }

    /// The document of `bench/latest.json`.
    public var json: [UInt8] {
        var json = JSONWriter(reservingCapacity: 65_536)
        json.beginObject()
        json.member("format", Report.format)
        json.member("time", time)
        json.name("circumstances")
        json.beginObject()
        for (name, value) in circumstances { json.member(name, value) }
        json.endObject()
        json.name("rows")
        json.beginArray()
        for row in rows { row.write(to: &json) }
        json.endArray()
        json.name("omissions")
        json.beginArray()
        for omission in omissions {
            json.beginObject()
            json.member("part", omission.part)
            json.member("name", omission.name)
            json.member("reason", omission.reason)
            json.endObject()
        }
        json.endArray()
        json.endObject()
        return json.bytes + [UInt8(ascii: "\n")]
    }

    /// Parses what `json` returns.
    /// - Throws: `JSONError`; a document of another format is an error too.
    public init(json bytes: [UInt8]) throws(JSONError) {
        let root = try JSONDocument(parsing: bytes).root.object()
        guard try root.integer("format") == Report.format else { throw JSONError(.wrongType, offset: 0, member: "format") }
        var rows: [Row] = []
        for value in try root.array("rows") { rows.append(try Row(json: value.object())) }
        var omissions: [Omission] = []
        for value in try root.array("omissions") {
            let object = try value.object()
            omissions.append(
                Omission(part: try object.string("part"), name: try object.string("name"), reason: try object.string("reason")))
        }
        var circumstances: [(name: String, value: String)] = []
        for (name, value) in try root.object("circumstances").members { circumstances.append((name, try value.string(name))) }
        self.init(time: try root.string("time"), circumstances: circumstances, rows: rows, omissions: omissions)
    }

    private static let format: Int64 = 1
}

extension Row {
    fileprivate func write(to json: inout JSONWriter) {
        json.beginObject()
        json.member("part", part)
        json.member("name", name)
        json.name("value")
        json.number(value)
        json.member("unit", unit)
        json.name("bound")
        if let bound { json.string(bound.rawValue) } else { json.null() }
        json.name("limit")
        json.number(limit)
        json.name("holds")
        if let holds { json.bool(holds) } else { json.null() }
        json.name("rounds")
        json.numbers(rounds)
        json.name("limits")
        json.numbers(limits)
        json.endObject()
    }

    fileprivate init(json: JSONObject) throws(JSONError) {
        let bound: Bound?
        if let text = try json.optionalString("bound") {
            guard let known = Bound(rawValue: text) else { throw JSONError(.wrongType, offset: 0, member: "bound") }
            bound = known
        } else {
            bound = nil
        }
        self.init(
            part: try json.string("part"), name: try json.string("name"), unit: try json.string("unit"),
            rounds: try json.numbers("rounds"), bound: bound, limits: try json.numbers("limits"))
    }
}

extension JSONWriter {
    /// Four decimals are more than these figures are worth, and keep diffs between runs small. A value that is not a
    /// number becomes null.
    fileprivate mutating func number(_ value: Double?) {
        guard let value, value.isFinite else { return null() }
        let rounded = (value * 10_000).rounded() / 10_000
        raw("\(rounded)".utf8)
    }

    fileprivate mutating func numbers(_ values: [Double]) {
        beginArray()
        for value in values { number(value) }
        endArray()
    }
}

extension JSONObject {
    fileprivate func numbers(_ name: String) throws(JSONError) -> [Double] {
        var numbers: [Double] = []
        for value in try array(name) { numbers.append(try value.double(name)) }
        return numbers
    }
}
