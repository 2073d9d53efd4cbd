import ACME
import ArgumentParser

struct KeysDelete: AgentCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Destroy a key in the token.",
        discussion: "A certificate for it is of no use any more and cannot be revoked by its own key. There is no way back.")

    @Argument(help: "The key's name.")
    var name: String

    @Flag(help: "Do not ask.")
    var yes = false

    @OptionGroup var options: GlobalOptions

    func run(_ session: Session) async throws -> ExitStatus {
        let agent = try await session.agent()
        let key = try await agent.key(named: KeyName(argument: name))
        try session.confirm("destroy \(key.usage.rawValue) key \(key.name) for good", yes: yes)
        try await agent.deleteKey(named: key.name)
        try session.output.result("destroyed key \(key.name)") { json in
            json.member("deleted", key.name.rawValue)
        }
        return .success
    }
}
