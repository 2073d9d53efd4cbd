import NIOCore
import Testing
import TokenProtocol
import TokenTestSupport

@testable import TokenSupervisor

@Suite("Supervisor: control calls and restarts")
struct SupervisorControlTests {
    static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    private func call(_ request: HelperRequest, of user: UInt32? = nil, expires: NIODeadline = start + .seconds(30)) -> ControlCall {
        ControlCall(request: request, user: user, time: .seconds(30), completion: { _ in }, expires: expires)
    }

    private func finished(_ reception: ControlQueue.Reception) -> HelperReply? {
        if case .finished(_, let reply) = reception { reply } else { nil }
    }

    @Test("One call after another; before the helper is ready only greetings")
    func order() throws {
        var queue = ControlQueue()
        #expect(got(queue.enqueue(call(.list))))
        #expect(got(queue.enqueue(call(.hello(ProtocolSamples.configuration)))))
        let hello = try #require(got(queue.next(isReady: false, now: Self.start)))
        #expect(hello.request == .hello(ProtocolSamples.configuration))
        #expect(got(queue.next(isReady: true, now: Self.start)) == nil)
        #expect(got(finished(queue.receive(.ready(ProtocolSamples.information), id: hello.id, now: Self.start))) != nil)
        #expect(got(queue.next(isReady: false, now: Self.start)) == nil)
        #expect(got(queue.next(isReady: true, now: Self.start))?.request == .list)
    }

    @Test("A listing is put together from its pages; endless and empty pages are invalid")
    func listing() throws {
        var queue = ControlQueue()
        #expect(got(queue.enqueue(call(.list))))
        let id = try #require(got(queue.next(isReady: true, now: Self.start))).id
        for _ in 0..<3 {
            guard case .continues = queue.receive(.keys([ProtocolSamples.key], more: true), id: id, now: Self.start) else {
                Issue.record("did not continue")
                return
            }
        }
        let whole = finished(queue.receive(.keys([ProtocolSamples.key], more: false), id: id, now: Self.start))
        #expect(whole == .keys(Array(repeating: ProtocolSamples.key, count: 4), more: false))

        #expect(got(queue.enqueue(call(.list))))
        let second = try #require(got(queue.next(isReady: true, now: Self.start))).id
        guard case .unexpected = queue.receive(.keys([], more: true), id: second, now: Self.start) else {
            Issue.record("an empty page that promises more")
            return
        }
        let page = Array(repeating: ProtocolSamples.key, count: 64)
        var pages = 0
        while case .continues = queue.receive(.keys(page, more: true), id: second, now: Self.start) { pages += 1 }
        #expect(pages == ControlQueue.keysInListing / 64)
    }

    @Test("A reply to no call is invalid")
    func unexpected() throws {
        var queue = ControlQueue()
        guard case .unexpected = queue.receive(.done, id: 1, now: Self.start) else {
            Issue.record("nothing was asked")
            return
        }
        #expect(got(queue.enqueue(call(.list))))
        let id = try #require(got(queue.next(isReady: true, now: Self.start))).id
        guard case .unexpected = queue.receive(.done, id: id + 1, now: Self.start) else {
            Issue.record("another number")
            return
        }
    }

    @Test("After a death, a call that can be repeated is sent once more; one that may have been done is not")
    func deaths() throws {
        var queue = ControlQueue()
        #expect(got(queue.enqueue(call(.list))))
        #expect(got(queue.enqueue(call(.destroy(ProtocolSamples.reference)))))
        _ = queue.next(isReady: true, now: Self.start)
        #expect(got(queue.lose()).isEmpty)
        #expect(got(queue.next(isReady: true, now: Self.start))?.request == .list)
        #expect(got(queue.lose()).map(\.request) == [.list])
        _ = queue.next(isReady: true, now: Self.start)
        #expect(got(queue.lose()).map(\.request) == [.destroy(ProtocolSamples.reference)])
        #expect(got(queue.enqueue(call(.hello(ProtocolSamples.configuration)))))
        #expect(got(queue.lose()).count == 1)
        #expect(queue.isIdle)
    }

    @Test("A call waits for a helper until it expires, and works until it is overdue")
    func deadlines() {
        var queue = ControlQueue()
        #expect(got(queue.enqueue(call(.list))))
        #expect(got(queue.expire(now: Self.start + .seconds(29))).isEmpty)
        #expect(got(queue.expire(now: Self.start + .seconds(30))).count == 1)
        #expect(got(queue.enqueue(call(.list))))
        #expect(got(queue.enqueue(call(.find(uri: "pkcs11:")))))
        _ = queue.next(isReady: true, now: Self.start)
        #expect(!queue.isOverdue(now: Self.start + .seconds(29)))
        #expect(queue.isOverdue(now: Self.start + .seconds(30)))
        // The second waits for the first, which has its own deadline.
        #expect(got(queue.expire(now: Self.start + .seconds(100))).isEmpty)
    }

