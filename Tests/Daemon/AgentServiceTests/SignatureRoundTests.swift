import AuditTrail
import Testing

@testable import AgentService

/// The safety core: what is signed is recorded first, and so is what is given out.
@Suite("Signature round")
struct SignatureRoundTests {
    /// One request of a scenario.
    struct Request: Hashable, CustomStringConvertible {
        var signatures: Int
        var waitsForDisk: Bool
        var description: String { "\(signatures)\(waitsForDisk ? " synced" : "")" }
    }

    /// Every order in which things can happen to these requests, by a search over all states.
    @Test(
        "In every order of events: intent before token, outcome and sync before reply, one answer each, nothing after a failed sync",
        arguments: [
            [Request(signatures: 1, waitsForDisk: false)], [Request(signatures: 1, waitsForDisk: true)],
            [Request(signatures: 2, waitsForDisk: false)], [Request(signatures: 2, waitsForDisk: true)],
            [Request(signatures: 1, waitsForDisk: true), Request(signatures: 1, waitsForDisk: false)],
            [Request(signatures: 1, waitsForDisk: true), Request(signatures: 1, waitsForDisk: true)],
            [Request(signatures: 2, waitsForDisk: true), Request(signatures: 1, waitsForDisk: false)],
        ])
    func everyOrder(_ requests: [Request]) {
        var search = Search()
        search.explore(World(requests))
        // A search that stops early proves nothing: it must have reached each ending.
        #expect(search.ends.contains { $0.allSatisfy { $0 == .signed } })
        #expect(search.ends.contains { $0.allSatisfy { $0 == .failed } })
        #expect(search.ends.contains { $0.allSatisfy { $0 == .withheld } })
        #expect(search.violations.isEmpty, "\(search.violations.prefix(5))")
    }

    @Test("Beyond a user's limit no request is accepted, but another user's is; an answer makes room, once")
    func limit() throws {
        var round = SignatureRound(requestsPerUser: 2)
        let first = try round.take(user: 1, waitsForDisk: false)
        _ = try round.take(user: 1, waitsForDisk: false)
        let third = round.submit(user: 1, waitsForDisk: false)
        #expect(third == nil)
        _ = try round.take(user: 2, waitsForDisk: false)
        round.notAppended(first, World.error)
        round.notAppended(first, World.error)
        #expect(round.actions.filter { $0 == .withhold(first) }.count == 1)
        #expect(round.error(of: first) == World.error)
        #expect(round.requestsUnderWay(of: 1) == 2)
        round.answered(first)
        round.answered(first)
        #expect(round.requestsUnderWay(of: 1) == 1)
        _ = try round.take(user: 1, waitsForDisk: false)
    }

    @Test("A late event for an answered request does not affect the one that took its slot")
    func late() throws {
        var round = SignatureRound(requestsPerUser: 2)
        let old = try round.take(user: 1, waitsForDisk: true)
        round.notAppended(old, World.error)
        round.answered(old)
        let new = try round.take(user: 1, waitsForDisk: true)
        #expect(new.slot == old.slot && round.error(of: new) == nil && round.error(of: old) == nil)
        round.intentAppended(old, sequence: 1)
        round.signed(old, another: false)
        round.failed(old)
        round.outcomeAppended(old)
        round.answered(old)
        #expect(round.state(of: new) == .submitted && round.state(of: old) == .vacant)
        round.intentAppended(new, sequence: 1)
        round.flushed(groupHolds: true)
        #expect(round.state(of: new) == .atToken)
    }

    @Test("Events out of turn change nothing")
    func outOfTurn() throws {
        var round = SignatureRound(requestsPerUser: 2)
        let job = try round.take(user: 1, waitsForDisk: true)
        round.clearActions()
        round.signed(job, another: false)
        round.failed(job)
        round.outcomeAppended(job)
        round.answered(job)
        round.flushed(groupHolds: true)
        round.synced(upTo: .max)
        round.syncFailed(World.error)
        round.flushFailed(World.error)
        #expect(round.state(of: job) == .submitted && round.actions.isEmpty)
    }

