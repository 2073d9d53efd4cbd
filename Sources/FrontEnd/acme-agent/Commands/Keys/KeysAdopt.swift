import ACME
import ArgumentParser

struct KeysAdopt: AgentCommand {
    static let stateUse = StateUse.none
    static let configuration = CommandConfiguration(
        commandName: "adopt", abstract: "Adopt a key that is already in the token.",
        discussion: """
            The key is named by its PKCS#11 URI (RFC 7512), for example "pkcs11:token=web;object=www;type=private". \
            Exactly one key must match. Its public half is pinned: the agent never signs with another. A weak key is \
            refused unless --accept-weak is given: one that is or was extractable or readable, or may do more than sign.

            Example: acme-agent keys adopt "pkcs11:token=web;object=www" --name www
            """)

    @Argument(help: "The key's PKCS#11 URI.")
    var uri: String

    @Option(help: ArgumentHelp("The key's name in the agent. (default: the URI's object)", valueName: "name"))
    var name: String?

    @Flag(help: "Accept a key that is or was extractable or readable, or may decrypt, unwrap, derive or sign with recovery.")
    var acceptWeak = false

    @OptionGroup var key: KeyOptions
    @OptionGroup var options: GlobalOptions

    func run(_ session: Session) async throws -> ExitStatus {
        let usage = try key.keyUsage
        guard uri.hasPrefix("pkcs11:") else {
            throw Failure.usage("\"\(TerminalText.safe(uri, limit: 200))\" is not a PKCS#11 URI", hint: "it begins with pkcs11: (RFC 7512)")
        }
        guard let name = name ?? KeysAdopt.object(of: uri) else {
            throw Failure.usage("the URI has no object that could be the key's name", hint: "--name NAME")
        }
        let adopted = try await session.agent().adoptKey(
            named: try KeyName(argument: name), uri: uri, usage: usage, directory: usage == .account ? session.settings.directory : nil,
            token: key.token, acceptWeak: acceptWeak)
        try session.output.result("adopted key \(adopted.name)\n\(adopted.fields)", json: adopted.writeMember)
        return .success
    }

    /// The label in a URI's `object` attribute (RFC 7512 §2.3); `nil` if there is none, or if it is percent-encoded,
    /// which no key name needs.
    static func object(of uri: String) -> String? {
        let path = uri.dropFirst("pkcs11:".count).prefix { $0 != "?" }
        for attribute in path.split(separator: ";") where attribute.hasPrefix("object=") {
            let label = attribute.dropFirst("object=".count)
            return label.isEmpty || label.contains("%") ? nil : String(label)
        }
        return nil
    }
}
