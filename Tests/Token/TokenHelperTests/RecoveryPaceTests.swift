import Testing

@testable import TokenHelper

@Suite struct RecoveryPaceTests {
    @Test("The helper recovers a token at once, then 1, 2, 4, … 30 s after the previous time")
    func helper() {
        var pace = RecoveryPace()
        var moments: [Int] = []
        for second in 0..<200 where pace.allows(at: .seconds(second)) { moments.append(second) }
        #expect(moments == [0, 1, 3, 7, 15, 31, 61, 91, 121, 151, 181])
        // After a minute without one it is at once again, and so it is when the token has worked.
        let later = [241_000, 241_500, 242_000].map { pace.allows(at: .milliseconds($0)) }
        #expect(later == [true, false, true])
        pace.reset()
        let afterwards = [242_001, 242_002].map { pace.allows(at: .milliseconds($0)) }
        #expect(afterwards == [true, false])
    }
}
