import ACME
import ArgumentParser

struct AccountUpdateCommand: AgentCommand {
    static let configuration = CommandConfiguration(
        commandName: "update", abstract: "Change the account's contacts.",
        discussion: """
            The given contacts replace the existing ones.

            Example: acme-agent account update --email admin@example.org
            """)

    @Option(name: [.customLong("email"), .customLong("contact")], help: ArgumentHelp("A contact; may be repeated.", valueName: "address"))
    var email: [String] = []

    @Flag(help: "Remove all contacts.")
    var noContact = false

    @OptionGroup var options: GlobalOptions

    func validate() throws {
        if email.isEmpty != noContact { throw ValidationError("either --email ADDRESS or --no-contact is needed") }
    }

    func run(_ session: Session) async throws -> ExitStatus {
        let contact = try Contact.parse(email)
        let report = try await session.withAccounts { flow, directory in
            let account = try await flow.update(directory, contact: contact)
            guard let stored = try await session.store.account(at: directory) else {
                throw Failure("no-account", .failed, "the stored account was removed in the meantime")
            }
            return AccountReport(stored: stored, account: account)
        }
        try session.output.result(session.output.given.named(report.text), json: report.writeMember)
        return .success
    }
}
