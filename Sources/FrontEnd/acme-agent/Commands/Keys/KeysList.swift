import ArgumentParser

struct KeysList: AgentCommand {
    static let stateUse = StateUse.none
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the keys that the agent's policy lets you use.",
        discussion: "Example: acme-agent keys list")

    @OptionGroup var options: GlobalOptions

    func run(_ session: Session) async throws -> ExitStatus {
        let agent = try await session.agent()
        let keys = try await agent.keys()
        let damaged = try await agent.status().problems.filter { $0.what == "key" }
        if keys.isEmpty, damaged.isEmpty {
            session.output.note("no keys: there is none yet, or no grant gives you one (acme-agent status)")
        }
        var table = TextTable(["NAME", "USAGE", "ALGORITHM", "STATE", "TLS", "TOKEN", "CREATED"])
        for key in keys {
            let state = key.state.rawValue + (key.weaknesses.map { $0.isEmpty ? "" : ", weak" } ?? ", weakness unknown")
            table.add(
                [
                    key.name.rawValue, key.usage.rawValue, key.algorithm.rawValue, state, key.handshakeWords ?? "-", key.token,
                    String(key.created.prefix(10)),
                ])
        }
        for key in damaged { table.add([key.name, "-", "-", "damaged", "-", "-", "-"]) }
        for key in damaged { session.output.note("\(key.name) is off: \(key.message)") }
        try session.output.result(keys.isEmpty && damaged.isEmpty ? "" : table.text) { json in
            json.name("keys")
            json.beginArray()
            for key in keys { key.write(to: &json) }
            json.endArray()
            json.member("weaknessesUnknown", keys.filter { $0.weaknesses == nil }.map(\.name.rawValue))
            json.name("damaged")
            json.beginArray()
            for key in damaged {
                json.beginObject()
                json.member("name", key.name)
                json.member("message", key.message)
                json.endObject()
            }
            json.endArray()
        }
        return .success
    }
}
