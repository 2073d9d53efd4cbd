import ACME
import JOSE

/// What a key is for. An account key never signs certificate requests, and a certificate key never signs account
/// requests (RFC 8555 §11.1), so the purpose is fixed when the key is made.
public enum KeyPurpose: Hashable, Sendable {
    /// The account at the CA with this directory; the key signs for no other CA.
    case account(directory: ACMEURL)
    case certificate
}

/// A key that is held elsewhere: its name and its public half.
public struct ManagedKey: Hashable, Sendable {
    public var name: KeyName
    public var algorithm: KeyAlgorithm
    public var publicKey: PublicKey
    /// RFC 7512 URI, if the key is in a PKCS#11 token.
    public var uri: String?
    /// A retired key signs nothing but the revocation of its certificate.
    public var isRetired: Bool
    /// Whether the call that returned it made it: only such a key may be deleted after a failure.
    public var isNew: Bool
    /// Whether it is an account key, which never signs for a certificate.
    public var isAccountKey: Bool

    public init(
        name: KeyName, algorithm: KeyAlgorithm, publicKey: PublicKey, uri: String? = nil, isRetired: Bool = false, isNew: Bool = false,
        isAccountKey: Bool = false
    ) {
        self.isNew = isNew
        self.isAccountKey = isAccountKey
        self.name = name
        self.algorithm = algorithm
        self.publicKey = publicKey
        self.uri = uri
        self.isRetired = isRetired
    }

    /// SHA-256 of the SPKI in lower-case hex, for comparison by people and in the store.
    public var fingerprint: String { Hexadecimal.encode(publicKey.fingerprint) }
}

/// Makes and uses keys: the agent. The flow holds no key and requests signatures only from an `AccountSigner`.
public protocol KeyProvider: Sendable {
    /// The key of that name; `nil` if there is none for this user.
    func key(named name: KeyName) async throws -> ManagedKey?

    /// Makes a key.
    ///
    /// After a crash the flow calls `key(named:)` first. If a key of that name still turns up here, an implementation
    /// fails or returns it without `isNew`: it is someone else's, or a killed run requested it.
    func createKey(named name: KeyName, algorithm: KeyAlgorithm, purpose: KeyPurpose) async throws -> ManagedKey

    /// Whether this user may make a key of that name now; `true` if that is unknown. Makes nothing. If not, the key is
    /// requested before the order is placed, so that no order is left without a key.
    func mayCreateKey(named name: KeyName) async -> Bool

    /// The external account credentials that this user may use (RFC 8555 §7.3.4); `nil` if that is not known.
    func externalAccounts() async -> [String]?

    /// Retires a key: from then on it signs nothing but the revocation of its certificate.
    func retireKey(named name: KeyName) async throws

    /// Destroys a key.
    func deleteKey(named name: KeyName) async throws

    /// A signer that uses the key: an account key for the account's requests, a certificate key to revoke its
    /// certificate (RFC 8555 §7.6).
    func signer(for key: ManagedKey) async throws -> any AccountSigner
}

extension KeyProvider {
    public func mayCreateKey(named name: KeyName) async -> Bool { true }
    public func externalAccounts() async -> [String]? { nil }
}
