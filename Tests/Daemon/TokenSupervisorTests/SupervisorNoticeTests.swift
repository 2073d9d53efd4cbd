import LogRecorder
import NIOCore
import Synchronization
import Testing
import TokenProtocol
import TokenTestSupport

@testable import TokenSupervisor

/// A helper that was broken into reports without end, unasked, that its token is gone or back.
@Suite("Supervisor: unasked reports are bounded", .timeLimit(.minutes(1)))
struct SupervisorNoticeTests {
    /// A thousand reports in one write.
    private static func storm(_ kinds: [HelperReply]) -> [UInt8] {
        var bytes: [UInt8] = []
        for number in 0..<1_000 { kinds[number % kinds.count].encode(id: HelperReply.unasked, to: &bytes) }
        return bytes
    }

    private static let gone = HelperReply.failure(TokenFailure(.noToken, message: "gone"))
    private static let back = HelperReply.ready(ProtocolSamples.information)

    @Test(
        "A storm of reports costs the helper its life, and little work; one line says so",
        arguments: [
            [SupervisorNoticeTests.gone, SupervisorNoticeTests.back], [SupervisorNoticeTests.back], [SupervisorNoticeTests.gone],
        ])
    func flood(_ kinds: [HelperReply]) async throws {
        let helper = SupervisorFakeHelper { request, launch in
            // The second helper begins as the first one ended.
            guard launch <= 2, request == .list else { return nil }
            return .bytes(Self.storm(kinds))
        }
        let limits = SupervisorHarness.limits
        let harness = try await SupervisorHarness(helper, limits: limits)
        try await harness.start()
        let states = SupervisorTexts()
        try await harness.on { supervisor in supervisor.onStateChange = { states.append($0.isReady ? "ready" : "other") } }
        // It is sent once more to the next helper, then to none or to a third.
        _ = try? await harness.future { $0.list() }
        try await harness.until { $0.state.isReady && helper.launches == 3 }
        // What the reports changed, and for each new helper: the end of the former and the new one's greeting.
        #expect(states.all.count <= limits.notices + 2 * 3, "\(states.all)")
        #expect(harness.logged.texts.withLock { texts in texts.count { $0.contains("too often, unasked") } } == 2)
        #expect(harness.logged.unlisted.withLock { $0 }.isEmpty)
        #expect(try await harness.sign([UInt8](repeating: 1, count: 32)).value != nil)
        #expect(helper.launches == 3)
        try await harness.stop()
    }

    @Test("Within an hour of reports without end: the first ones, and one every five seconds")
    func rate() {
        let limits = SupervisorLimits(), start = NIODeadline.uptimeNanoseconds(1_000_000_000)
        var allowance = NoticeAllowance(limits: limits, now: start)
        func taken(_ moments: [NIODeadline]) -> Int {
            var count = 0
            for moment in moments where allowance.take(now: moment) { count += 1 }
            return count
        }
        let hour = (0..<360_000).map { start + .milliseconds(Int64($0) * 10) }
        #expect(taken(hour) == limits.notices + 719)
        // A long rest earns no more than there is at the beginning.
        let later = start + .hours(24 * 365)
        #expect(taken(Array(repeating: later, count: 100)) == limits.notices)
        // Nor does a clock that goes backwards earn anything.
        #expect(taken([start]) == 0)
    }
}
