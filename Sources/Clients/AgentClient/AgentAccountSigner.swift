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

    public var keyName: KeyName { key.name }
    public var publicKey: PublicKey { key.publicKey }

    public func sign(_ request: ACMERequest, url: ACMEURL, nonce: String, account: ACMEURL?) async throws -> FlattenedJWS {
        try await client.sign(SigningCall(key: key.name, url: url, nonce: nonce, account: account, request: request)).request
    }
}
