import Glibc

/// The agent under load while everything that it needs breaks and heals: 64 clients, a helper that is killed, a token
/// with faults, a full disk, a trail that is rotated, a configuration that is reloaded, and keys that are made and
/// deleted. Each reply is judged, and the trail is compared with what the clients got.
final class Soak {
    static let clients = 64
    /// Seconds after which a call counts as lost. A signature waits for the token up to its deadline, what is done to a
    /// key up to 30 seconds, also where another such call of the same connection comes first.
    private static let patience = 90.0
    /// Seconds between two samples of the processes and two comparisons with the trail.
    private static let pace = 1.0

    private let agent: Agent
    private let seconds: Double
    private var random: Generator
    private var disturbances: Disturbances
    let disk: SoakDisk
    private let trail: TrailFollower
    private var clients: [SoakClient] = []
    private var control: Connection?
    private var controlCalls = 0
    private var keys: [String: KeyRecord] = [:]
    private var notFound = ("", "")
    /// The policies that may be in force, and the digest of the configuration that is to be.
    private var policies = [SoakUniverse.policy(isWide: false)]
    private var awaited: String?
    private var asked = 0.0
    private var outages = Outages()
    private var ledger = CallLedger()
    private var findings: [Finding] = []

    // What happened.
    private(set) var calls = 0
    private(set) var outcomes: [Reply.Outcome: Int] = [:]
    private(set) var errors: [String: Int] = [:]
    private(set) var verified = 0
    private(set) var keysMade = 0
    private(set) var keysDeleted = 0
    private(set) var counts: [String: Int] = [:]
    private(set) var daemon = ProcessGrowth()
    private(set) var helper = ProcessGrowth()
    private var helperStarts: [Int32: Double] = [:]
    private(set) var longest = 0.0
    private(set) var objectsLeft = 0
    var matched: Int { ledger.matched }
    var trailRecords: Int { trail.records }
    var rotations: Int { trail.rotations }

    init(agent: Agent, seconds: Double, seed: UInt64, mounts: Bool) throws(Finding) {
        self.agent = agent
        self.seconds = seconds
        random = Generator(seed)
        disturbances = Disturbances(seconds: seconds, random: &random)
        try Soak.makeFaultyToken(agent)
        agent.deadline = 10
        agent.logLevel = "notice"
        disk = try SoakDisk.make(for: agent, mounts: mounts)
        let audit = agent.folder + "/state/audit"
        guard mkdir(audit, 0o700) == 0 else { throw Finding("no folder for the trail could be made") }
        let path = audit + "/audit.jsonl"
        trail = TrailFollower(path, after: try TrailFollower.prefill(path, size: (64 << 20) - (1 << 20)))
    }

    /// SoftHSM behind softhsm/fault-module.c.
    private static func makeFaultyToken(_ agent: Agent) throws(Finding) {
        let root = #filePath.split(separator: "/").dropLast(4).reduce(into: "") { $0 += "/" + $1 }
        let module = agent.folder + "/fault-module.so", faults = agent.folder + "/faults"
        guard mkdir(faults, 0o700) == 0,
            agent.run(["cc", "-shared", "-fPIC", "-I/usr/include/p11-kit-1", "-o", module, root + "/softhsm/fault-module.c", "-ldl"])
        else { throw Finding("softhsm/fault-module.c could not be built, see \(agent.log)") }
        agent.module = (module, ["FAULT_DIRECTORY": faults])
    }

    private func find(_ text: String) { if findings.count < 20 { findings.append(Finding(text)) } }

    // MARK: The run

    /// - Returns: What must not be; empty if nothing was found.
    func run() throws(Finding) -> [Finding] {
        try agent.start(policies[0])
        try prepare()
        let start = File.now
        var sampled = start
        while File.now - start < seconds, findings.isEmpty {
            while let action = disturbances.due(File.now - start) { try disturb(action) }
            try exchange(isSending: true)
            try lookForReload()
            if File.now - sampled >= Soak.pace {
                sampled = File.now
                sample(sampled - start)
                try compareWithTrail(isLast: false)
            }
            lookForLost()
        }
        try finish()
        return findings + ledger.findings
    }

