import NIOCore
import Testing
import TokenProtocol
import TokenTestSupport

@testable import TokenSupervisor

@Suite("Supervisor: which signature goes to which link")
struct SupervisorSchedulerTests {
    static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    /// A request that is recognised by its first byte.
    private func request(_ tag: UInt8, deadline: NIODeadline = .distantFuture, bytes: Int = 32, user: UInt32 = 0) -> SignatureRequest {
        SignatureRequest(
            user: user, key: ProtocolSamples.reference, mechanism: .ecdsa, input: [tag] + [UInt8](repeating: 0, count: bytes - 1),
            deadline: deadline,
            completion: { _ in })
    }

    private func tag(_ request: SignatureRequest) -> UInt8 { request.input[0] }

    private func assignAll(_ scheduler: inout LinkScheduler, now: NIODeadline = start) -> [LinkScheduler.Assignment] {
        var all: [LinkScheduler.Assignment] = []
        while let assignment = scheduler.assign(now: now) { all.append(assignment) }
        return all
    }

    private func completed(_ completion: LinkScheduler.Completion) -> UInt8? {
        if case .request(let request) = completion { tag(request) } else { nil }
    }

    @Test("Of one user first in, first out, to the least loaded link, at most two on each")
    func order() {
        var scheduler = LinkScheduler(inFlightPerLink: 2)
        scheduler.open(links: 3)
        for index in 0..<10 { #expect(got(scheduler.enqueue(request(UInt8(index))))) }
        let first = assignAll(&scheduler)
        #expect(first.map { tag($0.request) } == [0, 1, 2, 3, 4, 5])
        #expect(first.map(\.link) == [0, 1, 2, 0, 1, 2])
        #expect(Set(first.map(\.id)).count == 6)
        #expect(scheduler.queued == 4)
        #expect(scheduler.inFlight == 6)

        #expect(got(completed(scheduler.complete(link: 1, id: first[4].id, now: Self.start))) == 4)
        #expect(got(completed(scheduler.complete(link: 1, id: first[1].id, now: Self.start))) == 1)
        let next = assignAll(&scheduler)
        #expect(next.map { tag($0.request) } == [6, 7])
        #expect(next.map(\.link) == [1, 1])
    }

    @Test("Without a link nothing is given out, and nothing is lost")
    func noLinks() {
        var scheduler = LinkScheduler(inFlightPerLink: 2)
        #expect(got(scheduler.enqueue(request(1))))
        #expect(got(assignAll(&scheduler)).isEmpty)
        #expect(!scheduler.isIdle)
        scheduler.open(links: 1)
        #expect(got(assignAll(&scheduler)).count == 1)
    }

    @Test("A reply to a request that is not in hand is recognised")
    func unknownReplies() {
        var scheduler = LinkScheduler(inFlightPerLink: 2)
        scheduler.open(links: 2)
        #expect(got(scheduler.enqueue(request(1))))
        let assignment = assignAll(&scheduler)[0]
        for (link, id) in [
            (1 - assignment.link, assignment.id), (assignment.link, assignment.id &+ 1), (7, assignment.id), (-1, assignment.id),
        ] {
            guard case .unknown = scheduler.complete(link: link, id: id, now: Self.start) else {
                Issue.record("link \(link) id \(id)")
                continue
            }
        }
        #expect(got(completed(scheduler.complete(link: assignment.link, id: assignment.id, now: Self.start))) == 1)
        guard case .unknown = scheduler.complete(link: assignment.link, id: assignment.id, now: Self.start) else {
            Issue.record("answered twice")
            return
        }
        #expect(scheduler.isIdle)
    }

    @Test("A death returns requests once, in their order, ahead of those that wait")
    func deaths() {
        var scheduler = LinkScheduler(inFlightPerLink: 2)
        scheduler.open(links: 2)
        for index in 0..<6 { #expect(got(scheduler.enqueue(request(UInt8(index))))) }
        let first = assignAll(&scheduler)
        #expect(first.count == 4)
        #expect(got(scheduler.lose(now: Self.start)).isEmpty)
        #expect(scheduler.queued == 6)
        #expect(scheduler.inFlight == 0)
        #expect(scheduler.owesSince == nil)

        scheduler.open(links: 1)
        let second = assignAll(&scheduler)
        #expect(second.map { tag($0.request) } == [0, 1])
        let given = scheduler.lose(now: Self.start)
        #expect(given.map { tag($0) } == [0, 1])

        // 2 and 3 were in hand once, 4 and 5 never.
        scheduler.open(links: 2)
        #expect(got(assignAll(&scheduler)).map { tag($0.request) } == [2, 3, 4, 5])
        #expect(got(scheduler.lose(now: Self.start)).map { tag($0) } == [2, 3])
        #expect(scheduler.queued == 2)
    }

    @Test("Too many requests of one user, or too many bytes, are refused")
    func overload() {
        var scheduler = LinkScheduler(inFlightPerLink: 2)
        for _ in 0..<RequestQueue.limitOfUser { #expect(got(scheduler.enqueue(request(0)))) }
        #expect(!got(scheduler.enqueue(request(0))))
        scheduler.open(links: 1)
        #expect(got(assignAll(&scheduler)).count == 2)
        #expect(got(scheduler.enqueue(request(0))))

        var heavy = LinkScheduler(inFlightPerLink: 2)
        let message = 256 * 1024
        for _ in 0..<(RequestQueue.bytesLimitOfUser / message) { #expect(got(heavy.enqueue(request(0, bytes: message)))) }
        #expect(!got(heavy.enqueue(request(0, bytes: message))))
        heavy.open(links: 1)
        _ = heavy.assign(now: Self.start)
        #expect(got(heavy.enqueue(request(0, bytes: message))))
    }

    @Test("Users who fill the queue leave room for a few requests of everybody else")
    func roomForEverybody() {
        var scheduler = LinkScheduler()
        let message = 64 * 1024
        for user in 0..<UInt32(RequestQueue.limit / RequestQueue.limitOfUser) {
            for _ in 0..<RequestQueue.limitOfUser { #expect(got(scheduler.enqueue(request(0, user: user)))) }
        }
        #expect(scheduler.queued == RequestQueue.limit)
        for user in [UInt32(100), 101] {
            for _ in 0..<RequestQueue.assuredOfUser { #expect(got(scheduler.enqueue(request(0, user: user)))) }
            #expect(!got(scheduler.enqueue(request(0, user: user))))
        }
        for _ in 0..<(RequestQueue.assuredBytesOfUser / message) { #expect(got(scheduler.enqueue(request(0, bytes: message, user: 102)))) }
        #expect(!got(scheduler.enqueue(request(0, bytes: message, user: 102))))
    }

    @Test("A deadline is kept in the queue and at the token; the link stays taken until the token answers")
    func deadlines() {
        var scheduler = LinkScheduler(inFlightPerLink: 2)
        scheduler.open(links: 1)
        let soon = Self.start + .seconds(1)
        for index in 0..<4 { #expect(got(scheduler.enqueue(request(UInt8(index), deadline: index % 2 == 0 ? soon : .distantFuture)))) }
        let assigned = assignAll(&scheduler)
        #expect(assigned.count == 2)
        #expect(got(scheduler.expire(now: Self.start)).isEmpty)
        #expect(got(scheduler.expire(now: soon)).map { tag($0) } == [0, 2])
        #expect(got(scheduler.expire(now: soon)).isEmpty)
        #expect(scheduler.queued == 1)
        #expect(scheduler.inFlight == 2)
        #expect(got(assignAll(&scheduler)).isEmpty)
        guard case .abandoned = scheduler.complete(link: 0, id: assigned[0].id, now: soon) else {
            Issue.record("answered a second time")
            return
        }
        #expect(got(assignAll(&scheduler)).map { tag($0.request) } == [3])
        // A request that nobody waits for is not repeated.
        #expect(got(scheduler.lose(now: Self.start)).isEmpty)
        #expect(scheduler.queued == 2)
    }

    @Test("A link owes an answer since its last one, not since a request was queued after another")
    func hanging() {
        var scheduler = LinkScheduler(inFlightPerLink: 2)
        scheduler.open(links: 2)
        #expect(scheduler.owesSince == nil)
        #expect(got(scheduler.enqueue(request(0))))
        let first = assignAll(&scheduler)
        #expect(scheduler.owesSince == Self.start)
        for index in 1..<4 { #expect(got(scheduler.enqueue(request(UInt8(index))))) }
        let later = Self.start + .seconds(3)
        let rest = assignAll(&scheduler, now: later)
        #expect(rest.count == 3)
        #expect(scheduler.owesSince == Self.start)
        let last = Self.start + .seconds(9)
        _ = scheduler.complete(link: 0, id: first[0].id, now: last)
        #expect(scheduler.owesSince == later)
        for assignment in rest where assignment.link == 1 { _ = scheduler.complete(link: 1, id: assignment.id, now: last) }
        #expect(scheduler.owesSince == last)
    }

    @Test("Whatever happens in any order, every request is answered exactly once", arguments: [UInt64(1), 2, 3, 4, 5])
    func anyOrder(_ seed: UInt64) {
        var random = SeededGenerator(state: seed)
        var scheduler = LinkScheduler(inFlightPerLink: 2)
        var answers: [Int: Int] = [:]
        var inHand: [LinkScheduler.Assignment] = []
        var now = Self.start
        var made = 0
        func answer(_ requests: [SignatureRequest]) { for request in requests { request.completion(.success([])) } }
        for _ in 0..<4_000 {
            now = now + .milliseconds(Int64.random(in: 0...50, using: &random))
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<4:
                let number = made
                made += 1
                answers[number] = 0
                let deadline = now + .milliseconds(Int64.random(in: 10...3_000, using: &random))
                let request = SignatureRequest(
                    user: 0, key: ProtocolSamples.reference, mechanism: .ecdsa, input: [], deadline: deadline,
                    completion: { _ in answers[number, default: 0] += 1 })
                if !scheduler.enqueue(request) { answer([request]) }
            case 4..<8:
                guard let index = inHand.indices.randomElement(using: &random) else { continue }
                let assignment = inHand.remove(at: index)
                switch scheduler.complete(link: assignment.link, id: assignment.id, now: now) {
                case .request(let request): answer([request])
                case .abandoned: break
                case .unknown: Issue.record("a reply was unknown")
                }
            case 8: answer(scheduler.expire(now: now))
            default:
                guard Int.random(in: 0..<10, using: &random) == 0 else { continue }
                answer(scheduler.lose(now: Self.start))
                inHand = []
                scheduler.open(links: 3)
            }
            inHand += assignAll(&scheduler, now: now)
            #expect(scheduler.inFlight == inHand.count)
        }
        answer(scheduler.drain(now: now))
        #expect(made > 1_000)
        #expect(answers.values.allSatisfy { $0 == 1 })
    }
}
