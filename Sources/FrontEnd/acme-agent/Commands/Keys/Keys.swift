import ACME
import AgentClient
import AgentInterface
import ArgumentParser
import Issuance
import JOSE
import StrictJSON

/// `keys`: what the agent has, and what may be done about it.
struct Keys: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make and look at keys in the token.",
        discussion:
            "A key of usage \"account\" signs requests to one CA, one of usage \"certificate\" signs certificate requests and handshakes.",
        subcommands: [KeysCreate.self, KeysAdopt.self, KeysList.self, KeysShow.self, KeysRetire.self, KeysDelete.self])

    @OptionGroup(visibility: .hidden) var options: GlobalOptions
}

/// The options that `create` and `adopt` have in common.
struct KeyOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("What the key is for: certificate or account.", valueName: "usage"),
        completion: .list(["certificate", "account"]))
    var usage = "certificate"

    @Option(help: ArgumentHelp("The token, by its name in the agent's configuration. (default: its first)", valueName: "name"))
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

/// What `retire` and `delete` have in common: a key that is there, and a deed without a way back.
struct EndedKey: ParsableArguments {
    @Argument(help: "The key's name.")
    var name: String

    @Flag(help: "Do not ask.")
    var yes = false

    @Flag(help: "Also where a certificate or an account that is kept here uses it.")
    var force = false

    /// The key, once it is known to be in nobody's use and the user has agreed to the deed.
    /// - Parameter verb: what is done to it: `delete`.
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
        list.add("state", state == .retired ? "retired: signs nothing any more but a revocation" : state.rawValue)
        list.add("token", token)
        list.add("uri", uri)
        list.add("directory", directory)
        list.add("fingerprint", fingerprint)
        list.add("thumbprint", publicKey.thumbprint)
        list.add("created", created)
        list.add(
            "weak",
            weaknesses.map { $0.isEmpty ? "no" : "yes: \($0.joined(separator: ", "))" }
                ?? "unknown: it got its name from an earlier version of the agent, which did not look")
        return list.text
    }

    /// `key` as a member of the object that is open.
    func writeMember(to json: inout JSONWriter) {
        json.name("key")
        write(to: &json)
    }
}