    @Test("Too many calls are refused, per user and in total; everybody has room for a few")
    func overload() {
        var queue = ControlQueue()
        for user in 0..<UInt32(ControlQueue.limit / ControlQueue.limitOfUser) {
            for _ in 0..<ControlQueue.limitOfUser { #expect(got(queue.enqueue(call(.list, of: user)))) }
            #expect(!got(queue.enqueue(call(.list, of: user))))
        }
        for _ in 0..<ControlQueue.assuredOfUser { #expect(got(queue.enqueue(call(.list, of: 100)))) }
        #expect(!got(queue.enqueue(call(.list, of: 100))))
        #expect(got(queue.enqueue(call(.status))))
        #expect(got(queue.drain()).count == ControlQueue.limit + ControlQueue.assuredOfUser + 1)
        #expect(queue.isIdle)
    }

    @Test("A user with many keys to make does not delay the others: users take turns, each with calls in order")
    func turns() throws {
        var queue = ControlQueue()
        func make(_ label: String, of user: UInt32?) {
            #expect(got(queue.enqueue(call(.generate(label: label, id: [1], algorithm: .rsa4096), of: user))))
        }
        func next() -> String? {
            guard let (id, request) = queue.next(isReady: true, now: Self.start), case .generate(let label, _, _) = request else {
                return nil
            }
            _ = queue.receive(.done, id: id, now: Self.start)
            return label
        }
        for label in ["a1", "a2", "a3", "a4"] { make(label, of: 1) }
        #expect(got(next()) == "a1")
        make("b1", of: 2)
        make("own", of: nil)
        make("b2", of: 2)
        #expect(got((0..<3).map { _ in next() }) == ["a2", "b1", "own"])
        make("c1", of: 3)
        #expect(got((0..<4).map { _ in next() }) == ["a3", "b2", "c1", "a4"])
        #expect(got(next()) == nil)
        #expect(queue.isIdle)

        // A call repeated after a death goes first; expired calls have no turn.
        #expect(got(queue.enqueue(call(.list, of: 1))))
        #expect(got(queue.next(isReady: true, now: Self.start))?.request == .list)
        make("b3", of: 2)
        #expect(got(queue.lose()).isEmpty)
        #expect(got(queue.next(isReady: true, now: Self.start))?.request == .list)
        #expect(got(queue.lose()).count == 1)
        #expect(got(queue.expire(now: Self.start + .seconds(30))).count == 1)
        make("a5", of: 1)
        #expect(got(next()) == "a5")
    }

    @Test("Pauses double up to their limit and start over after a helper that lived")
    func pauses() {
        var policy = RestartPolicy(limits: SupervisorLimits())
        let waits = (0..<8).map { _ in policy.ended(after: .seconds(1), wasReady: true) }
        #expect(waits == [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000].map { TimeAmount.milliseconds($0) })
        #expect(!policy.isHopeless)
        #expect(got(policy.ended(after: .seconds(60), wasReady: true)) == .milliseconds(100))
    }

    @Test("A helper that works for a while and dies, again and again, is replaced at once")
    func deathsFarApart() {
        var policy = RestartPolicy(limits: SupervisorLimits())
        for _ in 0..<20 { #expect(got(policy.ended(after: .seconds(10), wasReady: true)) == .milliseconds(100)) }
        #expect(SupervisorLimits().wellAfter >= SupervisorLimits().longestPause)
    }

    @Test("Helpers that never become ready are hopeless; one that does is not")
    func hopeless() {
        var policy = RestartPolicy(limits: SupervisorLimits())
        for _ in 0..<(RestartPolicy.hopelessAfter - 1) { _ = policy.ended(after: .zero, wasReady: false) }
        #expect(!policy.isHopeless)
        _ = policy.ended(after: .zero, wasReady: false)
        #expect(policy.isHopeless)
        policy.becameReady()
        #expect(!policy.isHopeless)
    }

    @Test("An exit status is read")
    func exits() {
        #expect(HelperExit(status: 0) == .exited(code: 0))
        #expect(HelperExit(status: 3 << 8) == .exited(code: 3))
        #expect(HelperExit(status: 9) == .killed(signal: 9))
        #expect(HelperExit(status: 11 | 0x80) == .killed(signal: 11))
    }
}
