// Sources/FrontEnd/ACMEClient/ACMEClient.docc shows the lines between the two marks; Docs/check compares them.
// example: begin
import ACME
import ACMEClient
import Crypto
import JOSE

/// An account key in memory, which composes what it signs. `AgentClient` has one whose key is in a token.
struct SoftwareAccountKey: AccountSigner {
    /// A kind of request that this key does not sign.
    struct NotSigned: Error {
        let operation: Operation
    }

    let keyName: KeyName
    private let key = P256.Signing.PrivateKey()

    init(named name: String) throws { keyName = try KeyName(name) }

    var publicKey: PublicKey {
        let point = Array(key.publicKey.rawRepresentation)
        return .ec(curve: .p256, x: Array(point.prefix(32)), y: Array(point.suffix(32)))
    }

    func sign(_ request: ACMERequest, url: ACMEURL, nonce: String, account: ACMEURL?) async throws -> FlattenedJWS {
        let header = JWSProtectedHeader(alg: .ES256, nonce: nonce, url: url.text, key: account.map { .kid($0.text) } ?? .jwk(publicKey))
        let input = JWSSigningInput(header: header, payload: try payload(of: request))
        return input.flattened(signature: Array(try key.signature(for: input.bytes).rawRepresentation))
    }

    private func payload(of request: ACMERequest) throws -> [UInt8] {
        switch request {
        case .newAccount(let account): account.payload()
        case .newOrder(let order): order.payload()
        case .postAsGet: PostAsGet.payload()
        default: throw NotSigned(operation: request.operation)
        }
    }
}

/// Registers an account for a new key, and orders a certificate for the names.
/// - Returns: The order; each of its authorizations has challenges to be answered (RFC 8555 §7.1.3).
func order(_ names: [String], at directory: String, trusting roots: TrustRoots = .system) async throws -> ACMEResource<Order> {
    let transport = try AsyncHTTPTransport(trustRoots: roots, userAgent: "example/1.0")
    do {
        let client = ACMEClient(
            directory: try ACMEURL(directory), transport: transport, signer: try SoftwareAccountKey(named: "account"))
        print("terms of service", try await client.directory().termsOfService ?? "none")
        let account = try await client.newAccount(NewAccount(termsOfServiceAgreed: true))
        print("account", account.url.text)
        let order = try await client.newOrder(NewOrder(identifiers: try names.map { try Identifier(argument: $0) }))
        await transport.shutdown()
        return order
    } catch {
        await transport.shutdown()
        throw error
    }
}
// example: end
