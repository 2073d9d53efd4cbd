import ACME
import StrictJSON

extension TrailActivity {
    /// Writes what the page shows as a value. Callers, keys, days and refusals are bounded as on the page, and what is beyond
    /// a bound is counted together.
    public func write(to json: inout JSONWriter) {
        json.beginObject()
        json.member("records", records)
        if let first { json.member("first", first) }
        json.member("head", ifPresent: head.map { "\($0.sequence):\($0.hash)" })
        json.member("begins", ifPresent: begins.map { RFC3339.string($0) })
        json.member("ends", ifPresent: ends.map { RFC3339.string($0) })
        write(total, to: &json)
        json.member("refusalsLeftOut", uncounted)
        list("purposes", Purpose.allCases.compactMap { purpose in byPurpose[purpose].map { (purpose, $0) } }, to: &json) {
            $1.member("purpose", $0.0.rawValue)
            write($0.1, to: &$1)
        }
        list("callers", callers, to: &json) {
            $1.member("user", $0.uid)
            write($0.tally, to: &$1)
        }
        other("otherCallers", otherCallers, to: &json)
        list("keys", byKey.sorted { $0.key < $1.key }, to: &json) {
            $1.member("name", $0.key)
            write($0.value, to: &$1)
        }
        other("otherKeys", otherKeys, to: &json)
        json.member("before", before)
        list("days", byDay.sorted { $0.key < $1.key }, to: &json) { day, json in
            json.member("day", String(RFC3339.string(day.key &* 86_400).prefix(10)))
            json.member("signatures", day.value.purposes.values.reduce(0, &+))
            list("purposes", day.value.purposes.sorted { $0.key.rawValue < $1.key.rawValue }, to: &json) {
                $1.member("purpose", $0.key.rawValue)
                $1.member("signatures", $0.value)
            }
            list("callers", day.value.callers.sorted { $0.key < $1.key }, to: &json) {
                $1.member("user", $0.key)
                $1.member("signatures", $0.value)
            }
        }
        list("refusals", refusals.sorted { ($0.key.operation, $0.key.reason) < ($1.key.operation, $1.key.reason) }, to: &json) {
            $1.member("operation", $0.key.operation)
            $1.member("reason", $0.key.reason)
            $1.member("count", $0.value)
        }
        json.member("otherRefusals", otherRefusals)
        json.endObject()
    }

    private func other(_ name: String, _ tally: Tally, to json: inout JSONWriter) {
        json.name(name)
        json.beginObject()
        write(tally, to: &json)
        json.endObject()
    }

    private func write(_ tally: Tally, to json: inout JSONWriter) {
        json.member("signatures", tally.signed)
        json.member("failures", tally.failed)
        json.member("refused", tally.refused)
        if tally.last != .min { json.member("last", RFC3339.string(tally.last)) }
    }

    private func list<Values: Sequence>(
        _ name: String, _ values: Values, to json: inout JSONWriter, _ body: (Values.Element, inout JSONWriter) -> Void
    ) {
        json.name(name)
        json.beginArray()
        for value in values {
            json.beginObject()
            body(value, &json)
            json.endObject()
        }
        json.endArray()
    }

    /// The users that it names.
    public var users: [UInt32] {
        Array(Set(byCaller.keys).union(latestRefusals.compactMap(\.uid)))
    }
}
