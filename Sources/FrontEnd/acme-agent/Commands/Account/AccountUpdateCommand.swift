import ACME
import ArgumentParser

struct AccountUpdateCommand: AgentCommand {
    static let configuration = CommandConfiguration(
        commandName: "update", abstract: "Change the account's contacts, or agree to new terms of service.",
        discussion: """
            The given contacts replace the existing ones. A CA that has new terms of service may refuse orders until \
            you agree to them (RFC 8555 §7.3.3).

            Example: acme-agent account update --email admin@example.org
            """)

    @Option(name: [.customLong("email"), .customLong("contact")], help: ArgumentHelp("A contact; may be repeated.", valueName: "address"))
    var email: [String] = []

    @Flag(help: "Remove all contacts.")
    var noContact = false

    @Flag(help: "Agree to the CA's present terms of service.")
    var agreeTos = false

    @OptionGroup var options: GlobalOptions

    func validate() throws {
        if !email.isEmpty, noContact { throw ValidationError("--email and --no-contact cannot be combined") }
        if email.isEmpty, !noContact, !agreeTos { throw ValidationError("--email ADDRESS, --no-contact or --agree-tos is needed") }
    }

    func run(_ session: Session) async throws -> ExitStatus {
        let contact = email.isEmpty && !noContact ? nil : try Contact.parse(email), agrees = agreeTos
        let report = try await session.withAccounts { flow, directory in
            let account = try await flow.update(directory, contact: contact, agreesToTerms: agrees)
            guard let stored = try await session.store.account(at: directory) else {
                throw Failure("no-account", .failed, "the stored account was removed in the meantime")
            }
            return AccountReport(stored: stored, account: account)
        }
        try session.output.result(session.output.given.named(report.text), json: report.writeMember)
        return .success
    }
}
