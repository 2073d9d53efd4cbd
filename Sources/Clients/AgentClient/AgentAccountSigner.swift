import ACME
import AgentInterface
import JOSE

/// Signs account requests with a key that stays in the agent's token.
public struct AgentAccountSigner: AccountSigner {
    private let client: AgentClient
    private let key: KeyDescription

    init(client: AgentClient, key: KeyDescription) {
        self.client = client
        self.key = key
    }

    /// The key's name in the agent.
    public var keyName: KeyName { key.name }
    /// The key's public half.
    public var publicKey: PublicKey { key.publicKey }

    /// Has the agent compose and sign the request.
    /// - Throws: `AgentError`, which is a `PolicyRefusal`, or an error of the connection.
    public func sign(_ request: ACMERequest, url: ACMEURL, nonce: String, account: ACMEURL?) async throws -> FlattenedJWS {
        try await client.sign(SigningCall(key: key.name, url: url, nonce: nonce, account: account, request: request)).request
    }
}
