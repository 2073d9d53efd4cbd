/// One call with all that decides its answer, as a JSON text that can be run again.
struct Case {
    var policy: Policy
    var keys: [KeyRecord]
    var peer: Peer
    var call: Call

    /// The keys without their public halves: when the case is run again, others are made.
    var json: JSON {
        .members([
            ("user", .number("\(peer.user)")), ("groups", .array(peer.groups.map { .number("\($0)") })),
            ("method", .string(call.method)), ("parameters", call.parameters), ("form", .string(call.form.rawValue)),
            (
                "keys",
                .array(
                    keys.map { key in
                        .members([
                            ("name", .string(key.name)), ("usage", .string(key.usage.rawValue)), ("algorithm", .string(key.algorithm)),
                            ("directory", key.directory.map { .string($0) }), ("retired", .bool(key.isRetired)),
                        ])
                    })
            ),
            ("grants", .array(policy.grants.map(\.json))),
        ])
    }

    /// Makes the case's keys in an agent that has none, then asks, judges, and makes the case smaller as long as something
    /// is wrong.
    /// - Returns: What is wrong with the smallest case, or `nil` if the answer is right.
    mutating func run(_ agent: Agent) throws(Finding) -> Finding? {
        try agent.start(policy)
        guard let control = Connection(agent.socket, as: Universe.control) else { throw Finding("the agent does not accept connections") }
        let notFound = try Rounds.wordsForNoKey(control)
        for place in keys.indices {
            let made = try Case.make(keys[place], control)
            keys[place] = made
        }
        guard var finding = try ask(agent, notFound) else { return nil }
        var isSmaller = true
        while isSmaller {
            isSmaller = false
            for smaller in self.smaller {
                let digest = try agent.reload(smaller.policy)
                try agent.waitForReload(digest, control)
                if let again = try smaller.ask(agent, notFound) {
                    self = smaller
                    finding = again
                    isSmaller = true
                    break
                }
            }
        }
        return finding
    }

    private static func make(_ key: KeyRecord, _ control: Connection) throws(Finding) -> KeyRecord {
        let call = Call(
            method: "CreateKey",
            parameters: .members([
                ("name", .string(key.name)), ("usage", .string(key.usage.rawValue)), ("algorithm", .string(key.algorithm)),
                ("directory", key.directory.map { .string($0) }),
            ]))
        guard case .parameters(let reply) = try control.call(call), var made = reply["key"].flatMap({ KeyRecord($0) }) else {
            throw Finding("the key \(key.name) could not be made")
        }
        if key.isRetired {
            let reply = try control.call(Call(method: "RetireKey", parameters: .members([("name", .string(key.name))])))
            guard reply.outcome == .success else { throw Finding("the key \(key.name) could not be retired") }
            made.isRetired = true
        }
        return made
    }

    private func ask(_ agent: Agent, _ notFound: (String, String)) throws(Finding) -> Finding? {
        guard let connection = Connection(agent.socket, as: peer) else { throw Finding("user \(peer.user) could not connect") }
        let reply = call.form == .oneway ? .none : try connection.call(call)
        var states: [String: [KeyRecord?]] = [:]
        for key in keys { states[key.name] = [key] }
        return Judge(policies: [policy], states: states, notFound: notFound).finding(call, peer, reply)
    }