    @Test("All requests of a round share one flush and one sync, and replies come in the order of the requests")
    func shared() throws {
        var round = SignatureRound(requestsPerUser: 10)
        let jobs = try (0..<4).map { _ in try round.take(user: 1, waitsForDisk: true) }
        for (index, job) in jobs.enumerated() { round.intentAppended(job, sequence: UInt64(index) + 1) }
        #expect(round.actions.filter { $0 == .flush }.count == 1)
        round.clearActions()
        round.flushed(groupHolds: true)
        #expect(round.actions == [.synchronize(upTo: 4)] + jobs.map { .sendToToken($0) })
        for job in jobs { round.signed(job, another: false) }
        for job in jobs { round.outcomeAppended(job) }
        round.flushed(groupHolds: true)
        round.clearActions()
        round.synced(upTo: 2)
        #expect(round.actions == jobs.prefix(2).map { .reply($0) })
        round.synced(upTo: 4)
        #expect(round.actions == jobs.map { .reply($0) })
    }
}

extension SignatureRound {
    private struct NotTaken: Error {}

    fileprivate mutating func clearActions() {
        var ignored: [Action] = []
        _ = takeActions(into: &ignored)
    }

    fileprivate mutating func take(user: UInt32, waitsForDisk: Bool) throws -> Job {
        guard let job = submit(user: user, waitsForDisk: waitsForDisk) else { throw NotTaken() }
        return job
    }
}

/// How a request ended.
enum RequestEnd: Hashable {
    case signed
    case failed
    case withheld
}

/// The trail, the token and the callers around a round, and what must never be observed.
private struct World: Hashable {
    static let error = AuditError(.failed, file: "trail", message: "test")

    struct Model: Hashable {
        var request: SignatureRoundTests.Request
        var job: SignatureRound.Job
        var signed = 0
        /// Sequence of its last intent and of its last outcome.
        var intents: [UInt64] = []
        var outcome: UInt64?
        var ending: SignatureRound.Ending?
        /// Made to wait, because the trail was too far ahead of the disk.
        var isHeldBack = false
        var end: RequestEnd?
    }

    struct Sync: Hashable {
        var upTo: UInt64
        var isLost: Bool
    }

    var round = SignatureRound(requestsPerUser: 8)
    var waiting: [SignatureRoundTests.Request]
    var models: [Model] = []
    var isFlushAsked = false
    var atToken: [SignatureRound.Job] = []
    var syncs: [Sync] = []
    var appended: UInt64 = 0
    var inFile: UInt64 = 0
    var synced: UInt64 = 0
    /// Records whose sync failed.
    var lost: Set<UInt64> = []
    /// Appends that may still fail in this world.
    var failingAppends = 1
    /// Whether the next append fails.
    var nextAppendFails = false
    var violations: [String] = []

    init(_ requests: [SignatureRoundTests.Request]) { waiting = requests }

    enum Event: Hashable {
        case submit
        case appendWillFail
        case flush(groupHolds: Bool)
        case flushFailure
        case sign(Int)
        case tokenFailure(Int)
        case sync(Int)
        case syncFailure(Int)
    }

    var events: [Event] {
        var events: [Event] = []
        if !waiting.isEmpty { events.append(.submit) }
        if failingAppends > 0, !nextAppendFails, !waiting.isEmpty || !atToken.isEmpty { events.append(.appendWillFail) }
        if isFlushAsked { events += [.flush(groupHolds: true), .flush(groupHolds: false), .flushFailure] }
        for index in atToken.indices { events += [.sign(index), .tokenFailure(index)] }
        for index in syncs.indices { events += syncs[index].isLost ? [.syncFailure(index)] : [.sync(index), .syncFailure(index)] }
        return events
    }

    mutating func take(_ event: Event) {
        switch event {
        case .submit:
            let request = waiting.removeFirst()
            guard let job = round.submit(user: 7, waitsForDisk: request.waitsForDisk) else { return violate("a request was not taken") }
            models.append(Model(request: request, job: job))
        case .appendWillFail:
            nextAppendFails = true
            failingAppends -= 1
        case .flush(let holds):
            isFlushAsked = false
            inFile = appended
            if !holds {
                for index in models.indices where isConcluded(models[index]) { models[index].isHeldBack = true }
            }
            round.flushed(groupHolds: holds)
        case .flushFailure:
            isFlushAsked = false
            appended = inFile
            round.flushFailed(World.error)
        case .sign(let index):
            let job = atToken.remove(at: index)
            guard let model = models.firstIndex(where: { $0.job == job }) else { return }
            models[model].signed += 1
            round.signed(job, another: models[model].signed < models[model].request.signatures)
        case .tokenFailure(let index): round.failed(atToken.remove(at: index))
        case .sync(let index):
            let sync = syncs.remove(at: index)
            synced = max(synced, sync.upTo)
            round.synced(upTo: sync.upTo)
        case .syncFailure(let index):
            let sync = syncs.remove(at: index)
            if !sync.isLost, inFile > synced {
                lost.formUnion(synced + 1...inFile)
                for other in syncs.indices where lost.contains(syncs[other].upTo) { syncs[other].isLost = true }
            }
            round.syncFailed(World.error)
        }
        perform()
    }

