import Glibc
import Testing

@testable import TokenHelper

@Suite struct HelperMemoryTests {
    @Test func residentMemoryIsReadFromThePagesOfStatm() {
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        #expect(MemoryWatch.residentBytes(statm: "4096 1000 12 1 0 300 0\n") == 1000 * page)
        for text in ["", "1", "1 x 2", "1 9223372036854775807 2"] { #expect(MemoryWatch.residentBytes(statm: text) == 0) }
        #expect(!MemoryWatch.isGrown)
    }
}
