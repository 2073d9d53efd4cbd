import NIOCore
import Testing

@testable import TokenSupervisor

@Suite struct RecheckPaceTests {
    @Test("The daemon asks soon, then 1, 2, 4, … 30 s later for a full try, and at least every 2 s for a look")
    func daemon() {
        var pace = RecheckPace(limits: SupervisorLimits())
        var moment: Int64 = 0
        var whole: [Int64] = []
        for _ in 0..<80 {
            let (wait, isWhole) = pace.next()
            #expect(wait <= .seconds(2))
            moment += wait.nanoseconds / 1_000_000
            if isWhole { whole.append(moment) }
        }
        #expect(Array(whole.prefix(8)) == [100, 1_100, 3_100, 7_100, 15_100, 31_100, 61_100, 91_100])
    }
}