    private func isConcluded(_ model: Model) -> Bool {
        if case .concluded = round.state(of: model.job) { true } else { false }
    }

    private mutating func perform() {
        var actions: [SignatureRound.Action] = []
        while round.takeActions(into: &actions) {
            for action in actions {
                switch action {
                case .appendIntent(let job):
                    append(job) { world, index, sequence in
                        world.models[index].intents.append(sequence)
                        world.round.intentAppended(job, sequence: sequence)
                    }
                case .appendOutcome(let job, let ending):
                    append(job) { world, index, sequence in
                        world.models[index].outcome = sequence
                        world.models[index].ending = ending
                        world.round.outcomeAppended(job)
                    }
                case .flush:
                    if isFlushAsked { violate("two flushes were asked for") }
                    isFlushAsked = true
                case .sendToToken(let job): send(job)
                case .synchronize(let sequence):
                    if sequence > inFile { violate("a sync of a record that is not in the file") }
                    syncs.append(Sync(upTo: sequence, isLost: lost.contains(sequence)))
                case .reply(let job):
                    if round.error(of: job) != nil { violate("a reply in spite of an error") }
                    answer(job, withheld: false)
                case .withhold(let job):
                    if round.error(of: job) != World.error { violate("withheld without saying why") }
                    answer(job, withheld: true)
                }
            }
        }
        let underWay = models.filter { $0.end == nil }.count
        if round.requestsUnderWay(of: 7) != underWay { violate("\(round.requestsUnderWay(of: 7)) under way instead of \(underWay)") }
    }

    private mutating func append(_ job: SignatureRound.Job, _ done: (inout World, Int, UInt64) -> Void) {
        guard let index = models.firstIndex(where: { $0.job == job }), models[index].end == nil else {
            return violate("a record of a request that is not under way")
        }
        if nextAppendFails {
            nextAppendFails = false
            return round.notAppended(job, World.error)
        }
        appended += 1
        done(&self, index, appended)
    }

    private mutating func send(_ job: SignatureRound.Job) {
        guard let index = models.firstIndex(where: { $0.job == job }), models[index].end == nil else {
            return violate("a signature for a request that is not under way")
        }
        let model = models[index]
        guard let intent = model.intents.last, intent <= inFile, model.intents.count == model.signed + 1 else {
            return violate("the token was asked before the intent was in the file")
        }
        if atToken.contains(job) { violate("the token was asked twice") }
        atToken.append(job)
    }

    private mutating func answer(_ job: SignatureRound.Job, withheld: Bool) {
        guard let index = models.firstIndex(where: { $0.job == job }), models[index].end == nil else {
            return violate("a request was answered twice")
        }
        let model = models[index]
        if atToken.contains(job) { violate("a request was answered while the token worked on it") }
        if withheld {
            models[index].end = .withheld
        } else {
            models[index].end = model.ending == .signed ? .signed : .failed
            guard let outcome = model.outcome, outcome <= inFile, let ending = model.ending else {
                violate("a reply before its outcome was in the file")
                return round.answered(job)
            }
            if ending == .signed, model.signed != model.request.signatures { violate("a reply before all is signed") }
            let awaited = model.request.waitsForDisk ? model.intents : model.isHeldBack ? model.intents.suffix(1) : []
            for intent in awaited {
                if intent > synced { violate("a reply before its intent was on the disk") }
                if lost.contains(intent) { violate("given out after a failed sync") }
            }
        }
        round.answered(job)
    }

    private mutating func violate(_ what: String) { violations.append(what) }
}

/// All reachable worlds, each visited once.
private struct Search {
    var seen: Set<World> = []
    var ends: Set<[RequestEnd]> = []
    var violations: Set<String> = []

    mutating func explore(_ start: World) {
        var open = [start]
        while let world = open.popLast() {
            violations.formUnion(world.violations)
            let events = world.events
            guard !events.isEmpty else {
                let answers = world.models.compactMap(\.end)
                if answers.count != world.models.count { violations.insert("a request was never answered") }
                ends.insert(answers)
                continue
            }
            for event in events {
                var next = world
                next.take(event)
                if seen.insert(next).inserted { open.append(next) }
            }
        }
    }
}
