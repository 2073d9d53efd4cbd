import ACME
import ArgumentParser

struct KeysShow: AgentCommand {
    static let stateUse = StateUse.none
    enum Format: String, ExpressibleByArgument, CaseIterable { case text, pem, jwk }

    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show a key's description or its public key.",
        discussion: "Example: acme-agent keys show www.example.org --format pem")

    @Argument(help: "The key's name.")
    var name: String

    @Option(help: "text, pem (SubjectPublicKeyInfo) or jwk (RFC 7517).")
    var format = Format.text

    @OptionGroup var options: GlobalOptions

    func run(_ session: Session) async throws -> ExitStatus {
        let key = try await session.agent().key(named: KeyName(argument: name))
        let text =
            switch format {
            case .text: key.fields
            case .pem: key.publicKey.spkiPEM
            case .jwk: String(decoding: key.publicKey.jwk, as: UTF8.self)
            }
        try session.output.result(text, json: key.writeMember)
        return .success
    }
}
