import NIOCore
import TokenProtocol

@testable import TokenSupervisor

/// A token in simulated time: links that work in order, kinds of signatures with given costs, and users who ask.
struct SupervisorSimulation {
    /// A user who always has this many requests with the agent: the next one comes `pause` after the reply to the last.
    struct User {
        var kind: SignatureCosts.Kind
        var outstanding: Int
        var pause = TimeAmount.microseconds(50)
    }

    /// The fate of one request.
    struct Wait {
        let user: UInt32
        let asked: NIODeadline
        /// Requests of each other user that were given to a link between its arrival and its own turn.
        var givenBefore: [UInt32: Int] = [:]
        var done = NIODeadline.uptimeNanoseconds(0)
        var time: TimeAmount { done - asked }
    }

    var scheduler = LinkScheduler()
    private(set) var now = NIODeadline.uptimeNanoseconds(1_000_000_000)
    private(set) var waits: [Wait] = []
    /// Nanoseconds of the token that each user got while all of them were there.
    private(set) var served: [UInt32: Int64] = [:]
    private let users: [User]
    private let cost: (SignatureCosts.Kind) -> TimeAmount
    private var links: [[(assignment: LinkScheduler.Assignment, number: Int)]]
    private var finish: [NIODeadline]
    private var due: [(at: NIODeadline, user: UInt32)] = []
    private var waiting: [Int: Wait] = [:]
    /// Requests of one-at-a-time users that no link has in hand yet.
    private var watched: Set<Int> = []
    private var numbers: [ObjectIdentifier: Int] = [:]
    private var made = 0

    init(links count: Int, users: [User], cost: @escaping (SignatureCosts.Kind) -> TimeAmount) {
        self.users = users
        self.cost = cost
        links = Array(repeating: [], count: count)
        finish = Array(repeating: .distantFuture, count: count)
        scheduler.open(links: count)
        for (user, behaviour) in users.enumerated() {
            for _ in 0..<behaviour.outstanding { due.append((now, UInt32(user))) }
        }
    }

    /// SoftHSM's on a usual CPU, in round numbers.
    static func softHSM(_ kind: SignatureCosts.Kind) -> TimeAmount {
        switch kind {
        case .p256, .ed25519: .microseconds(40)
        case .rsa2048: .microseconds(460)
        case .p384: .microseconds(560)
        case .ed25519Long: .microseconds(1_000)
        case .rsa3072: .microseconds(1_700)
        case .rsa4096: .microseconds(5_000)
        }
    }

    static func request(
        _ kind: SignatureCosts.Kind, user: UInt32, deadline: NIODeadline = .distantFuture,
        completion: @escaping (Result<[UInt8], TokenFailure>) -> Void = { _ in }
    ) -> SignatureRequest {
        let (mechanism, spki, bytes): (SigningMechanism, Int, Int) =
            switch kind {
            case .p256: (.ecdsa, 91, 32)
            case .p384: (.ecdsa, 120, 48)
            case .rsa2048: (.rsaPSSSHA256, 294, 32)
            case .rsa3072: (.rsaPKCS1SHA256, 422, 32)
            case .rsa4096: (.rsaPSSSHA384, 550, 48)
            case .ed25519: (.ed25519, 44, 200)
            case .ed25519Long: (.ed25519, 44, 100_000)
            }
        return SignatureRequest(
            user: user, key: TokenKeyReference(id: [1], label: "k", spki: [UInt8](repeating: 7, count: spki)), mechanism: mechanism,
            input: [UInt8](repeating: 0, count: bytes), deadline: deadline, completion: completion)
    }

    /// Runs until `time` has passed.
    mutating func run(_ time: TimeAmount) {
        let end = now + time
        while true {
            let link = finish.indices.min { finish[$0] < finish[$1] } ?? 0
            let next = due.indices.min { due[$0].at < due[$1].at }
            let at = min(finish[link], next.map { due[$0].at } ?? .distantFuture)
            guard at <= end else { break }
            now = at
            if let next, due[next].at <= finish[link] { ask(due.remove(at: next).user) } else { answer(link) }
            give()
        }
        now = end
    }

    private mutating func ask(_ user: UInt32) {
        let request = SupervisorSimulation.request(users[Int(user)].kind, user: user)
        numbers[ObjectIdentifier(request)] = made
        waiting[made] = Wait(user: user, asked: now)
        if users[Int(user)].outstanding == 1 { watched.insert(made) }
        made += 1
        guard scheduler.enqueue(request) else { preconditionFailure("no room") }
    }

    private mutating func answer(_ link: Int) {
        let (assignment, number) = links[link].removeFirst()
        guard case .request(let request) = scheduler.complete(link: link, id: assignment.id, now: now), request === assignment.request,
            var wait = waiting.removeValue(forKey: number)
        else { preconditionFailure("a request was lost or answered twice") }
        wait.done = now
        waits.append(wait)
        served[wait.user, default: 0] += cost(request.kind).nanoseconds
        due.append((now + users[Int(wait.user)].pause, wait.user))
        finish[link] = links[link].first.map { now + cost($0.assignment.request.kind) } ?? .distantFuture
    }

    private mutating func give() {
        while let assignment = scheduler.assign(now: now) {
            guard let number = numbers.removeValue(forKey: ObjectIdentifier(assignment.request)) else {
                preconditionFailure("a request was given out twice")
            }
            let user = assignment.request.user
            watched.remove(number)
            for other in watched where waiting[other]?.user != user { waiting[other]?.givenBefore[user, default: 0] += 1 }
            links[assignment.link].append((assignment, number))
            if links[assignment.link].count == 1 { finish[assignment.link] = now + cost(assignment.request.kind) }
        }
    }
}
