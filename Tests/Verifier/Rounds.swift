/// The test: an agent, policies, peers on several connections, and calls in rounds. Within a round calls are pipelined,
/// and everything that happens in it may have happened before or after each of its calls.
final class Rounds {
    private struct Sent {
        var call: Call
        var reply: Reply
        var peer: Peer
    }

    private let agent: Agent
    private let seed: UInt64
    private var random: Generator
    private var policy: Policy
    private var keys: [String: KeyRecord] = [:]
    private var connections: [Connection] = []
    private let control: Connection
    private(set) var count = 0
    /// By method: signatures or other successes, and refusals.
    private(set) var successes: [String: Int] = [:]
    private(set) var refusals: [String: Int] = [:]
    /// Refused contents of handshakes that have two meanings, by the second, where policy allows the handshake.
    private(set) var twofold: [String: Int] = [:]
    private var round = 0
    private let notFound: (String, String)
    /// Findings are collected instead of ending the test.
    var keepsGoing = false
    private(set) var failures: [Failure] = []

    init(agent: Agent, seed: UInt64) throws(Finding) {
        self.agent = agent
        self.seed = seed
        random = Generator(seed)
        policy = random.policy()
        try agent.start(policy)
        guard let control = Connection(agent.socket, as: Universe.control) else { throw Finding("the agent does not accept connections") }
        self.control = control
        notFound = try Rounds.wordsForNoKey(control)
        for name in Universe.keys { try make(name) }
        for peer in Universe.peers { for _ in 0..<2 { try connect(peer) } }
    }

    /// The message of `KeyNotFound` for a key that was never made, before and after its name.
    static func wordsForNoKey(_ control: Connection) throws(Finding) -> (String, String) {
        let name = "never-made"
        let reply = try control.call(Call(method: "DescribeKey", parameters: .members([("name", .string(name))])))
        guard reply.outcome == .notFound, case .error(_, let parameters) = reply, let message = parameters["message"]?.string,
            let place = (message.indices.first { message[$0...].hasPrefix(name) })
        else { throw Finding("a key that is not there got another answer: \(reply.text)") }
        return (String(message[..<place]), String(message[message.index(place, offsetBy: name.count)...]))
    }

    private func make(_ name: String) throws(Finding) {
        let directory = Universe.directory(name)
        let call = Call(
            method: "CreateKey",
            parameters: .members([
                ("name", .string(name)), ("usage", .string(directory == nil ? "certificate" : "account")),
                ("algorithm", .string(Universe.algorithm(name))), ("directory", directory.map { .string($0) }),
            ]))
        let reply = try control.call(call)
        guard case .parameters(let parameters) = reply, let key = parameters["key"].flatMap({ KeyRecord($0) }) else {
            throw Finding("the key \(name) could not be made: \(reply.text)")
        }
        keys[name] = key
    }

    private func connect(_ peer: Peer) throws(Finding) {
        guard let connection = Connection(agent.socket, as: peer) else { throw Finding("user \(peer.user) could not connect") }
        connections.append(connection)
    }

    /// - Returns: What is wrong, with the case; `nil` if nothing is.
    func run(_ wanted: Int) throws(Finding) -> Failure? {
        while count < wanted {
            round += 1
            if round % 10 == 0 { try makeMissingKeys() }
            if let failure = try runRound(reloads: round % 7 == 0) { return failure }
        }
        return nil
    }

    /// Deleted and retired keys are made again, so that there is something to sign with.
    private func makeMissingKeys() throws(Finding) {
        for name in Universe.keys {
            if keys[name]?.isRetired == true, random.chance(50) {
                let reply = try control.call(Call(method: "DeleteKey", parameters: .members([("name", .string(name))])))
                guard reply.outcome == .success else { throw Finding("the key \(name) could not be deleted: \(reply.text)") }
                keys[name] = nil
            }
            if keys[name] == nil, random.chance(70) { try make(name) }
        }
    }

    /// Calls after which each method must have been allowed and refused, so that a test in which nothing is asked for does
    /// not pass.
    private static let enough = 4_000

    /// Whether nearly all methods were allowed and refused at some time, and contents with two meanings asked for.
    var hasTriedEverything: Bool {
        guard count >= Rounds.enough, Universe.peers.count > 1 else { return true }
        let signing = Method.names.filter { $0.hasPrefix("Sign") }
        // A seed's policies may leave one or two out.
        return signing.count { successes[$0] ?? 0 == 0 || refusals[$0] ?? 0 == 0 } <= 2 && !twofold.isEmpty
    }