    private func prepare() throws(Finding) {
        guard let control = Connection(agent.socket, as: Universe.control) else { throw Finding("the agent does not accept connections") }
        self.control = control
        notFound = try Rounds.wordsForNoKey(control)
        for user in SoakUniverse.users {
            try make(SoakUniverse.creation(user.account, isAccount: true))
            for name in user.certificates {
                try make(SoakUniverse.creation(name, algorithm: name == user.rsa ? "RSA-2048" : name == user.ed25519 ? "Ed25519" : "P-256"))
            }
        }
        for number in 0..<Soak.clients {
            let user = SoakUniverse.users[number % SoakUniverse.users.count]
            guard let connection = Connection(agent.socket, as: user.peer) else {
                throw Finding("user \(user.peer.user) could not connect")
            }
            guard case .parameters(let status) = try connection.call(Call(method: "GetStatus", parameters: .object([]))),
                let correlation = status["correlation"]?.string
            else { throw Finding("the agent does not say its status") }
            let client = try SoakClient(user: user, connection: connection, first: correlation, number: number, random: &random)
            clients.append(client)
            ledger.open(client.start)
        }
    }

    private func make(_ call: Call) throws(Finding) {
        guard case .parameters(let parameters)? = try control?.call(call), let key = parameters["key"].flatMap({ KeyRecord($0) }) else {
            throw Finding("the key \(call.parameters["name"]?.text() ?? "-") could not be made")
        }
        keys[key.name] = key
    }

    /// Sends what there is room for, and takes what has arrived.
    private func exchange(isSending: Bool) throws(Finding) {
        for client in clients where isSending {
            while !client.isFull {
                guard let call = client.sendNext(keys: keys, policies: policies, now: File.now) else {
                    return find("the agent has closed the connection \(client.start)")
                }
                ledger.send(call)
                calls += 1
            }
        }
        var waiting = clients.map { pollfd(fd: $0.connection.socket, events: Int16(POLLIN), revents: 0) }
        guard poll(&waiting, nfds_t(waiting.count), 20) > 0 else { return }
        for (client, state) in zip(clients, waiting) where state.revents != 0 {
            guard let messages = try client.connection.arrived() else {
                return find("the agent has closed the connection \(client.start)")
            }
            for message in messages { take(message, client) }
        }
    }

    private func take(_ message: JSON, _ client: SoakClient) {
        guard let call = client.takeAnswered() else {
            return find("a reply came that nobody waits for, on the connection \(client.start): \(message.text())")
        }
        let reply = Reply(message), now = File.now
        call.received = now
        call.outcome = reply.outcome
        outcomes[reply.outcome, default: 0] += 1
        longest = max(longest, now - call.sent)
        client.finish(call, reply)
        if case .error(let name, let parameters) = reply {
            errors[name.split(separator: ".").last.map(String.init) ?? name, default: 0] += 1
            guard parameters["correlation"] == .string(call.correlation) else {
                return find("an error is another call's than \(call.correlation): \(reply.text)")
            }
        }
        switch (reply, reply.outcome) {
        case (.error(let name, _), .failed), (.error(let name, _), .other):
            if !outages.explain(name, of: call.call.method, from: call.sent, to: now) {
                find("nothing explains the error of \(call.correlation), \(call.call.method): \(reply.text)")
            }
            return
        case (.parameters(let parameters), _):
            call.digests = SoakCall.digests(call.call, parameters)
            verified += call.digests.count
            if call.call.method == "CreateKey" { keysMade += 1 }
            if call.call.method == "DeleteKey" { keysDeleted += 1 }
        default: break
        }
        let judge = Judge(policies: call.policies, states: call.states, notFound: notFound)
        if let finding = judge.finding(call.call, call.peer, reply) {
            find("\(finding): \(call.correlation) \(call.call.method) \(call.call.parameters.text()), and \(reply.text)")
        }
    }

    private func lookForLost() {
        for client in clients {
            guard let call = client.pending.first, File.now - call.sent > Soak.patience else { continue }
            find("a call was not answered within \(Int(Soak.patience)) s: \(call.correlation) \(call.call.method)")
        }
    }

    // MARK: What is done to the agent

    private func disturb(_ action: Disturbances.Action) throws(Finding) {
        switch action {
        case .killHelper:
            counts["helper killed", default: 0] += 1
            outages.begin(.helper, at: File.now)
            for process in ProcessFigures.helpers(of: agent.process) { kill(process, SIGKILL) }
            outages.end(.helper, at: File.now)
        case .breakToken(let fault, let text):
            counts["token fault", default: 0] += 1
            outages.begin(.token, at: File.now)
            guard File.write(agent.folder + "/faults/" + fault, text) else { throw Finding("a fault could not be made") }
        case .healToken(let fault):
            unlink(agent.folder + "/faults/" + fault)
            outages.end(.token, at: File.now)
        case .fillDisk:
            counts["disk full", default: 0] += 1
            outages.begin(.disk, at: File.now)
            try disk.fill(agent)
        case .healDisk:
            disk.heal(agent)
            outages.end(.disk, at: File.now)
        case .reload:
            // One at a time: which of several is in force is not known.
            guard awaited == nil else { return }
            counts["configuration reloaded", default: 0] += 1
            let next = SoakUniverse.policy(isWide: counts["configuration reloaded"]?.isMultiple(of: 2) == false)
            policies.append(next)
            for client in clients { client.mayBeJudged(by: next) }
            asked = File.now
            awaited = try agent.reload(next)
        }
    }

