import ACME
import CertificateStore
import JOSE

/// A requested certificate.
public struct IssuanceRequest: Sendable {
    /// What to do with a key that a new one has replaced.
    public enum OldKey: String, Sendable, CaseIterable { case retire, delete, keep }

    /// The name under which it is stored.
    public var name: CertificateName
    /// At least one; their order is kept.
    public var identifiers: [Identifier]
    /// The CA's name for a kind of certificate (draft-ietf-acme-profiles).
    public var profile: String?
    /// Whether the profile is taken from the installed certificate instead of requested: if the CA no longer lists it,
    /// the CA chooses another one.
    public var isProfileInherited = false
    /// The certificate key's name in the agent; `nil` for the key in use, or one named after the certificate.
    public var key: KeyName?
    /// For a key that must be made.
    public var keyAlgorithm: KeyAlgorithm
    /// Whether the user requested this algorithm. If so, a key of another one is refused, not used silently.
    public var isKeyAlgorithmWanted = false
    /// Makes a new key even if the certificate has one. Without it a renewal keeps the key.
    public var newKey: Bool
    public var oldKey: OldKey
    /// Asks for the TLS feature extension "must staple" (RFC 7633).
    public var mustStaple: Bool
    /// Whether a certificate that ends before the installed one is welcome: that one is revoked, or its CA wants it replaced.
    public var mayExpireEarlier = false
    /// Whether the installed certificate is replaced even if its deploy hook keeps failing: it is due, revoked, its key is
    /// lost, or the user wants another one. Otherwise there is nothing to order until the hook has succeeded.
    public var replacesUndeployed = false
    /// Common name of the preferred root, if the CA offers several chains (RFC 8555 §7.4.2).
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

/// A successful issuance.
public struct IssuanceOutcome: Sendable {
    public var certificate: StoredCertificate
    public var key: ManagedKey
    /// Whether an interrupted run was resumed.
    public var wasResumed: Bool
    /// Whether that run had installed the certificate, so that only its deployment was left to be done.
    public var wasInstalled: Bool

    public init(certificate: StoredCertificate, key: ManagedKey, wasResumed: Bool, wasInstalled: Bool = false) {
        self.certificate = certificate
        self.key = key
        self.wasResumed = wasResumed
        self.wasInstalled = wasInstalled
    }
}

/// How long an issuance may take.
public struct IssuanceLimits: Sendable {
    /// From responding to the challenges until all names are validated. DNS is slow.
    public var validation: Duration = .seconds(300)
    /// From finalize to the certificate.
    public var finalization: Duration = .seconds(300)

    public init() {}
}
