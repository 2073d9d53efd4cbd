import ArgumentParser

struct AccountDeactivate: AgentCommand {
    static let configuration = CommandConfiguration(
        commandName: "deactivate", abstract: "Permanently deactivate the account.",
        discussion: """
            The account cannot order any more certificates; existing ones stay valid. Its key stays in the token. This \
            cannot be undone.

            Example: acme-agent account deactivate
            """)

    @Flag(help: "Do not ask.")
    var yes = false

    @OptionGroup var options: GlobalOptions

    func run(_ session: Session) async throws -> ExitStatus {
        let directory = session.settings.directory
        let stored = try await session.store.account(at: directory)
        let place = session.output.given.named(directory.origin.text)
        try session.confirm("permanently deactivate the account at \(place)", yes: yes)
        try await session.withAccounts { flow, directory in try await flow.deactivate(directory) }
        try session.output.result("deactivated the account at \(place)") { json in
            json.name("deactivated")
            json.beginObject()
            json.member("url", ifPresent: stored?.url?.text)
            json.member("directory", directory.text)
            json.endObject()
        }
        return .success
    }
}
