import Measurement
import Testing

@Suite struct ComparisonTests {
    private func compare(_ before: [Double], _ after: [Double], _ bound: Row.Bound? = nil, _ limit: [Double] = []) throws
        -> Comparison.Change
    {
        let comparison = Comparison(
            before: ReportTests.report([ReportTests.row("a", before, bound, limit)]),
            after: ReportTests.report([ReportTests.row("a", after, bound, limit)]))
        return try #require(comparison.changes.first)
    }

    @Test func aStepBeyondTheNoiseHasMoved() throws {
        let change = try compare([100, 101, 99, 100], [80, 81, 79, 80])
        #expect(change.hasMoved)
        #expect(abs(change.change + 0.2) < 0.001)
    }

    @Test func aStepWithinTheNoiseHasNot() throws {
        #expect(try !compare([100, 120, 80, 100], [90, 110, 70, 90]).hasMoved)
        #expect(try !compare([100, 100, 100, 100], [104, 104, 104, 104]).hasMoved)
    }

    /// One round spoilt by other load on the machine neither makes a regression nor hides one.
    @Test func oneSpoiltRoundDecidesNothing() throws {
        #expect(try !compare([100, 101, 99, 100], [100, 101, 99, 20]).hasMoved)
        #expect(try compare([100, 101, 99, 20], [70, 71, 69, 70]).hasMoved)
    }

    @Test func aLimitThatIsNotKeptAnyMoreIsSaidEvenIfTheStepIsSmall() throws {
        let change = try compare([101, 101, 101], [99, 99, 99], .atLeast, [100])
        #expect(!change.hasMoved)
        #expect(change.isBroken)
        #expect(try !compare([99, 99], [101, 101], .atLeast, [100]).isBroken)
    }

    @Test func theTextSaysWhatMovedWhatIsNewAndWhatIsGone() {
        let before = ReportTests.report([ReportTests.row("rate", [100, 100]), ReportTests.row("old", [1])])
        var after = ReportTests.report([ReportTests.row("rate", [50, 50], .atLeast, [60]), ReportTests.row("fresh", [1])])
        after.circumstances = [("processor", "two"), ("CPUs", "2")]
        let text = Comparison(before: before, after: after).text
        #expect(text.contains("| signing: rate | 100 | 50.0 | 1/s | -50 % | 5 % |"))
        #expect(text.contains("no longer measured: signing: old"))
        #expect(text.contains("new: signing: fresh"))
        #expect(text.contains("differs: processor: one → two"))
        #expect(!text.contains("CPUs"))
    }

    @Test func aRunOfOnePartIsComparedWithThatPart() {
        var other = ReportTests.row("elsewhere", [1])
        other.part = "issuance"
        let comparison = Comparison(
            before: ReportTests.report([ReportTests.row("a", [1]), other]), after: ReportTests.report([ReportTests.row("a", [1])]))
        #expect(comparison.gone.isEmpty)
        #expect(comparison.text.contains("1 rows compared, none moved"))
    }
}
