import ACME
import ArgumentParser
import Issuance

struct AccountRecover: AgentCommand {
    static let stateUse = StateUse.made
    static let configuration = CommandConfiguration(
        commandName: "recover", abstract: "Find the account again after this machine or the CA has lost it.",
        discussion: """
            The CA is asked for the account of the key in the token. If it has none any more, another one is registered \
            with the same key and contacts, once you agree to terms of service that have changed. Nothing happens to an \
            account that works.

            Example: acme-agent account recover
            """)

    @Flag(help: "Agree to the CA's terms of service, if another account must be registered.")
    var agreeTos = false

    @Option(
        help: ArgumentHelp("External account credential, if another account must be registered (RFC 8555 §7.3.4).", valueName: "name"))
    var eab: String?

    @Option(
        help: ArgumentHelp("The account key, if nothing is stored. (default: the keys for this CA are tried)", valueName: "key"))
    var key: String?

    @OptionGroup var options: GlobalOptions

    func run(_ session: Session) async throws -> ExitStatus {
        let directory = session.settings.directory, configured = session.settings.ca(at: directory)
        let stored = try await session.store.account(at: directory)
        let asked = try key.map { try KeyName(argument: $0) }
        if let asked, let stored, asked != stored.key {
            throw Failure.usage(
                "the account at this CA has the key \"\(stored.key)\"",
                hint: "omit --key; acme-agent account register --key \(asked) --yes uses another account")
        }
        var candidates = [asked ?? configured.accountKey].compactMap(\.self)
        if stored == nil, candidates.isEmpty {
            candidates = try await session.agent().keys()
                .filter { $0.usage == .account && $0.state == .active && $0.directory == directory.text }.map(\.name)
        }
        let request = AccountRecoveryRequest(
            directory: directory, candidates: candidates, agreesToTerms: agreeTos,
            externalAccount: try eab.map { try KeyName(argument: $0).rawValue } ?? configured.externalAccount?.rawValue)
        let (account, recovery, records) = try await session.withAccounts { flow, directory in
            let (account, recovery) = try await flow.recover(request)
            // Of an account that was not stored, it is unknown which one the records name.
            let isOther = stored?.url != nil && stored?.url != account.url
            let records = isOther ? try await PersistChanges(at: directory, flow, session) : nil
            return (account, recovery, records)
        }
        switch recovery {
        case .working: session.output.note("the account works; nothing was lost")
        case .found: session.output.note("the CA has the account")
        case .registered: session.output.note("the CA had lost the account: the same key has another one now")
        }
        let report = AccountReport(stored: account)
        try session.output.result(session.output.given.named(report.text)) { json in
            report.writeMember(to: &json)
            json.member("recovery", recovery.rawValue)
            records?.writeMember(to: &json)
        }
        if let records {
            records.tell(session.output)
            session.output.note("CAA records that name the account must be changed as well: acme-agent doctor says which")
        }
        return .success
    }
}
