import NIOCore
import Testing
import TokenProtocol
import TokenTestSupport

@testable import TokenSupervisor

@Suite("Supervisor: the token's time is shared by users")
struct SupervisorFairnessTests {
    typealias Simulation = SupervisorSimulation
    static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    /// What the longest request of every other user takes, in addition to what links had in hand: 1 ms and one request
    /// each.
    private static func bound(_ users: [Simulation.User], for user: Int, _ cost: (SignatureCosts.Kind) -> TimeAmount) -> Int64 {
        let dearest = users.map { cost($0.kind).nanoseconds }.max() ?? 0
        let inHand = LinkScheduler.inHandShared.nanoseconds + dearest
        let others = users.indices.filter { $0 != user }.reduce(Int64(0)) { $0 + cost(users[$1].kind).nanoseconds }
        return inHand + others + cost(users[user].kind).nanoseconds
    }

    @Test(
        "One request at a time waits for what links have in hand and one request of each other user",
        arguments: [1, 3, 8], [SignatureCosts.Kind.p256, .rsa2048, .rsa4096])
    func oneAtATime(_ links: Int, _ kind: SignatureCosts.Kind) {
        let users = [
            Simulation.User(kind: .rsa4096, outstanding: 60), Simulation.User(kind: kind, outstanding: 1),
            Simulation.User(kind: .p256, outstanding: 40), Simulation.User(kind: kind, outstanding: 1, pause: .milliseconds(3)),
        ]
        var simulation = Simulation(links: links, users: users, cost: Simulation.softHSM)
        simulation.run(.milliseconds(600))
        for user in [1, 3] {
            let waits = simulation.waits.filter { $0.user == user }
            #expect(waits.count > 20)
            for wait in waits {
                #expect(wait.givenBefore.values.allSatisfy { $0 <= 1 }, "\(wait)")
                // Until the costs are known, links may have more in hand.
                guard wait.asked - Self.start > .milliseconds(100) else { continue }
                #expect(wait.time.nanoseconds <= Self.bound(users, for: user, Simulation.softHSM), "\(wait)")
            }
        }
    }

    @Test("What links have in hand takes little time, even with a slow token", arguments: [1, 8])
    func inHand(_ links: Int) {
        let slow = { (_: SignatureCosts.Kind) in TimeAmount.milliseconds(20) }
        let users = [Simulation.User(kind: .p256, outstanding: 40), Simulation.User(kind: .p256, outstanding: 1)]
        var simulation = Simulation(links: links, users: users, cost: slow)
        simulation.run(.seconds(2))
        let late = simulation.waits.filter { $0.user == 1 && $0.asked - Self.start > .milliseconds(500) }
        #expect(late.count >= 20)
        // One request that a link has in hand, one of the other user, and its own.
        #expect(late.allSatisfy { $0.time <= .milliseconds(60) })
        #expect(late.allSatisfy { $0.givenBefore.values.allSatisfy { $0 <= 1 } })
    }

