import ACME
import ArgumentParser

struct KeysRetire: AgentCommand {
    static let configuration = CommandConfiguration(
        commandName: "retire", abstract: "Let a key sign nothing any more.",
        discussion: "It stays in the token, and can still sign its certificate's revocation. There is no way back.")

    @Argument(help: "The key's name.")
    var name: String

    @Flag(help: "Do not ask.")
    var yes = false

    @OptionGroup var options: GlobalOptions

    func run(_ session: Session) async throws -> ExitStatus {
        let agent = try await session.agent()
        let key = try await agent.key(named: KeyName(argument: name))
        try session.confirm("retire \(key.usage.rawValue) key \(key.name)", yes: yes)
        let retired = try await agent.retireKey(named: key.name)
        try session.output.result("retired key \(retired.name)", json: retired.writeMember)
        return .success
    }
}
