import Glibc
import Testing
import TokenTestSupport

@testable import TokenHelper

@Suite struct HelperMemoryTests {
    @Test func residentMemoryIsReadFromThePagesOfStatm() {
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        #expect(MemoryWatch.residentBytes(statm: "4096 1000 12 1 0 300 0\n") == 1000 * page)
        for text in ["", "1", "1 x 2", "1 9223372036854775807 2"] { #expect(MemoryWatch.residentBytes(statm: text) == 0) }
        #expect(MemoryWatch.residentBytes > page)
    }

    @Test func aProcessIsGrownIfItIsBeyondItsLimitAndUsesAQuarterMoreThanAtTheBeginning() {
        #expect(!MemoryWatch.isGrown(to: 100, from: 10, beyond: 100))
        #expect(MemoryWatch.isGrown(to: 101, from: 10, beyond: 100))
        // Replaced, it would soon be as large again.
        #expect(!MemoryWatch.isGrown(to: 125, from: 100, beyond: 10))
        #expect(MemoryWatch.isGrown(to: 126, from: 100, beyond: 10))
    }

    /// Also if it is never idle: keys are made one after another.
    @Test func aHelperThatHasGrownAnswersAndEnds() throws {
        let fixture = try HelperFixture()
        let helper = try HelperProcess()
        var configuration = fixture.configuration(module: try fixture.faultModule())
        configuration.helperMebibytes = 64
        guard case .ready = try helper.ask(.hello(configuration)) else {
            Issue.record("the token is not open")
            return
        }
        _ = try helper.generate(label: "before")
        try fixture.fault("leak", "5000000")
        _ = try helper.generate(label: "after")
        #expect(helper.wait() == 76 << 8)
    }
}
