import Measurement
import Testing

@Suite struct StatisticsTests {
    @Test func theMedianIsTheMiddleValue() {
        #expect(Statistics.median([]) == nil)
        #expect(Statistics.median([3]) == 3)
        #expect(Statistics.median([9, 1, 5]) == 5)
        #expect(Statistics.median([4, 1, 3, 2]) == 2.5)
    }

    @Test func aQuantileIsAValueThatWasMeasured() {
        #expect(Statistics.quantile(0.5, of: []) == nil)
        #expect(Statistics.quantile(0.99, of: Array(stride(from: 1.0, through: 100, by: 1))) == 99)
        #expect(Statistics.quantile(0, of: [2, 1]) == 1)
        #expect(Statistics.quantile(1, of: [2, 1]) == 2)
    }

    @Test func roundsThatDifferByMoreThanFifteenPercentAreUnsteady() {
        #expect(Statistics.spread([100, 110, 105, 95]) < 0.15)
        #expect(!Row(part: "p", name: "n", unit: "", rounds: [100, 110, 105, 97]).isUnsteady)
        #expect(Row(part: "p", name: "n", unit: "", rounds: [100, 120, 100, 100]).isUnsteady)
    }

    @Test func aRowHoldsOrNotByItsMedians() {
        var row = Row(part: "p", name: "n", unit: "µs", rounds: [10, 50, 20, 12], bound: .atMost, limits: [16, 16, 16, 16])
        #expect(row.value == 16)
        #expect(row.holds == true)
        row.limits = [15]
        #expect(row.holds == false)
        row.bound = .atLeast
        #expect(row.holds == true)
        row.bound = nil
        #expect(row.holds == nil)
    }

    @Test(arguments: [
        (24_512.4, "24,512"), (1_234_567, "1,234,567"), (123.4, "123"), (99.96, "100"), (62.34, "62.3"), (1.755, "1.76"), (0.8249, "0.825"),
        (0, "0.000"), (-12.34, "-12.3"), (.infinity, "–"), (999_999.7, "1,000,000"), (9.999, "10.0"),
    ])
    func figuresHaveThreeDigits(_ value: Double, _ text: String) {
        #expect(Figure.text(value) == text)
    }
}
