import ACME
import JOSE
import TokenProtocol

/// A key by its name: its token and object, its pinned public half, what it may be used for. Immutable, so that
/// all requests of a key share it.
public final class SigningKey: Sendable {
    public enum State: Sendable { case active, retired }

    public let name: KeyName
    public let usage: KeyUsage
    public let algorithm: KeyAlgorithm
    public let publicKey: PublicKey
    public let verifier: SignatureVerifier
    /// The configured token's name.
    public let token: String
    /// CKA_ID, CKA_LABEL and the pinned SubjectPublicKeyInfo.
    public let reference: TokenKeyReference
    public let directory: ACMEURL?
    public let created: String
    public let state: State
    /// Hex SHA-256 of the SubjectPublicKeyInfo, as in the audit trail.
    public let fingerprint: String
    /// RFC 7512.
    public let uri: String
    /// What the private key allows beyond signing; nil if unknown.
    public let weaknesses: KeyWeaknesses?

    public init(
        _ pinned: PinnedKey, name: KeyName, usage: KeyUsage, directory: ACMEURL?, token: String, created: String, state: State
    ) {
        self.name = name
        self.usage = usage
        self.directory = directory
        self.token = token
        self.created = created
        self.state = state
        algorithm = pinned.algorithm
        publicKey = pinned.publicKey
        verifier = pinned.verifier
        reference = pinned.reference
        uri = pinned.uri
        weaknesses = pinned.weaknesses
        fingerprint = Hexadecimal.encode(pinned.publicKey.fingerprint)
    }

    /// The same key in another state.
    public func with(_ state: State) -> SigningKey {
        SigningKey(PinnedKey(of: self), name: name, usage: usage, directory: directory, token: token, created: created, state: state)
    }

    /// The key's entry.
    public var record: KeyRecord {
        let pinned = PinnedKey(of: self)
        return KeyRecord(
            name: name, usage: usage, directory: directory, token: token, created: created,
            state: state == .active ? .active(pinned) : .retired(pinned))
    }
}

extension KeyRecord {
    /// The key ready for use; nil while it is being made or adopted.
    public var signingKey: SigningKey? {
        func key(_ pinned: PinnedKey, _ state: SigningKey.State) -> SigningKey {
            SigningKey(pinned, name: name, usage: usage, directory: directory, token: token, created: created, state: state)
        }
        switch state {
        case .creating: return nil
        case .active(let pinned): return key(pinned, .active)
        case .retired(let pinned): return key(pinned, .retired)
        }
    }
}