    @Test("Users who always have something waiting get the same time of the token", arguments: [1, 3, 8])
    func shares(_ links: Int) throws {
        let users = [SignatureCosts.Kind.rsa4096, .p256, .rsa2048].map { Simulation.User(kind: $0, outstanding: 40) }
        var simulation = Simulation(links: links, users: users, cost: Simulation.softHSM)
        simulation.run(.milliseconds(1_000))
        let all = simulation.served.values.reduce(0, +)
        for user in users.indices {
            let share = Double(try #require(simulation.served[UInt32(user)])) / Double(all)
            #expect(abs(share - 1.0 / 3) < 0.04, "\(user): \(share)")
        }
        // No link was ever idle.
        #expect(Double(all) > 0.98 * 1e9 * Double(links))
    }

    @Test("A user who is alone gets all that the links can do", arguments: SignatureCosts.Kind.allCases)
    func alone(_ kind: SignatureCosts.Kind) throws {
        var simulation = Simulation(links: 3, users: [Simulation.User(kind: kind, outstanding: 64)], cost: Simulation.softHSM)
        simulation.run(.milliseconds(300))
        #expect(try #require(simulation.served[0]) > Int64(0.98 * 0.9e9))
        var scheduler = simulation.scheduler
        // With the additional cost of the link, four go together.
        if Simulation.softHSM(kind) < .microseconds(600) { #expect(got(scheduler.inFlight) == 12) }
        scheduler = LinkScheduler()
    }

    @Test("While there are others, nobody has more than half of the places on the links")
    func places() {
        var scheduler = LinkScheduler()
        scheduler.open(links: 3)
        for user in [UInt32(1), 2] {
            for _ in 0..<50 { #expect(got(scheduler.enqueue(Simulation.request(.p256, user: user)))) }
        }
        var inHand: [UInt32: Int] = [:]
        while let assignment = scheduler.assign(now: Self.start) { inHand[assignment.request.user, default: 0] += 1 }
        #expect(inHand == [1: 6, 2: 6])
    }

    @Test("A user with nothing waiting is forgotten, and the other is alone again")
    func leaves() {
        var scheduler = LinkScheduler()
        scheduler.open(links: 1)
        for _ in 0..<20 { #expect(got(scheduler.enqueue(Simulation.request(.p256, user: 1)))) }
        #expect(got(scheduler.enqueue(Simulation.request(.p256, user: 2))))
        var inHand: [LinkScheduler.Assignment] = []
        func giveAll(_ now: NIODeadline) { while let assignment = scheduler.assign(now: now) { inHand.append(assignment) } }
        giveAll(Self.start)
        #expect(inHand.map(\.request.user) == [1, 2, 1])
        _ = scheduler.complete(link: 0, id: inHand[1].id, now: Self.start)
        giveAll(Self.start)
        #expect(inHand.count == 3)
        #expect(scheduler.knownUsers == 2)
        let later = Self.start + RequestQueue.memory
        giveAll(later)
        #expect(scheduler.knownUsers == 1)
        #expect(inHand.count == 5)
        #expect(scheduler.inFlight == 4)
        #expect(got(scheduler.drain(now: later)).count == 20)
        #expect(got(scheduler.expire(now: later + RequestQueue.memory)).isEmpty)
        #expect(scheduler.knownUsers == 0)
    }

    @Test("Many users who come and go leave nothing")
    func manyUsers() {
        var scheduler = LinkScheduler()
        scheduler.open(links: 2)
        for user in 0..<10_000 {
            #expect(got(scheduler.enqueue(Simulation.request(.p256, user: UInt32(user)))))
            while let assignment = scheduler.assign(now: Self.start) {
                _ = scheduler.complete(link: assignment.link, id: assignment.id, now: Self.start)
            }
        }
        #expect(scheduler.knownUsers <= RequestQueue.rememberedUsers + 1)
    }

    @Test("A helper's death returns requests to their users, and the turns continue")
    func death() {
        var scheduler = LinkScheduler()
        scheduler.open(links: 1)
        for user in [UInt32(1), 1, 1, 1, 2, 2] { #expect(got(scheduler.enqueue(Simulation.request(.p256, user: user)))) }
        func giveAll() -> [SignatureRequest] {
            var given: [SignatureRequest] = []
            while let assignment = scheduler.assign(now: Self.start) { given.append(assignment.request) }
            return given
        }
        let first = giveAll()
        #expect(first.map(\.user) == [1, 2, 1, 2])
        #expect(got(scheduler.lose(now: Self.start)).isEmpty)
        #expect(scheduler.queued == 6)
        scheduler.open(links: 1)
        let second = giveAll()
        for user in [UInt32(1), 2] {
            #expect(
                second.filter { $0.user == user }.map { ObjectIdentifier($0) }
                    == first.filter { $0.user == user }.map { ObjectIdentifier($0) })
        }
        #expect(got(scheduler.lose(now: Self.start)).count == 4)
        scheduler.open(links: 1)
        #expect(giveAll().map(\.user) == [1, 1])
    }

    @Test(
        "Whatever users do in any order: served in turn, within the limits, each request answered once, nothing left",
        arguments: Array(UInt64(1)...8))
    func anyOrder(_ seed: UInt64) {
        var random = SeededGenerator(state: seed)
        var scheduler = LinkScheduler()
        let links = Int.random(in: 1...4, using: &random)
        scheduler.open(links: links)
        var answers: [Int: Int] = [:]
        var inHand: [(assignment: LinkScheduler.Assignment, isAbandoned: Bool)] = []
        var now = Self.start, made = 0
        /// Requests that came when the agent had none of their user, and what was given out since.
        var lonely: [ObjectIdentifier: [UInt32: Int]] = [:]
        var outstanding: [UInt32: Int] = [:]
        func answer(_ requests: [SignatureRequest]) {
            for request in requests {
                request.completion(.success([]))
                lonely[ObjectIdentifier(request)] = nil
                outstanding[request.user, default: 0] -= 1
            }
        }
        func give() {
            while let assignment = scheduler.assign(now: now) {
                let user = assignment.request.user
                lonely[ObjectIdentifier(assignment.request)] = nil
                for key in lonely.keys { lonely[key]?[user, default: 0] += 1 }
                #expect(lonely.values.allSatisfy { $0.values.allSatisfy { $0 <= 1 } })
                inHand.append((assignment, false))
            }
            #expect(scheduler.inFlight == inHand.count)
            let isFull = Dictionary(grouping: inHand) { $0.assignment.link }.values.allSatisfy { $0.count <= LinkScheduler.inFlightPerLink }
            #expect(isFull)
        }
        for _ in 0..<6_000 {
            now = now + .microseconds(Int64.random(in: 0...2_000, using: &random))
            switch Int.random(in: 0..<20, using: &random) {
            case 0..<9:
                let number = made, user = UInt32.random(in: 0..<6, using: &random)
                // Users 0 and 1 ask a lot, the others now and then.
                guard user < 2 || Int.random(in: 0..<8, using: &random) == 0 else { continue }
                made += 1
                answers[number] = 0
                let kind = SignatureCosts.Kind.allCases.randomElement(using: &random) ?? .p256
                let request = Simulation.request(
                    kind, user: user, deadline: now + .milliseconds(Int64.random(in: 1...3_000, using: &random)),
                    completion: { _ in answers[number, default: 0] += 1 })
                let isFirst = outstanding[user, default: 0] == 0 && !inHand.contains { $0.assignment.request.user == user }
                outstanding[user, default: 0] += 1
                guard scheduler.enqueue(request) else {
                    answer([request])
                    continue
                }
                if isFirst { lonely[ObjectIdentifier(request)] = [:] }
            case 9..<18:
                guard let index = inHand.indices.randomElement(using: &random) else { continue }
                let (assignment, _) = inHand.remove(at: index)
                switch scheduler.complete(link: assignment.link, id: assignment.id, now: now) {
                case .request(let request): answer([request])
                case .abandoned: break
                case .unknown: Issue.record("a reply was unknown")
                }
            case 18: answer(scheduler.expire(now: now))
            default:
                guard Int.random(in: 0..<10, using: &random) == 0 else { continue }
                let given = scheduler.lose(now: now)
                answer(given)
                inHand = []
                // Requests put back go before the others' first requests once more.
                lonely = [:]
                scheduler.open(links: links)
            }
            give()
        }
        answer(scheduler.drain(now: now))
        #expect(made > 500)
        #expect(answers.values.allSatisfy { $0 == 1 })
        #expect(scheduler.queued == 0)
        _ = scheduler.expire(now: now + RequestQueue.memory)
        #expect(scheduler.knownUsers == 0)
    }

    @Test("Nobody starves, however many others flood the token")
    func nobodyStarves() {
        let floods = (0..<20).map { Simulation.User(kind: $0 % 2 == 0 ? .rsa4096 : .p384, outstanding: 10) }
        var simulation = Simulation(links: 3, users: floods + [Simulation.User(kind: .p256, outstanding: 1)], cost: Simulation.softHSM)
        simulation.run(.milliseconds(1_500))
        for user in floods.indices { #expect(simulation.served[UInt32(user)] ?? 0 > 0) }
        let waits = simulation.waits.filter { $0.user == 20 }
        #expect(waits.count > 50)
        #expect(waits.allSatisfy { $0.givenBefore.values.allSatisfy { $0 <= 1 } })
    }
}

@Suite("Supervisor: what a signature costs the token")
struct SignatureCostsTests {
    @Test("Mechanism, key size and message length decide the kind")
    func kinds() {
        for kind in SignatureCosts.Kind.allCases { #expect(SupervisorSimulation.request(kind, user: 0).kind == kind) }
    }

    @Test("The mean follows the measurements, even if several replies come together")
    func mean() {
        var costs = SignatureCosts()
        for _ in 0..<200 { costs.note(.p256, took: .milliseconds(20)) }
        #expect(abs(costs.cost(.p256) - 20_000_000) < 100_000)
        #expect(costs.dearest == costs.cost(.p256))
        for _ in 0..<100 {
            costs.note(.p256, took: .microseconds(160))
            for _ in 0..<3 { costs.note(.p256, took: .nanoseconds(0)) }
        }
        #expect((35_000...47_000).contains(costs.cost(.p256)))
    }

    @Test("A very long time hardly counts, and the cost never falls below 1 ns")
    func outliers() {
        var costs = SignatureCosts()
        for _ in 0..<100 { costs.note(.p256, took: .microseconds(40)) }
        costs.note(.p256, took: .seconds(9))
        #expect(costs.cost(.p256) < 60_000)
        for _ in 0..<1_000 { costs.note(.p256, took: .nanoseconds(-5)) }
        #expect(costs.cost(.p256) >= 1)
        for _ in 0..<1_000 { costs.note(.p256, took: .nanoseconds(.max)) }
        #expect(costs.cost(.p256) <= 60_000_000_000)
        #expect(costs.charge(.p256) == costs.cost(.p256))
    }
}
