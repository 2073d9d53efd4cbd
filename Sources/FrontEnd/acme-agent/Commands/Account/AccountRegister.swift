import ACME
import ArgumentParser
import Issuance
import JOSE

struct AccountRegister: AgentCommand {
    static let stateUse = StateUse.made
    static let configuration = CommandConfiguration(
        commandName: "register", abstract: "Register an account at the CA; its key is made in the token.",
        discussion: "If the key already has an account, that account is used; --email changes its contacts.")

    @Flag(help: "Agree to the CA's terms of service.")
    var agreeTos = false

    @Option(
        name: [.customLong("email"), .customLong("contact")],
        help: ArgumentHelp("A contact for the CA; may be repeated.", valueName: "address"))
    var email: [String] = []

    @Option(
        help: ArgumentHelp("External account credential, by its name in the agent's configuration (RFC 8555 §7.3.4).", valueName: "name"))
    var eab: String?

    @Option(help: ArgumentHelp("The account key's name. (default: account-HOST[-PORT])", valueName: "name"))
    var key: String?

    @Option(
        help: ArgumentHelp("Type of a new key. (default: P-256)", valueName: "type"),
        completion: .list(KeyAlgorithm.allCases.map(\.rawValue)))
    var keyType: String?

    @OptionGroup var options: GlobalOptions

    func run(_ session: Session) async throws -> ExitStatus {
        let settings = session.settings
        let configured = settings.ca(at: settings.directory)
        var registration = AccountRegistration(
            directory: settings.directory,
            key: try key.map { try KeyName(argument: $0) } ?? settings.accountKeyName(at: settings.directory),
            keyAlgorithm: try keyType.map { try KeyAlgorithm(argument: $0) } ?? Settings.defaultKeyType,
            contact: email.isEmpty ? configured.contact ?? [] : try Contact.parse(email), agreesToTerms: agreeTos,
            externalAccount: try eab.map { try KeyName(argument: $0).rawValue } ?? configured.externalAccount?.rawValue)
        registration.isKeyAlgorithmWanted = keyType != nil
        registration.isExternalAccountWanted = eab != nil
        let stored = try await session.withAccounts { [registration] flow, _ in try await flow.register(registration) }
        let report = AccountReport(stored: stored)
        try session.output.result(report.text, json: report.writeMember)
        return .success
    }
}