    private func runRound(reloads: Bool) throws(Finding) -> Failure? {
        var batches: [[Call]] = []
        for connection in connections { batches.append(batch(connection.peer)) }
        for (connection, calls) in zip(connections, batches) { connection.send(calls.flatMap(\.bytes)) }
        var policies = [policy]
        var digest: String?
        if reloads {
            let next = random.policy()
            digest = try agent.reload(next)
            policies.append(next)
        }
        var sent: [Sent] = []
        for (place, calls) in batches.enumerated() {
            for call in calls {
                let reply = call.form == .oneway ? .none : try receive(connections[place], call)
                sent.append(Sent(call: call, reply: reply, peer: connections[place].peer))
                if reply == .closed {
                    guard let again = Connection(agent.socket, as: connections[place].peer) else { throw Finding("the agent has gone") }
                    connections[place] = again
                    break
                }
            }
        }
        if let digest, let next = policies.last {
            try agent.waitForReload(digest, control)
            policy = next
        }
        let failure = try judge(sent, policies)
        count += sent.count
        return failure
    }

    private func receive(_ connection: Connection, _ call: Call) throws(Finding) -> Reply {
        do throws(Finding) {
            return Reply(try connection.receive())
        } catch { throw Finding("\(error): \(String(decoding: call.bytes.dropLast().prefix(2_000), as: UTF8.self))") }
    }

    private func batch(_ peer: Peer) -> [Call] {
        var calls: [Call] = []
        for _ in 0..<(1 + random.below(16)) {
            var generator = CallGenerator(random: random, policy: policy, peer: peer, keys: keys)
            let call = generator.call()
            random = generator.random
            calls.append(call)
            // The agent may close the connection at these, with what follows.
            if call.form.isRefused || call.form == .upgrade || Method.named(call.method)?.types(call.parameters) != true { break }
        }
        return calls
    }

    private func judge(_ sent: [Sent], _ policies: [Policy]) throws(Finding) -> Failure? {
        var states: [String: [KeyRecord?]] = keys.mapValues { [$0] }
        var changes: [String: Int] = [:]
        for item in sent {
            guard let (name, state) = change(item) else { continue }
            // A key that is being deleted signs nothing any more, as if it were retired, until it is gone.
            if item.call.method == "DeleteKey", var going = keys[name] {
                going.isRetired = true
                states[name, default: []].append(going)
            }
            states[name, default: [nil]].append(state)
            changes[name, default: 0] += 1
        }
        let judge = Judge(policies: policies, states: states, notFound: notFound, adoptable: agent.adoptable)
        for item in sent {
            if let finding = judge.finding(item.call, item.peer, item.reply) {
                let failure = Failure(
                    seed: seed, finding: finding, call: item.call, peer: item.peer, reply: item.reply, policies: policies, states: states)
                guard keepsGoing else { return failure }
                failures.append(failure)
            }
            switch item.reply.outcome {
            case .success: successes[item.call.method, default: 0] += 1
            case .none: break
            default:
                refusals[item.call.method, default: 0] += 1
                countTwofold(item)
            }
        }
        for (name, count) in changes {
            if count == 1 { keys[name] = states[name]?.last ?? nil } else { try look(name) }
        }
        return nil
    }

    private func countTwofold(_ item: Sent) {
        guard item.reply.outcome == .invalid, let content = item.call.parameters["content"]?.string.flatMap({ Base64URL.decode($0) }) else {
            return
        }
        let meanings = HandshakeMeaning.all(of: content)
        if meanings.count > 1 { twofold["\(meanings[1])", default: 0] += 1 }
    }

    /// What a successful call made of which key.
    private func change(_ item: Sent) -> (String, KeyRecord?)? {
        guard case .parameters(let parameters) = item.reply, let name = item.call.parameters["name"]?.string else { return nil }
        switch item.call.method {
        case "CreateKey", "AdoptKey", "RetireKey": return parameters["key"].flatMap { KeyRecord($0) }.map { (name, $0) }
        case "DeleteKey": return (name, nil)
        default: return nil
        }
    }

    /// Asks the agent about a key that several calls of a round have changed.
    private func look(_ name: String) throws(Finding) {
        switch try control.call(Call(method: "DescribeKey", parameters: .members([("name", .string(name))]))) {
        case .parameters(let parameters): keys[name] = parameters["key"].flatMap { KeyRecord($0) }
        case let reply where reply.outcome == .notFound: keys[name] = nil
        case let reply: throw Finding("the key \(name) could not be described: \(reply.text)")
        }
    }
}

/// A call whose reply must not be, with all that is needed to ask again.
struct Failure {
    var seed: UInt64
    var finding: Finding
    var call: Call
    var peer: Peer
    var reply: Reply
    var policies: [Policy]
    var states: [String: [KeyRecord?]]

    /// The case as it can be run again. It has the policy that was in force before a reload, and each key in the state
    /// that it had first.
    var asCase: Case {
        Case(policy: policies[0], keys: states.keys.sorted().compactMap { states[$0]?.first ?? nil }, peer: peer, call: call)
    }

    var text: String {
        """
        finding: \(finding)
        peer: user \(peer.user), groups \(peer.groups)
        call: \(String(decoding: call.bytes.dropLast(), as: UTF8.self))
        form: \(call.form.rawValue)
        reply: \(reply.text)
        grants of the peer:\(policies.map { Policy(grants: $0.grants.filter { $0.isFor(peer) }).text }.joined(separator: "\n--- after the reload:"))
        """
    }
}
