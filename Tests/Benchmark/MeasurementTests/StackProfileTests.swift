import Measurement
import Testing

@Suite struct StackProfileTests {
    private let text = """
        NIO-ELT-1-#1  4733 
        \t          98ebc6 _raw_spin_unlock_irqrestore ([kernel.kallsyms])
        \t          9903dc $s8NIOPosix6SocketC5write7pointerAA8IOResultOySiGSW_tKF (/usr/sbin/acme-agentd)
        \t          b0f03c $s7Varlink0A13ServerHandlerC5flush (/usr/sbin/acme-agentd)

        Web Content    12 
        \t          891f5 start_thread (/usr/lib/x86_64-linux-gnu/libc.so.6)
        \t          1 operator new(unsigned long) (/usr/lib/libstdc++.so.6)

        """

    @Test func perfsTextIsRead() {
        let profile = StackProfile(perfScript: text)
        #expect(profile.samples.map(\.command) == ["NIO-ELT-1-#1", "Web Content"])
        #expect(profile.samples.map(\.process) == [4733, 12])
        #expect(profile.samples.first?.frames.map(\.module) == [nil, "NIOPosix", "Varlink"])
        #expect(profile.samples.last?.frames.last == .init(symbol: "operator new(unsigned long)", file: "/usr/lib/libstdc++.so.6"))
    }

    @Test func textThatIsNoProfileHasNoSamples() {
        #expect(StackProfile(perfScript: "").samples.isEmpty)
        #expect(StackProfile(perfScript: "perf: nothing to see\n\n)(\n\t)(\n").samples.isEmpty)
    }

    @Test(arguments: ["$s", "$s9", "$s99Varlink", "$s0Varlink", "main", "", "$sSTsSQ7Element"])
    func aNameWithoutAModuleHasNone(_ symbol: String) {
        #expect(StackProfile.Frame(symbol: symbol, file: "").module == nil)
    }

    @Test func samplesAreCountedByStage() {
        let counts = StackProfile(perfScript: text).counts { $0.frames.contains { $0.module == "Varlink" } ? "varlink" : nil }
        #expect(counts == ["varlink": 1])
    }
}
