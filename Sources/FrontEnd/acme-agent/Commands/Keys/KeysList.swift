import ArgumentParser

struct KeysList: AgentCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "List the keys that the agent's policy gives you.")

    @OptionGroup var options: GlobalOptions

    func run(_ session: Session) async throws -> ExitStatus {
        let keys = try await session.agent().keys()
        if keys.isEmpty {
            session.output.note("no keys: none was made yet, or no grant of the agent's policy gives you one (acme-agent status)")
        }
        var table = TextTable(["NAME", "USAGE", "ALGORITHM", "STATE", "TOKEN", "CREATED"])
        for key in keys {
            table.add([
                key.name.rawValue, key.usage.rawValue, key.algorithm.rawValue, key.state.rawValue, key.token,
                String(key.created.prefix(10)),
            ])
        }
        try session.output.result(keys.isEmpty ? "" : table.text) { json in
            json.name("keys")
            json.beginArray()
            for key in keys { key.write(to: &json) }
            json.endArray()
        }
        return .success
    }
}
