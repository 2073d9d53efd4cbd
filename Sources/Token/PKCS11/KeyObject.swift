import CPKCS11

/// A private key in the token: its handle, valid in the sessions of one generation, and what signing with it needs.
public struct KeyObject: Hashable, Sendable {
    /// The private key object.
    public let handle: CK_OBJECT_HANDLE
    /// CKA_ID.
    public let id: [UInt8]
    /// CKA_LABEL, as the token has it.
    public let label: [UInt8]
    /// What kind of key.
    public let type: KeyType
    /// The public half as SubjectPublicKeyInfo (DER).
    public let spki: [UInt8]
    /// CKA_ALWAYS_AUTHENTICATE: every signature needs the PIN.
    public let alwaysAuthenticate: Bool
    /// What protects it, and what it may be used for.
    public let protection: KeyProtection
}

/// What a private key's attributes say about its protection (PKCS#11 v2.40 §4.9). An attribute that the token does not
/// reveal counts as the worse value. The uses are an exception: a token does not offer a use that it does not know.
public struct KeyProtection: Hashable, Sendable {
    /// CKA_SENSITIVE and CKA_ALWAYS_SENSITIVE.
    public var isSensitive: Bool
    public var wasAlwaysSensitive: Bool
    /// CKA_EXTRACTABLE and CKA_NEVER_EXTRACTABLE.
    public var isExtractable: Bool
    public var wasNeverExtractable: Bool
    /// CKA_DECRYPT, CKA_UNWRAP, CKA_DERIVE, CKA_SIGN_RECOVER.
    public var decrypts: Bool
    public var unwraps: Bool
    public var derives: Bool
    public var signsWithRecovery: Bool

    public init(
        isSensitive: Bool, wasAlwaysSensitive: Bool, isExtractable: Bool, wasNeverExtractable: Bool, decrypts: Bool, unwraps: Bool,
        derives: Bool, signsWithRecovery: Bool
    ) {
        self.isSensitive = isSensitive
        self.wasAlwaysSensitive = wasAlwaysSensitive
        self.isExtractable = isExtractable
        self.wasNeverExtractable = wasNeverExtractable
        self.decrypts = decrypts
        self.unwraps = unwraps
        self.derives = derives
        self.signsWithRecovery = signsWithRecovery
    }
}
