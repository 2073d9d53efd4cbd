import CPKCS11

/// A private key in the token: its handle, valid in the sessions of one generation, and what signing with it needs to know.
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
    /// CKA_ALWAYS_AUTHENTICATE: every signature wants the PIN.
    public let alwaysAuthenticate: Bool
    /// CKA_SENSITIVE; an attribute that the token does not tell counts as false.
    public let isSensitive: Bool
    /// CKA_EXTRACTABLE; an attribute that the token does not tell counts as true.
    public let isExtractable: Bool
    /// CKA_LOCAL: made in the token.
    public let isLocal: Bool
}
