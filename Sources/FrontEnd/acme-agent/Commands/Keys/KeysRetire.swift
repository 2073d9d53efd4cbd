import ArgumentParser

struct KeysRetire: AgentCommand {
    static let stateUse = StateUse.read
    static let configuration = CommandConfiguration(
        commandName: "retire", abstract: "Stop a key from signing.",
        discussion: """
            The key stays in the token. A retired certificate key still signs the revocation of its certificate; a \
            retired account key signs nothing. This cannot be undone.

            Example: acme-agent keys retire www.example.org
            """)

    @OptionGroup var ended: EndedKey
    @OptionGroup var options: GlobalOptions

    func run(_ session: Session) async throws -> ExitStatus {
        let agent = try await session.agent()
        let key = try await ended.confirmed("retire", session, agent) { "retire \($0.usage.rawValue) key \($0.name)" }
        let retired = try await agent.retireKey(named: key.name)
        try session.output.result("retired key \(retired.name)", json: retired.writeMember)
        return .success
    }
}
