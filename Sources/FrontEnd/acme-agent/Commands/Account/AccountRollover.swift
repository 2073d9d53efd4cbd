import ACME
import AgentInterface
import ArgumentParser
import CertificateStore
import Issuance
import JOSE

struct AccountRollover: AgentCommand {
    static let configuration = CommandConfiguration(
        commandName: "rollover", abstract: "Give the account another key, and retire the old one (RFC 8555 §7.3.5).",
        discussion: """
            The new key is made in the token. If the command is interrupted, the next one that uses the account finds out \
            which key the CA has. Where records of dns-persist-01 depend on the account's key, those that must be changed \
            afterwards are printed.

            Example: acme-agent account rollover
            """)

    @Option(help: ArgumentHelp("The new key's name. (default: the old one's with _2, _3, …)", valueName: "key"))
    var key: String?

    @Option(
        help: ArgumentHelp("Type of a new key. (default: \(Settings.defaultKeyType.rawValue))", valueName: "type"),
        completion: .list(KeyAlgorithm.allCases.map(\.rawValue)))
    var keyType: String?

    @OptionGroup var options: GlobalOptions

    func run(_ session: Session) async throws -> ExitStatus {
        let directory = session.settings.directory
        guard let stored = try await session.store.account(at: directory) else { throw IssuanceError.noAccount(directory: directory) }
        let algorithm = try keyType.map { try KeyAlgorithm(argument: $0) } ?? Settings.defaultKeyType
        let given = try key.map { try KeyName(argument: $0) }
        let name: KeyName = if let given { given } else { try await AccountRollover.name(after: stored, session) }
        guard name != stored.key else { throw Failure.usage("the account already has the key \"\(name)\"", hint: "--key names another") }
        try await AccountRollover.checkGrants(stored.key, name, session)
        let (account, records) = try await session.withAccounts { flow, directory in
            let account = try await flow.changeKey(directory, to: name, algorithm: algorithm)
            return (account, await PersistChanges.afterKeyChange(at: directory, flow, session))
        }
        let report = AccountReport(stored: account)
        try session.output.result(session.output.given.named(report.text)) { json in
            report.writeMember(to: &json)
            json.member("replacedKey", stored.key.rawValue)
            records?.writeMember(to: &json)
        }
        records?.tell(session.output)
        return .success
    }

    /// Refuses what policy does not allow before a key is made. A grant may also be for certain requests only, which the
    /// agent decides.
    private static func checkGrants(_ old: KeyName, _ new: KeyName, _ session: Session) async throws {
        let grants = try await session.agent().status().grants, needed = Operation.keyChange.rawValue
        func isCovered(_ key: KeyName) -> Bool { grants.contains { $0.operations.contains(needed) && $0.covers(key) } }
        guard let key = [old, new].first(where: { !isCovered($0) }) else { return }
        throw Failure(
            "refused", .refused, "no grant lets you use \(needed) with the key \"\(key)\"; nothing was changed",
            hint: "the agent's administrator adds \(needed) to a grant's operations")
    }

    /// The first name that is free, or that an interrupted change has used.
    private static func name(after account: StoredAccount, _ session: Session) async throws -> KeyName {
        /// More changes than any account sees.
        let limit = 100
        let agent = try await session.agent()
        // The host's port is a number, too, but no host has an underscore.
        let parts = account.key.rawValue.split(separator: "_"), number = parts.count > 1 ? parts.last.flatMap { Int($0) } : nil
        let base = number == nil ? account.key.rawValue : parts.dropLast().joined(separator: "_")
        var next = min(max(number ?? 1, 1), 1_000_000)
        for _ in 0..<limit {
            next += 1
            let name = try KeyName("\(base.prefix(KeyName.maximumLength - 8))_\(next)")
            do {
                let key = try await agent.key(named: name)
                if key.usage == .account, key.state == .active, key.directory == account.directory.text { return name }
            } catch AgentError.keyNotFound { return name }
        }
        throw Failure.usage("no name is free for a new key after \"\(account.key)\"", hint: "--key names one")
    }
}
