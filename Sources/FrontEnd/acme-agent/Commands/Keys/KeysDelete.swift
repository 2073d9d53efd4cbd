import ArgumentParser

struct KeysDelete: AgentCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Destroy a key in the token.",
        discussion: "A certificate for it is of no use any more and cannot be revoked by its own key. There is no way back.")

    @OptionGroup var ended: EndedKey
    @OptionGroup var options: GlobalOptions

    func run(_ session: Session) async throws -> ExitStatus {
        let agent = try await session.agent()
        let key = try await ended.confirmed("delete", session, agent) { "destroy \($0.usage.rawValue) key \($0.name) for good" }
        try await agent.deleteKey(named: key.name)
        try session.output.result("destroyed key \(key.name)") { json in
            json.member("deleted", key.name.rawValue)
        }
        return .success
    }
}
