import ACME
import CertificateStore
import JOSE

/// A certificate that somebody wants.
public struct IssuanceRequest: Sendable {
    /// What becomes of a key that a new one has replaced.
    public enum OldKey: Sendable { case retire, delete, keep }

    /// Under this name it is kept.
    public var name: CertificateName
    /// At least one; the order stays.
    public var identifiers: [Identifier]
    /// The CA's name for a kind of certificate (draft-ietf-acme-profiles).
    public var profile: String?
    /// Whether the profile is the one that the certificate has, whoever chose it, and no wish: where the CA does not list it any more, it chooses anew.
    public var isProfileInherited = false
    /// The agent's name of the certificate key; `nil` for the one in use, or one made after the certificate's name.
    public var key: KeyName?
    /// For a key that is to be made.
    public var keyAlgorithm: KeyAlgorithm
    /// Whether somebody asked for this algorithm: a key of another one is refused, and not used without a word.
    public var isKeyAlgorithmWanted = false
    /// Makes a new key, though the certificate has one. Without it a renewal keeps the key.
    public var newKey: Bool
    public var oldKey: OldKey
    /// Asks for the TLS feature extension "must staple" (RFC 7633).
    public var mustStaple: Bool
    /// Common name of the root that the chain should lead to, where the CA offers several (RFC 8555 §7.4.2).
    public var preferredRoot: String?
    /// RFC 9773 §5: certID of the certificate that this one replaces.
    public var replaces: String?
    /// RFC 3339; most CAs refuse these.
    public var notBefore: String?
    public var notAfter: String?

    public init(
        name: CertificateName, identifiers: [Identifier], profile: String? = nil, key: KeyName? = nil, keyAlgorithm: KeyAlgorithm = .p256,
        newKey: Bool = false, oldKey: OldKey = .retire, mustStaple: Bool = false, preferredRoot: String? = nil, replaces: String? = nil,
        notBefore: String? = nil, notAfter: String? = nil
    ) {
        self.name = name
        self.identifiers = identifiers
        self.profile = profile
        self.key = key
        self.keyAlgorithm = keyAlgorithm
        self.newKey = newKey
        self.oldKey = oldKey
        self.mustStaple = mustStaple
        self.preferredRoot = preferredRoot
        self.replaces = replaces
        self.notBefore = notBefore
        self.notAfter = notAfter
    }
}

/// How an issuance ended well.
public struct IssuanceOutcome: Sendable {
    public var certificate: StoredCertificate
    public var key: ManagedKey
    /// Whether it went on where an earlier run had been cut off.
    public var wasResumed: Bool

    public init(certificate: StoredCertificate, key: ManagedKey, wasResumed: Bool) {
        self.certificate = certificate
        self.key = key
        self.wasResumed = wasResumed
    }
}

/// How long an issuance may take.
public struct IssuanceLimits: Sendable {
    /// From the CA being told to look until all names are proven. DNS takes its time.
    public var validation: Duration = .seconds(300)
    /// From finalize to the certificate.
    public var finalization: Duration = .seconds(300)

    public init() {}
}
