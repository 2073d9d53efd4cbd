import ACME
import JOSE

/// What a key is for. An account key never signs certificate requests and a certificate key never signs account requests (RFC 8555
/// §11.1), so it is settled when the key is made.
public enum KeyPurpose: Hashable, Sendable {
    /// The account at the CA with this directory; the key signs for no other CA.
    case account(directory: ACMEURL)
    case certificate
}

/// A key that is somewhere else: a name for it, and its public half.
public struct ManagedKey: Hashable, Sendable {
    public var name: KeyName
    public var algorithm: KeyAlgorithm
    public var publicKey: PublicKey
    /// RFC 7512, where the key is in a PKCS#11 token.
    public var uri: String?
    /// A retired key signs nothing but a revocation.
    public var isRetired: Bool
    /// Whether the call that returned it has made it: only such a key may be taken back.
    public var isNew: Bool
    /// Whether it signs for an account, and so never for a certificate.
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

    /// SHA-256 of the SPKI in lower-case hex: how keys are compared by people and in the store.
    public var fingerprint: String {
        publicKey.fingerprint.map { byte in
            let digits = String(byte, radix: 16)
            return digits.utf8.count == 2 ? digits : "0" + digits
        }.joined()
    }
}

/// Where keys are made and used: the agent. The flow holds no key and asks for no signature but by an `AccountSigner`.
public protocol KeyProvider: Sendable {
    /// The key of that name; `nil` where there is none for this user.
    func key(named name: KeyName) async throws -> ManagedKey?

    /// Makes a key.
    ///
    /// After a crash the flow asks by `key(named:)` first. Where there is a key of that name all the same, an implementation fails, or returns
    /// it without `isNew`: it is somebody else's, or one that a killed run had asked for.
    func createKey(named name: KeyName, algorithm: KeyAlgorithm, purpose: KeyPurpose) async throws -> ManagedKey

    /// Whether a key of that name may be made, as far as is known; nothing is made. Where the answer is no, the key is asked for before an order is
    /// placed that it would be missing for.
    func mayCreateKey(named name: KeyName) async -> Bool

    /// The external account credentials that this user may name (RFC 8555 §7.3.4); `nil` where that is not known.
    func externalAccounts() async -> [String]?

    /// Makes a key sign nothing any more but the revocation of its certificate.
    func retireKey(named name: KeyName) async throws

    /// Destroys a key.
    func deleteKey(named name: KeyName) async throws

    /// A signer by that key: an account key for an account's requests, a certificate key for the revocation of its certificate
    /// (RFC 8555 §7.6).
    func signer(for key: ManagedKey) async throws -> any AccountSigner
}

extension KeyProvider {
    public func mayCreateKey(named name: KeyName) async -> Bool { true }
    public func externalAccounts() async -> [String]? { nil }
}
