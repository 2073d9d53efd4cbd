import ACME
import AgentInterface
import ArgumentParser
import CertificateStore
import Issuance
import JOSE

struct AccountRegister: AgentCommand {
    static let stateUse = StateUse.made
    static let configuration = CommandConfiguration(
        commandName: "register", abstract: "Register an account at the CA; its key is made in the token.",
        discussion: """
            If the key already has an account, that account is used; --email changes its contacts.

            Example: acme-agent account register --agree-tos --email admin@example.org
            """)

    @Flag(help: "Agree to the CA's terms of service.")
    var agreeTos = false

    @Option(
        name: [.customLong("email"), .customLong("contact")],
        help: ArgumentHelp("A contact for the CA; may be repeated.", valueName: "address"))
    var email: [String] = []

    @Option(
        help: ArgumentHelp("External account credential, by its name in the agent's configuration (RFC 8555 §7.3.4).", valueName: "name"))
    var eab: String?

    @Option(
        help: ArgumentHelp("The account key's name. (default: the existing account's, or account-USER-HOST[-PORT])", valueName: "key"))
    var key: String?

    @Option(
        help: ArgumentHelp("Type of a new key. (default: \(Settings.defaultKeyType.rawValue))", valueName: "type"),
        completion: .list(KeyAlgorithm.allCases.map(\.rawValue)))
    var keyType: String?

    @Flag(help: "Do not ask before replacing a working account with another one.")
    var yes = false

    @OptionGroup var options: GlobalOptions

    func run(_ session: Session) async throws -> ExitStatus {
        let settings = session.settings
        let configured = settings.ca(at: settings.directory)
        var registration = AccountRegistration(
            directory: settings.directory,
            key: try await chosenKey(session),
            keyAlgorithm: try keyType.map { try KeyAlgorithm(argument: $0) } ?? Settings.defaultKeyType,
            contact: email.isEmpty ? configured.contact ?? [] : try Contact.parse(email), agreesToTerms: agreeTos,
            externalAccount: try eab.map { try KeyName(argument: $0).rawValue } ?? configured.externalAccount?.rawValue)
        registration.isKeyAlgorithmWanted = keyType != nil
        registration.isExternalAccountWanted = eab != nil
        registration.isReplacementAllowed = yes
        let stored: StoredAccount
        do { stored = try await register(registration, session) } catch IssuanceError.keyRetired(let name) {
            throw Failure(
                "key-retired", .refused, "the key \"\(name)\" is retired, so it has no account",
                hint: "acme-agent account recover finds the account of the key that replaced it; --key NAME registers another")
        } catch let error as IssuanceError {
            guard case .otherAccount = error, session.canAsk else { throw error }
            try session.confirm("\(error); use one with the key \"\(registration.key)\" instead", yes: false)
            registration.isReplacementAllowed = true
            stored = try await register(registration, session)
        }
        let report = AccountReport(stored: stored)
        try session.output.result(session.output.given.named(report.text), json: report.writeMember)
        return .success
    }

    private func register(_ registration: AccountRegistration, _ session: Session) async throws -> StoredAccount {
        try await session.withAccounts { flow, _ in try await flow.register(registration) }
    }

    /// The key named by option or configuration, else the stored account's, else a default.
    private func chosenKey(_ session: Session) async throws -> KeyName {
        let directory = session.settings.directory
        if let key { return try KeyName(argument: key) }
        if let configured = session.settings.ca(at: directory).accountKey { return configured }
        if let stored = try await session.store.account(at: directory) { return stored.key }
        let names = try AccountKeyNames(at: directory, user: AccountKeyNames.currentUser())
        let agent = try await session.agent(), grants = try await agent.status().grants
        let chosen = names.chosen { name in
            grants.contains { $0.operations.contains(Operation.newAccount.rawValue) && $0.covers(name) }
        }
        // A key with the default name of earlier versions. Its account may belong to another user, or to this one, whose
        // state was lost.
        if chosen == names.own, (try? await agent.key(named: names.own)) == nil,
            let shared = try? await agent.key(named: names.shared), shared.usage == .account, shared.state == .active
        {
            session.output.note(
                "the agent has the account key \"\(names.shared)\" too: acme-agent account register --agree-tos --key \(names.shared) "
                    + "uses its account")
        }
        return chosen
    }
}