    /// The cases with one thing less.
    private var smaller: [Case] {
        var cases: [Case] = []
        func add(_ change: (inout Case) -> Void) {
            var other = self
            change(&other)
            cases.append(other)
        }
        for (place, grant) in policy.grants.enumerated() where grant.name != Universe.controlGrant.name {
            add { $0.policy.grants.remove(at: place) }
            for list in [\Grant.keys, \.operations, \.identifiers, \.cas, \.externalAccounts, \.missingUsers, \.zeroRates] {
                for element in grant[keyPath: list].indices { add { $0.policy.grants[place][keyPath: list].remove(at: element) } }
            }
            for list in [\Grant.users, \.groups] {
                for element in grant[keyPath: list].indices { add { $0.policy.grants[place][keyPath: list].remove(at: element) } }
            }
        }
        let named = ["key", "certificateKey", "newKey", "name"].compactMap { call.parameters[$0]?.string }
        if call.method != "ListKeys", !keys.allSatisfy({ named.contains($0.name) }) {
            add { $0.keys.removeAll { !named.contains($0.name) } }
        }
        if call.form != .plain { add { $0.call.form = .plain } }
        for name in Method.named(call.method)?.optional.map(\.0) ?? [] where call.parameters[name] != nil {
            add { $0.call.parameters = $0.call.parameters.with(name, nil) }
        }
        if let list = call.parameters["identifiers"]?.array, list.count > 1 {
            for place in list.indices.prefix(10) {
                var fewer = list
                fewer.remove(at: place)
                add { $0.call.parameters = $0.call.parameters.with("identifiers", .array(fewer)) }
            }
        }
        // What the configuration does not allow: nobody gets the grant, or only one of two operations granted together.
        return cases.filter { one in
            one.policy.grants.allSatisfy { grant in
                !(grant.users.isEmpty && grant.groups.isEmpty && grant.missingUsers.isEmpty) && !grant.keys.isEmpty
                    && !grant.operations.isEmpty
                    && (!grant.names(.deactivateAuthorization) || grant.names(.deactivateAccount))
            }
        }
    }
}

extension Case {
    /// - Returns: `nil` if the text is no case.
    init?(_ text: [UInt8]) {
        guard let json = JSONReader.read(text), let user = json["user"]?.int, let groups = json["groups"]?.array,
            let method = json["method"]?.string, let parameters = json["parameters"],
            let form = json["form"]?.string.flatMap(Call.Form.init), let grants = json["grants"]?.array, let keys = json["keys"]?.array
        else { return nil }
        peer = Peer(user: user, groups: groups.compactMap(\.int))
        call = Call(method: method, parameters: parameters, form: form)
        policy = Policy(grants: grants.compactMap { Grant($0) })
        self.keys = []
        // Replaced by the key that is made.
        guard let placeholder = try? SoftwareKey().publicKey, policy.grants.count == grants.count else { return nil }
        for key in keys {
            guard let name = key["name"]?.string, let usage = key["usage"]?.string.flatMap(KeyRecord.Usage.init),
                let algorithm = key["algorithm"]?.string
            else { return nil }
            self.keys.append(
                KeyRecord(
                    name: name, usage: usage, algorithm: algorithm, directory: key["directory"]?.string,
                    isRetired: key["retired"] == .bool(true), publicKey: placeholder))
        }
    }
}

extension Grant {
    var json: JSON {
        func numbers(_ list: [Int]) -> JSON { .array(list.map { .number("\($0)") }) }
        return .members([
            ("name", .string(name)), ("users", numbers(users)), ("missingUsers", .strings(missingUsers)), ("groups", numbers(groups)),
            ("keys", .strings(keys)), ("operations", .strings(operations)), ("identifiers", .strings(identifiers)),
            ("wildcards", .bool(wildcards)), ("cas", .strings(cas)), ("externalAccounts", .strings(externalAccounts)),
            ("zeroRates", .strings(zeroRates)),
        ])
    }

    init?(_ json: JSON) {
        guard let name = json["name"]?.string else { return nil }
        func strings(_ member: String) -> [String] { json[member]?.array?.compactMap(\.string) ?? [] }
        self.init(
            name: name, users: json["users"]?.array?.compactMap(\.int) ?? [], missingUsers: strings("missingUsers"),
            groups: json["groups"]?.array?.compactMap(\.int) ?? [], keys: strings("keys"), operations: strings("operations"),
            identifiers: strings("identifiers"), wildcards: json["wildcards"] == .bool(true), cas: strings("cas"),
            externalAccounts: strings("externalAccounts"), zeroRates: strings("zeroRates"))
    }
}
