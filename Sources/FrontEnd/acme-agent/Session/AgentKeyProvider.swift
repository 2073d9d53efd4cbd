import ACME
import AgentClient
import AgentInterface
import Issuance
import JOSE
import Synchronization

/// The flow's keys, which the agent makes, finds and uses.
final class AgentKeyProvider: KeyProvider {
    private let agent: AgentClient
    /// A separate connection for slow calls: the agent answers the calls of one connection in order, and a token may
    /// need a second to make a key while other requests must be signed.
    private let connect: @Sendable () async throws -> AgentClient
    /// The token for new keys; `nil` for the agent's first.
    private let token: String?
    /// Descriptions from the agent, so that a signer needs no further call.
    private let known = Mutex<[KeyName: KeyDescription]>([:])

    init(agent: AgentClient, token: String? = nil, connect: @escaping @Sendable () async throws -> AgentClient) {
        self.agent = agent
        self.connect = connect
        self.token = token
    }

    func key(named name: KeyName) async throws -> ManagedKey? {
        do {
            return try remember(try await agent.key(named: name), as: name)
        } catch AgentError.keyNotFound {
            return nil
        }
    }

    func mayCreateKey(named name: KeyName) async -> Bool {
        guard let grants = try? await agent.status().grants else { return true }
        return grants.contains { $0.allowsNewKey(named: name) }
    }

    /// Refuses a token that cannot be used for a new key, before anything is ordered.
    /// - Parameter key: The key that the certificate keeps; `nil` if a new one is made.
    func expectToken(for key: KeyName?) async throws {
        guard let token else { return }
        let shown = TerminalText.safe(token, limit: 64), tokens = try await agent.status().tokens.map(\.name)
        guard tokens.contains(token) else {
            let list = tokens.map { TerminalText.safe($0, limit: 64) }
            throw Failure.usage(
                "the agent has no token \"\(shown)\"; nothing was ordered",
                hint: list.isEmpty ? "`acme-agent status` shows its tokens" : "it has: \(list.joined(separator: ", "))")
        }
        guard let key else { return }
        let found: KeyDescription
        do { found = try await agent.key(named: key) } catch AgentError.keyNotFound { return }
        guard found.token != token, found.state == .active else { return }
        throw Failure.usage(
            "the key \"\(key)\" is in the token \"\(TerminalText.safe(found.token, limit: 64))\", so --token \(shown) has no effect; "
                + "nothing was ordered", hint: "omit --token, or make another key there with --new-key")
    }

    func externalAccounts() async -> [String]? { try? await agent.status().externalAccounts }

    func createKey(named name: KeyName, algorithm: KeyAlgorithm, purpose: KeyPurpose) async throws -> ManagedKey {
        let (description, isNew) =
            switch purpose {
            case .account(let directory): try await make(name, .account, algorithm, directory)
            case .certificate: try await make(name, .certificate, algorithm, nil)
            }
        var key = try remember(description, as: name)
        key.isNew = isNew
        return key
    }

    /// How many times to look for a key that is being made, once every 50 ms: longer than a token needs for an elliptic
    /// curve key, and not too long for a person.
    private static let looks = 200

    /// Makes a key. The flow has already checked that there is none. If the name is taken after all, a killed run
    /// requested the key and the token is still making it: wait for it.
    private func make(
        _ name: KeyName, _ usage: KeyUsage, _ algorithm: KeyAlgorithm, _ directory: ACMEURL?
    ) async throws -> (KeyDescription, isNew: Bool) {
        do {
            return (try await create(name, usage, algorithm, directory), true)
        } catch AgentError.keyExists(let taken, _) {
            for _ in 0..<Self.looks {
                if let key = try? await agent.key(named: name) {
                    guard key.usage == usage, key.algorithm == algorithm, key.directory == directory?.text, key.state == .active else {
                        break
                    }
                    return (key, false)
                }
                try await Task.sleep(for: .milliseconds(50))
            }
            throw AgentError.keyExists(name: taken)
        }
    }

    private func create(
        _ name: KeyName, _ usage: KeyUsage, _ algorithm: KeyAlgorithm, _ directory: ACMEURL?
    ) async throws -> KeyDescription {
        let own = try await connect()
        do {
            let key = try await own.createKey(named: name, usage: usage, algorithm: algorithm, directory: directory, token: token)
            await own.close()
            return key
        } catch AgentError.keyNotFound {
            await own.close()
            // For a name that no grant covers, the agent answers as for any such key.
            throw AgentError.refused(
                reason: "key", message: "the agent does not let you make a key named \"\(name)\"",
                hint: "a grant must cover the name in keys and list create-key in operations: `acme-agent status` shows your grants; "
                    + "a certificate's next key has a number after its name, so \"NAME*\" covers both")
        } catch {
            await own.close()
            throw error
        }
    }

    func retireKey(named name: KeyName) async throws { _ = try remember(try await agent.retireKey(named: name), as: name) }

    func deleteKey(named name: KeyName) async throws {
        try await agent.deleteKey(named: name)
        known.withLock { $0[name] = nil }
    }

    func signer(for key: ManagedKey) async throws -> any AccountSigner {
        if let description = known.withLock({ $0[key.name] }), description.publicKey == key.publicKey {
            return agent.signer(for: description)
        }
        return agent.signer(for: try await agent.key(named: key.name))
    }

    private func remember(_ description: KeyDescription, as name: KeyName) throws -> ManagedKey {
        known.withLock { $0[name] = description }
        return ManagedKey(
            name: name, algorithm: description.algorithm, publicKey: description.publicKey, uri: description.uri,
            isRetired: description.state == .retired, isAccountKey: description.usage == .account)
    }
}

extension GrantStatus {
    /// Whether the agent makes a key of that name now: the operation and the name are granted, and the rate of new keys
    /// is not used up. If it is, the agent's own refusal says when it can be tried again.
    func allowsNewKey(named name: KeyName) -> Bool {
        operations.contains(Operation.createKey.rawValue) && covers(name) && !rates.contains { $0.limit.what == "keys" && $0.left == 0 }
    }

    /// A grant's keys are names, or prefixes followed by `*`. This is an estimate: the agent decides when the key is
    /// requested.
    func covers(_ name: KeyName) -> Bool {
        keys.contains { $0 == name.rawValue || ($0.hasSuffix("*") && name.rawValue.hasPrefix($0.dropLast())) }
    }
}
