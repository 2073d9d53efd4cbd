import ACME
import Issuance
import JOSE
import KeyNameLiterals
import Synchronization

/// Named keys in memory instead of the agent. For tests only.
public final class SoftwareKeys: KeyProvider {
    private struct Entry {
        var key: SoftwareKey
        var isRetired = false
        var isAccountKey = false
    }
    private let entries = Mutex<[KeyName: Entry]>([:])
    /// Secrets of external account bindings by the credential's name: the CA's key identifier and the HMAC key.
    public let externalAccounts: [String: (keyID: String, hmacKey: HMACKey)]

    private let creations = Mutex(0)
    /// Number of keys made, including those that are gone.
    public var made: Int { creations.withLock { $0 } }

    public init(externalAccounts: [String: (keyID: String, hmacKey: HMACKey)] = [:]) { self.externalAccounts = externalAccounts }

    public var names: [String] { entries.withLock { $0.keys.map(\.rawValue).sorted() } }
    public var retired: [String] { entries.withLock { $0.filter(\.value.isRetired).keys.map(\.rawValue).sorted() } }

    public func software(_ name: KeyName) throws -> SoftwareKey {
        guard let entry = entries.withLock({ $0[name] }) else { throw SoftwareKeyError.unknown(name.rawValue) }
        return entry.key
    }

    public func key(named name: KeyName) async throws -> ManagedKey? {
        entries.withLock { entries in
            entries[name].map {
                ManagedKey(
                    name: name, algorithm: .p256, publicKey: $0.key.publicKey, isRetired: $0.isRetired, isAccountKey: $0.isAccountKey)
            }
        }
    }

    public func createKey(named name: KeyName, algorithm: KeyAlgorithm, purpose: KeyPurpose) async throws -> ManagedKey {
        let key = SoftwareKey()
        try entries.withLock { entries in
            guard entries[name] == nil else { throw SoftwareKeyError.exists(name.rawValue) }
            entries[name] = Entry(key: key, isAccountKey: purpose != .certificate)
        }
        creations.withLock { $0 += 1 }
        return ManagedKey(name: name, algorithm: .p256, publicKey: key.publicKey, isNew: true)
    }

    public func retireKey(named name: KeyName) async throws { entries.withLock { $0[name]?.isRetired = true } }

    public func deleteKey(named name: KeyName) async throws { entries.withLock { _ = $0.removeValue(forKey: name) } }

    public func signer(for key: ManagedKey) async throws -> any AccountSigner {
        SoftwareSigner(keyName: key.name, key: try software(key.name), keys: self)
    }
}

public enum SoftwareKeyError: Error, Equatable { case unknown(String), exists(String), noExternalAccount(String) }

/// Signs account requests with a software key. For tests only.
public struct SoftwareSigner: AccountSigner {
    public let keyName: KeyName
    let key: SoftwareKey
    /// Where the keys of finalize and keyChange are.
    let keys: SoftwareKeys

    public init(keyName: KeyName = "account", key: SoftwareKey = SoftwareKey(), keys: SoftwareKeys = SoftwareKeys()) {
        self.keyName = keyName
        self.key = key
        self.keys = keys
    }

    public var publicKey: PublicKey { key.publicKey }

    public func sign(_ request: ACMERequest, url: ACMEURL, nonce: String, account: ACMEURL?) async throws -> FlattenedJWS {
        let header = JWSProtectedHeader(
            alg: .ES256, nonce: nonce, url: url.text, key: account.map { .kid($0.text) } ?? .jwk(publicKey))
        return try key.sign(JWSSigningInput(header: header, payload: try payload(request, url: url, account: account)))
    }

    private func payload(_ request: ACMERequest, url: ACMEURL, account: ACMEURL?) throws -> [UInt8] {
        switch request {
        case .newAccount(let account):
            guard let name = account.externalAccount else { return account.payload() }
            guard let secret = keys.externalAccounts[name] else { throw SoftwareKeyError.noExternalAccount(name) }
            return account.payload(
                externalAccountBinding: ExternalAccountBinding.jws(
                    keyID: secret.keyID, hmacKey: secret.hmacKey, accountKey: publicKey, url: url))
        case .updateAccount(let update): return update.payload()
        case .deactivateAccount, .deactivateAuthorization: return Deactivation.payload()
        case .keyChange(let newKey):
            let new = try keys.software(newKey)
            guard let account else { throw SoftwareKeyError.unknown("account") }
            return KeyChange.payload(
                inner: try new.sign(KeyChange.innerSigningInput(newKey: new.publicKey, oldKey: publicKey, account: account, url: url)))
        case .newOrder(let order): return order.payload()
        case .postAsGet: return PostAsGet.payload()
        case .respondToChallenge: return ChallengeResponse.payload()
        case .finalize(let certificate):
            return certificate.payload(
                csr: try keys.software(certificate.key).certificateRequest(certificate.identifiers, mustStaple: certificate.mustStaple))
        case .revokeCertificate(let revocation): return revocation.payload()
        }
    }
}
