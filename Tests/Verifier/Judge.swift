/// Compares a reply with what the naive evaluation allows, in every state that was possible while the call was judged.
struct Judge {
    /// Policies that may have been in force.
    var policies: [Policy]
    /// Every state that a key may have had; no key is `nil`. A name that is not here has no key.
    var states: [String: [KeyRecord?]]
    /// The message of `KeyNotFound` for a key that is not there, before and after its name.
    var notFound: (String, String)
    /// Keys that may be adopted, by URI.
    var adoptable: [String: [UInt8]] = [:]

    /// - Returns: What is wrong, or `nil`.
    func finding(_ call: Call, _ peer: Peer, _ reply: Reply) -> Finding? {
        var first: Finding?
        // What was admitted before its key was deleted may still go to the token.
        if reply.outcome == .failed,
            named(call).contains(where: { states[$0]?.contains { $0 == nil } == true && states[$0]?.count ?? 0 > 1 })
        {
            return nil
        }
        for world in worlds(call) {
            if let finding = finding(call, peer, reply, in: world) { first = first ?? finding } else { return nil }
        }
        return first ?? Finding("there is no state in which this call was judged")
    }

    private func named(_ call: Call) -> Set<String> {
        Set(["key", "certificateKey", "newKey", "name"].compactMap { call.parameters[$0]?.string })
    }

    /// All states, as far as the keys that the call names are concerned.
    private func worlds(_ call: Call) -> [World] {
        var worlds = policies.map { World(policy: $0, keys: [:]) }
        for name in named(call) {
            worlds = worlds.flatMap { world in
                (states[name] ?? [nil]).map { state in
                    var next = world
                    next.keys[name] = state
                    return next
                }
            }
        }
        return worlds
    }

    private func finding(_ call: Call, _ peer: Peer, _ reply: Reply, in world: World) -> Finding? {
        let evaluation = Evaluation.of(call, peer, in: world)
        guard evaluation.outcomes.contains(reply.outcome) else {
            let expected = evaluation.outcomes.map(\.rawValue).sorted().joined(separator: " or ")
            return Finding("\(expected) was expected (\(evaluation.reason)), and \(reply.outcome.rawValue) came")
        }
        do throws(Finding) {
            switch reply {
            case .parameters(let parameters):
                try Verifier(call: call, peer: peer, world: world).check(parameters)
                try checkKey(call, peer, parameters, world)
            case .error(let name, let parameters): try checkError(name, parameters, call)
            case .closed, .none: break
            }
            return nil
        } catch { return error }
    }

    /// Replies about keys have the key as it is known here, and lists have no other's.
    private func checkKey(_ call: Call, _ peer: Peer, _ parameters: JSON, _ world: World) throws(Finding) {
        switch call.method {
        case "ListKeys":
            for item in parameters["keys"]?.array ?? [] {
                guard let name = item["name"]?.string, world.policy.allows(peer, Need(operation: .listKeys, keys: [name])) else {
                    throw Finding("a key is listed that is not the caller's: \(item["name"]?.text() ?? "-")")
                }
            }
            let listed = Set((parameters["keys"]?.array ?? []).compactMap { $0["name"]?.string })
            for (name, possible) in states where !possible.contains(where: { $0 == nil }) && !listed.contains(name) {
                if world.policy.allows(peer, Need(operation: .listKeys, keys: [name])) { throw Finding("the key \(name) is not listed") }
            }
            for name in listed where states[name]?.contains(where: { $0 != nil }) != true {
                throw Finding("a key is listed that is not there: \(name)")
            }
        case "DescribeKey":
            guard let key = parameters["key"].flatMap({ KeyRecord($0) }), let known = world.keys[key.name],
                key.publicKey.spki == known.publicKey.spki,
                key.usage == known.usage, key.directory == known.directory, key.isRetired == known.isRetired,
                parameters["key"]?["jwk"] == key.publicKey.jwk
            else { throw Finding("the key is not the one that was made") }
        case "AdoptKey":
            guard let key = parameters["key"].flatMap({ KeyRecord($0) }), let uri = call.parameters["uri"]?.string,
                adoptable[uri] == key.publicKey.spki, call.parameters["name"] == .string(key.name), !key.isRetired,
                call.parameters["usage"] == .string(key.usage.rawValue), call.parameters["directory"] == key.directory.map({ .string($0) })
            else { throw Finding("another key was adopted than was asked for") }
            for (name, possible) in states where name != key.name && possible.count == 1 {
                if possible[0]?.publicKey.spki == key.publicKey.spki { throw Finding("a key was adopted that has a name, \(name)") }
            }
        case "CreateKey":
            guard let key = parameters["key"].flatMap({ KeyRecord($0) }), call.parameters["name"] == .string(key.name), !key.isRetired,
                call.parameters["usage"] == .string(key.usage.rawValue), call.parameters["algorithm"] == .string(key.algorithm),
                call.parameters["directory"] == key.directory.map({ .string($0) })
            else { throw Finding("another key was made than was asked for") }
        default: break
        }
    }

    /// The error names the key as it was asked for, in the same words for a key that is not there and for one that is
    /// another's.
    private func checkError(_ name: String, _ parameters: JSON, _ call: Call) throws(Finding) {
        guard name == Call.interface + "KeyNotFound" else { return }
        let asked = ["key", "certificateKey", "newKey", "name"].compactMap { call.parameters[$0]?.string }
        // The correlation says which call it was.
        guard let named = parameters["name"]?.string, asked.contains(named),
            parameters.names.filter({ $0 != "correlation" }).sorted() == ["message", "name"]
        else {
            throw Finding("KeyNotFound says more than the name: \(parameters.text())")
        }
        guard KeyRecord.isName(named) else { return }
        guard parameters["message"]?.string == notFound.0 + named + notFound.1 else {
            throw Finding("KeyNotFound has other words than for a key that is not there: \(parameters.text())")
        }
    }
}
