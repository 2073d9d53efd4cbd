import ACME
import AgentClient
import AgentInterface
import ArgumentParser
import Issuance
import JOSE
import StrictJSON

/// `keys`: the agent's keys.
struct Keys: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Create, list and manage keys in the token.",
        discussion: """
            A key of usage "account" signs requests to one CA. A key of usage "certificate" signs certificate requests \
            and handshakes.

            Example: acme-agent keys list
            """,
        subcommands: [KeysCreate.self, KeysAdopt.self, KeysList.self, KeysShow.self, KeysRetire.self, KeysDelete.self])

    @OptionGroup(visibility: .hidden) var options: GlobalOptions
}

/// The options that `create` and `adopt` have in common.
struct KeyOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("What the key is for: certificate or account.", valueName: "usage"),
        completion: .list(["certificate", "account"]))
    var usage = "certificate"

    @Option(help: ArgumentHelp("The token, by its name in the agent's configuration. (default: its first)", valueName: "token"))
    var token: String?

    var keyUsage: KeyUsage {
        get throws(Failure) {
            guard let value = KeyUsage(rawValue: usage) else {
                throw .usage("\"\(TerminalText.safe(usage, limit: 40))\" is not a usage", hint: "a key's usage is certificate or account")
            }
            return value
        }
    }
}

/// What `retire` and `delete` have in common: an existing key, and a step that cannot be undone.
struct EndedKey: ParsableArguments {
    @Argument(help: "The key's name.")
    var name: String

    @Flag(help: "Do not ask.")
    var yes = false

    @Flag(help: "Proceed even if a certificate, an account or an order that is stored here uses it.")
    var force = false

    /// The key, after checking that it is not in use and that the user agrees.
    /// - Parameter verb: the step: `delete`.
    func confirmed(
        _ verb: String, _ session: Session, _ agent: AgentClient, _ deed: (KeyDescription) -> String
    ) async throws -> KeyDescription {
        let key = try await agent.key(named: KeyName(argument: name))
        try await KeyUse(key.name, in: session.store).refuse(verb, of: key.name, force: force)
        try session.confirm(deed(key), yes: yes)
        return key
    }
}

extension KeyName {
    /// From the command line.
    init(argument: String) throws(Failure) {
        do { try self.init(argument) } catch { throw .usage(error.description) }
    }
}

extension KeyDescription {
    /// For a person.
    var fields: String {
        var list = FieldList()
        list.add("name", name.rawValue)
        list.add("usage", usage.rawValue)
        list.add("algorithm", algorithm.rawValue)
        list.add("state", state == .retired ? "retired: signs only its certificate's revocation" : state.rawValue)
        if usage == .certificate, state == .active { list.add("TLS", handshakeWords ?? "no grant allows a handshake") }
        list.add("token", token)
        list.add("uri", uri)
        list.add("directory", directory)
        list.add("fingerprint", fingerprint)
        list.add("thumbprint", publicKey.thumbprint)
        list.add("created", created)
        list.add(
            "weak",
            weaknesses.map { $0.isEmpty ? "no" : "yes: \($0.joined(separator: ", "))" }
                ?? "unknown: an earlier version of the agent made or adopted it and did not check")
        return list.text
    }

    /// The handshakes that grants allow with the key: `server 1.3, client 1.3`; `nil` if there is none.
    var handshakeWords: String? {
        let words = handshakes.map { name in
            switch Operation(rawValue: name) {
            case .signHandshake: "server 1.3"
            case .signClientHandshake: "client 1.3"
            case .signServerKeyExchange: "server 1.2"
            default: TerminalText.safe(name, limit: 40)
            }
        }
        return words.isEmpty ? nil : words.joined(separator: ", ")
    }

    /// Writes the member `key` of the current object.
    func writeMember(to json: inout JSONWriter) {
        json.name("key")
        write(to: &json)
    }
}
