import ArgumentParser
import Issuance

struct AccountShow: AgentCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show the account as the CA has it.",
        discussion: "Example: acme-agent account show")

    @OptionGroup var options: GlobalOptions

    func run(_ session: Session) async throws -> ExitStatus {
        let report = try await session.withAccounts { flow, directory in
            let shown = try await flow.show(directory)
            return AccountReport(stored: shown.stored, account: shown.account)
        }
        if let status = report.account?.status, status != .valid {
            let stored = report.stored
            let closed = IssuanceError.accountClosed(stored.key, nil, contact: stored.contact, directory: stored.directory)
            session.output.warning(closed.description, hint: closed.hint)
        }
        try session.output.result(session.output.given.named(report.text), json: report.writeMember)
        return .success
    }
}
