import ACME
import ArgumentParser
import JOSE

struct KeysCreate: AgentCommand {
    static let stateUse = StateUse.none
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Create a key in the token.",
        discussion: """
            The private key is made inside the token, for signing only, and cannot be extracted from it.

            Example: acme-agent keys create www.example.org --key-type P-384
            """)

    @Argument(help: "The key's name: a-z, 0-9, \".\", \"_\" and \"-\".")
    var name: String

    @OptionGroup var key: KeyOptions

    @Option(
        name: [.customLong("key-type"), .customLong("algorithm")],
        help: ArgumentHelp(
            "Type of the new key: \(KeyAlgorithm.choices). (default: the configuration's, or \(Settings.defaultKeyType.rawValue))",
            valueName: "type"),
        completion: .list(KeyAlgorithm.allCases.map(\.rawValue)))
    var keyType: String?

    @OptionGroup var options: GlobalOptions

    func run(_ session: Session) async throws -> ExitStatus {
        let usage = try key.keyUsage
        let algorithm =
            try keyType.map { try KeyAlgorithm(argument: $0) } ?? session.settings.certificate.keyType ?? Settings.defaultKeyType
        let name = try KeyName(argument: name)
        session.output.detail("making a key of type \(algorithm.rawValue) in the token")
        let made = try await session.agent().createKey(
            named: name, usage: usage, algorithm: algorithm, directory: usage == .account ? session.settings.directory : nil,
            token: key.token)
        try session.output.result("made key \(made.name) in the token\n\(made.fields)", json: made.writeMember)
        return .success
    }
}
