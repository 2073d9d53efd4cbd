import Testing

@testable import acme_agent

@Suite struct WordingTests {
    @Test(
        arguments: [
            (0, "0 s"), (59, "59 s"), (90, "1 min 30 s"), (3600, "1 h"), (5400, "1 h 30 min"), (86_400, "1 day"), (90_000, "1 day 1 h"),
            (89 * 86_400 + 7200, "89 days"), (-5, "0 s"),
            (99 * 365 * 86_400, "36135 days"), (.max, ">100 years"),
        ] as [(Int64, String)]) func durations(seconds: Int64, text: String)
    { #expect(Wording.duration(seconds: seconds) == text) }

    @Test func moments() {
        #expect(Wording.moment(200, from: 100) == "in 1 min 40 s")
        #expect(Wording.moment(100, from: 200) == "1 min 40 s ago")
        #expect(Wording.day(0) == "1970-01-01")
    }

    @Test func lists() {
        #expect(Wording.list([String]()) == "nothing")
        #expect(Wording.list(["a"]) == "a")
        #expect(Wording.list(["a", "b", "c"]) == "a, b and c")
        #expect(Wording.list(["a", "b", "c"], limit: 2) == "a, b and 1 more")
        #expect(Wording.count(1, "key") == "1 key")
        #expect(Wording.count(2, "key") == "2 keys")
    }

    @Test func tablesAlignAndNeverCarryEscapes() {
        var table = TextTable(["NAME", "STATE"])
        table.add(["www.example.org", "valid"])
        table.add(["x\u{1B}[31m", "due"])
        #expect(table.text == "NAME             STATE\nwww.example.org  valid\nx\u{FFFD}[31m           due")
    }

    @Test func fields() {
        var list = FieldList()
        list.add("a", "1")
        list.add("long", ["2", "3"])
        list.add("none", nil as String?)
        list.add("empty", [])
        #expect(list.text == "a:     1\nlong:  2\n       3")
    }
}
