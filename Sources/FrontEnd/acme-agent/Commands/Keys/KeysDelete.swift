import ArgumentParser

struct KeysDelete: AgentCommand {
    static let stateUse = StateUse.read
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Destroy a key in the token.",
        discussion: """
            Its certificate becomes useless and can no longer be revoked with this key. This cannot be undone.

            Example: acme-agent keys delete www.example.org
            """)

    @OptionGroup var ended: EndedKey
    @OptionGroup var options: GlobalOptions

    func run(_ session: Session) async throws -> ExitStatus {
        let agent = try await session.agent()
        let key = try await ended.confirmed("delete", session, agent) { "permanently destroy \($0.usage.rawValue) key \($0.name)" }
        try await agent.deleteKey(named: key.name)
        try session.output.result("destroyed key \(key.name)") { json in
            json.member("deleted", key.name.rawValue)
        }
        return .success
    }
}
