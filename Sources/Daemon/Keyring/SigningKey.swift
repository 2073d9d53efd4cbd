import ACME
import JOSE
import TokenProtocol

/// A key by its name: where it is in which token, its pinned public half, what it may be used for. Never changed, so that all requests of a key
/// share it.
public final class SigningKey: Sendable {
    public enum State: String, Sendable {
        /// The intent is on disk, the token has not answered yet; found on disk at a start it means that the daemon was cut off there.
        case creating
        case active
        case retired
    }

    public let name: KeyName
    public let usage: KeyUsage
    public let algorithm: KeyAlgorithm
    public let publicKey: PublicKey
    public let verifier: SignatureVerifier
    /// The configured token's name.
    public let token: String
    /// CKA_ID, CKA_LABEL and the pinned SubjectPublicKeyInfo.
    public let reference: TokenKeyReference
    /// RFC 7512.
    public let uri: String
    public let directory: ACMEURL?
    public let created: String
    public let state: State
    /// Hex SHA-256 of the SubjectPublicKeyInfo, as it stands in the audit trail.
    public let fingerprint: String

    /// - Throws: an error if the public key is not valid.
    public init(
        name: KeyName, usage: KeyUsage, algorithm: KeyAlgorithm, publicKey: PublicKey, token: String, reference: TokenKeyReference,
        uri: String, directory: ACMEURL?, created: String, state: State
    ) throws {
        self.name = name
        self.usage = usage
        self.algorithm = algorithm
        self.publicKey = publicKey
        self.verifier = try SignatureVerifier(publicKey)
        self.token = token
        self.reference = reference
        self.uri = uri
        self.directory = directory
        self.created = created
        self.state = state
        self.fingerprint = Hexadecimal.encode(publicKey.fingerprint)
    }

    /// The same key in another state.
    public func with(state: State) throws -> SigningKey {
        try SigningKey(
            name: name, usage: usage, algorithm: algorithm, publicKey: publicKey, token: token, reference: reference, uri: uri,
            directory: directory, created: created, state: state)
    }
}
