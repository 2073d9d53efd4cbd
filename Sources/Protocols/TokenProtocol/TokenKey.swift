import KeyEncoding

/// Identifies a key's object in a token: CKA_ID, CKA_LABEL and the pinned public half, all three of which must match.
public struct TokenKeyReference: Hashable, Sendable {
    public var id: [UInt8]
    public var label: String
    /// SubjectPublicKeyInfo, DER.
    public var spki: [UInt8]

    public init(id: [UInt8], label: String, spki: [UInt8]) {
        self.id = id
        self.label = label
        self.spki = spki
    }

    /// Only over the bytes of the public half: they distinguish keys, and each signature looks one up.
    public func hash(into hasher: inout Hasher) { spki.withUnsafeBytes { hasher.combine(bytes: $0) } }
}

/// A key pair in a token.
public struct TokenKey: Hashable, Sendable {
    public var reference: TokenKeyReference
    public var algorithm: KeyAlgorithm
    /// What the private key allows beyond signing.
    public var weaknesses: KeyWeaknesses

    public init(reference: TokenKeyReference, algorithm: KeyAlgorithm, weaknesses: KeyWeaknesses) {
        self.reference = reference
        self.algorithm = algorithm
        self.weaknesses = weaknesses
    }
}

/// What a token says about itself.
public struct TokenInformation: Hashable, Sendable {
    public var label: String
    public var manufacturer: String
    public var model: String
    public var serial: String
    /// Key algorithms that the token can sign with.
    public var algorithms: [KeyAlgorithm]
    /// Whether the helper is logged in.
    public var isLoggedIn: Bool
    /// Why the next login would fail, as far as can be told without an attempt: the PIN file has changed since the last
    /// one.
    public var pinFault: TokenFailure?

    public init(
        label: String, manufacturer: String, model: String, serial: String, algorithms: [KeyAlgorithm], isLoggedIn: Bool,
        pinFault: TokenFailure? = nil
    ) {
        self.label = label
        self.manufacturer = manufacturer
        self.model = model
        self.serial = serial
        self.algorithms = algorithms
        self.isLoggedIn = isLoggedIn
        self.pinFault = pinFault
    }
}

/// How the token signs. The daemon computes the hashes: SoftHSM 2.6.1 has no ECDSA mechanisms with a hash.
public enum SigningMechanism: UInt8, CaseIterable, Sendable {
    /// CKM_ECDSA: the digest in (32 bytes for P-256, 48 for P-384), r‖s out.
    case ecdsa = 1
    /// CKM_RSA_PKCS: the digest in; the helper wraps it in a DigestInfo (RFC 8017 §9.2).
    case rsaPKCS1SHA256 = 2
    case rsaPKCS1SHA384 = 3
    /// CKM_RSA_PKCS_PSS with a salt as long as the digest (RFC 8446 §4.2.3): the digest in.
    case rsaPSSSHA256 = 4
    case rsaPSSSHA384 = 5
    /// CKM_EDDSA: the message in, at most `TokenLimits.message` bytes.
    case ed25519 = 6
    case rsaPKCS1SHA512 = 7
    case rsaPSSSHA512 = 8
}
