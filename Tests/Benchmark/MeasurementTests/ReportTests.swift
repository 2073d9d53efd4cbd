import Measurement
import StrictJSON
import Testing

@Suite struct ReportTests {
    static func report(_ rows: [Row], omissions: [Report.Omission] = []) -> Report {
        Report(
            time: "2026-11-25T03:00:00Z", circumstances: [("processor", "one"), ("CPUs", "2")], rows: rows, omissions: omissions)
    }

    static func row(_ name: String, _ rounds: [Double], _ bound: Row.Bound? = nil, _ limits: [Double] = []) -> Row {
        Row(part: "signing", name: name, unit: "1/s", rounds: rounds, bound: bound, limits: limits)
    }

    @Test func whatIsWrittenIsReadBack() throws {
        let report = ReportTests.report(
            [ReportTests.row("a", [1.5, 2, 3]), ReportTests.row("b", [4], .atLeast, [5, 6]), ReportTests.row("c", [1], .atMost, [2])],
            omissions: [Report.Omission(part: "signing", name: "ssh-agent", reason: "there is no \"ssh-agent\" here")])
        let read = try Report(json: report.json)
        #expect(read == report)
        #expect(read.circumstances.map(\.name) == ["processor", "CPUs"])
    }

    @Test func eachRowHasValueLimitAndWhetherItHolds() throws {
        let report = ReportTests.report([ReportTests.row("b", [4, 8], .atLeast, [5])])
        let row = try #require(try JSONDocument(parsing: report.json).root.object().array("rows").first).object()
        #expect(try row.required("value").double() == 6)
        #expect(try row.required("limit").double() == 5)
        #expect(try row.bool("holds"))
        #expect(try row.array("rounds").count == 2)
    }

    @Test func theTableSaysWhatMissesItsLimitAndWhatWasNotMeasured() {
        let report = ReportTests.report(
            [ReportTests.row("rate", [100, 300, 100, 100], .atLeast, [150])],
            omissions: [Report.Omission(part: "issuance", name: "lego", reason: "not installed")])
        #expect(report.markdown.contains("| rate | 100 | 1/s | ≥ 150 | **no** | 100 300 100 100 (unsteady) |"))
        #expect(report.markdown.contains("- issuance, lego: not installed"))
    }

    @Test func aDocumentOfAnotherFormatIsRefused() {
        #expect(throws: JSONError.self) {
            try Report(json: Array(#"{"format":2,"time":"","circumstances":{},"rows":[],"omissions":[]}"#.utf8))
        }
        #expect(throws: JSONError.self) { try Report(json: Array(#"{"format":1,"time":"","circumstances":{},"omissions":[]}"#.utf8)) }
    }
}
