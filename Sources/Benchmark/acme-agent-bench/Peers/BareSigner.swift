import ACME
import Crypto
import JOSE
import SwiftASN1
import X509

/// Signs requests with P-256 keys in memory, as fast as the curve allows. Supports only what an issuance needs.
struct BareSigner: AccountSigner {
    let keyName: KeyName
    private let account = P256.Signing.PrivateKey()
    /// The key of every certificate.
    private let certificate = P256.Signing.PrivateKey()

    init() throws { keyName = try KeyName("bare") }

    var publicKey: JOSE.PublicKey {
        let point = Array(account.publicKey.rawRepresentation)
        return .ec(curve: .p256, x: Array(point.prefix(32)), y: Array(point.suffix(32)))
    }

    func sign(_ request: ACMERequest, url: ACMEURL, nonce: String, account kid: ACMEURL?) async throws -> FlattenedJWS {
        let header = JWSProtectedHeader(alg: .ES256, nonce: nonce, url: url.text, key: kid.map { .kid($0.text) } ?? .jwk(publicKey))
        let input = JWSSigningInput(header: header, payload: try payload(request))
        return input.flattened(signature: Array(try account.signature(for: input.bytes).rawRepresentation))
    }

    private func payload(_ request: ACMERequest) throws -> [UInt8] {
        switch request {
        case .newAccount(let account): account.payload()
        case .newOrder(let order): order.payload()
        case .postAsGet: PostAsGet.payload()
        case .respondToChallenge: ChallengeResponse.payload()
        case .finalize(let request): request.payload(csr: try certificateRequest(request.identifiers))
        default: throw BenchError("the bare client does not send a \(request.operation.rawValue)")
        }
    }

    private func certificateRequest(_ identifiers: [Identifier]) throws -> [UInt8] {
        let extensions = try Certificate.Extensions { SubjectAlternativeNames(identifiers.map { .dnsName($0.value) }) }
        let request = try CertificateSigningRequest(
            version: .v1, subject: DistinguishedName(), privateKey: Certificate.PrivateKey(certificate),
            attributes: CertificateSigningRequest.Attributes([.init(ExtensionRequest(extensions: extensions))]),
            signatureAlgorithm: .ecdsaWithSHA256)
        var serializer = DER.Serializer()
        try serializer.serialize(request)
        return serializer.serializedBytes
    }
}
