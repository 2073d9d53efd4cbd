import NIOCore
import NIOPosix
import Testing

@testable import Varlink

@Suite struct RoundPauseTests {
    @Test func aPauseThatWasTooShortIsFollowedByALongerOneUntilTheLoopHasLooked() async throws {
        let rounds = LoopRounds()
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1, metricsDelegate: rounds)
        // The loop sleeps until something is submitted.
        while rounds.ended == 0 { try await group.next().submit {}.get() }
        try await settle(rounds)
        var pause = RoundPause(rounds: rounds, uncounted: .seconds(1))
        var lengths: [TimeAmount] = []
        for _ in 0..<20 {
            lengths.append(pause.begin())
            let hasLooked = pause.hasLooked()
            #expect(!hasLooked)
        }
        #expect(lengths.prefix(4) == [.microseconds(4), .microseconds(8), .microseconds(16), .microseconds(32)])
        #expect(lengths.last == .milliseconds(64))
        _ = pause.begin()
        let before = rounds.ended
        while rounds.ended == before { try await group.next().submit {}.get() }
        let hasLooked = pause.hasLooked()
        #expect(hasLooked)
        let length = pause.begin()
        #expect(length == .microseconds(4))
        try await group.shutdownGracefully()
    }

    /// Waits until the loop is idle.
    private func settle(_ rounds: LoopRounds) async throws {
        var last = UInt64.max
        while rounds.ended != last {
            last = rounds.ended
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    @Test func withoutACountThePauseIsTrusted() {
        var pause = RoundPause(rounds: nil, uncounted: .microseconds(50))
        for _ in 0..<3 {
            let length = pause.begin()
            #expect(length == .microseconds(50))
            let hasLooked = pause.hasLooked()
            #expect(hasLooked)
        }
    }
}