    private func lookForReload() throws(Finding) {
        guard let awaited, case .parameters(let status)? = try control?.call(Call(method: "GetStatus", parameters: .object([]))) else {
            return
        }
        guard status["configuration"]?["sha256"] == .string(awaited) else {
            let waited = File.now - asked
            guard let error = status["configuration"]?["reloadError"]?.string, waited >= Soak.pace else { return }
            // A reload is recorded in the trail, or not applied. The error may be an earlier one's.
            if outages.overlaps(.disk, from: asked, to: File.now) {
                asked = File.now
                agent.reloadAgain()
            } else if waited > Soak.patience {
                find("a configuration was refused: \(error)")
            }
            return
        }
        policies.removeFirst(policies.count - 1)
        self.awaited = nil
    }

    // MARK: What is measured and compared

    private func sample(_ time: Double) {
        guard let figures = ProcessFigures(agent.process) else { return find("the daemon has ended") }
        daemon.add(figures, at: time)
        for process in ProcessFigures.helpers(of: agent.process) {
            let start = helperStarts[process] ?? time
            helperStarts[process] = start
            // A helper that has just been started has not opened everything yet.
            if time - start >= 2, let figures = ProcessFigures(process) { helper.add(figures, at: time) }
        }
        // The module writes down each call.
        truncate(agent.folder + "/faults/calls", 0)
    }

    private func compareWithTrail(isLast: Bool) throws(Finding) {
        // What cannot be written whole is taken back.
        guard isLast || !outages.overlaps(.disk, from: File.now, to: File.now) else { return }
        let now = File.now
        try trail.read { ledger.read($0) }
        ledger.settle(answeredBefore: now, isLast: isLast, outages: outages)
        if let finding = ledger.findings.first, findings.isEmpty { find("\(finding)") }
    }

    /// Waits for what is on its way, shows that nothing more comes, and looks at what is left.
    private func finish() throws(Finding) {
        // A finding may have come in between.
        while let action = disturbances.nextHealing() { try disturb(action) }
        let limit = File.now + Soak.patience
        while clients.contains(where: { !$0.pending.isEmpty }), File.now < limit { try exchange(isSending: false) }
        for client in clients {
            guard client.pending.isEmpty else {
                find("\(client.pending.count) calls were not answered on the connection \(client.start)")
                continue
            }
            let wanted = client.nextCorrelation()
            guard case .parameters(let status) = try client.connection.call(Call(method: "GetStatus", parameters: .object([]))),
                status["correlation"] == .string(wanted)
            else {
                find("a reply was lost or came twice before \(wanted)")
                continue
            }
        }
        try compareKeys()
        guard agent.stop() else { throw Finding("the daemon did not end with status 0 when it was told to stop") }
        try compareWithTrail(isLast: true)
    }

    /// The agent has the keys that clients made and did not delete, and the token has those and no others.
    private func compareKeys() throws(Finding) {
        let wanted = Set(keys.keys).union(clients.flatMap(\.keys)), possible = wanted.union(clients.flatMap(\.uncertain))
        let limit = File.now + Soak.patience
        while true {
            guard case .parameters(let reply)? = try control?.call(Call(method: "ListKeys", parameters: .object([]))) else {
                throw Finding("the keys could not be listed")
            }
            let listed = Set((reply["keys"]?.array ?? []).compactMap { $0["name"]?.string })
            // Two for each key, those that were imported included.
            objectsLeft = try agent.keyObjects() - 2 * (listed.count + agent.adoptable.count)
            let isRight = wanted.isSubset(of: listed) && listed.isSubset(of: possible)
            if isRight && objectsLeft == 0 { return }
            // A creation that was cut off is settled by the agent itself.
            guard File.now < limit else {
                if !isRight { find("the agent lists other keys than were made: \(listed.symmetricDifference(wanted).sorted())") }
                if objectsLeft != 0 {
                    let entries = (File.names(agent.folder + "/state/keys") ?? []).filter { !listed.contains(String($0.dropLast(5))) }
                    find("the token has \(objectsLeft) objects that belong to no key; entries without a key: \(entries.sorted())")
                    let known = listed.union(Universe.adoptable)
                    for object in agent.objects where !known.contains(where: { object.contains("label:      \($0)\n") }) { find(object) }
                }
                return
            }
            usleep(200_000)
        }
    }
}
