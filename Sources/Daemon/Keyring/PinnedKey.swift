import JOSE
import TokenProtocol

/// A key pair in a token, checked once: which objects it is, and the public half against which it is checked.
public struct PinnedKey: Sendable {
    /// CKA_ID, CKA_LABEL and the pinned SubjectPublicKeyInfo.
    public let reference: TokenKeyReference
    public let publicKey: PublicKey
    public let algorithm: KeyAlgorithm
    public let verifier: SignatureVerifier
    /// The RFC 7512 URI of the private key.
    public let uri: String
    /// What the private key allows beyond signing, as of when it got its name; nil if that version of the agent did not
    /// check.
    public let weaknesses: KeyWeaknesses?

    /// - Throws: `KeyRecordError` if the public half is not a key that the agent uses.
    public init(reference: TokenKeyReference, uri: String, weaknesses: KeyWeaknesses?) throws(KeyRecordError) {
        do {
            publicKey = try PublicKey(spki: reference.spki)
            verifier = try SignatureVerifier(publicKey)
        } catch { throw KeyRecordError("its public key is not valid: \(error)") }
        guard let algorithm = publicKey.algorithm else { throw KeyRecordError("its public key is of a kind that the agent does not use") }
        self.algorithm = algorithm
        self.reference = reference
        self.uri = uri
        self.weaknesses = weaknesses
    }

    /// A key as the agent makes it.
    public init(madeWithID id: [UInt8], label: String, spki: [UInt8], uri: String) throws(KeyRecordError) {
        try self.init(reference: TokenKeyReference(id: id, label: label, spki: spki), uri: uri, weaknesses: [])
    }

    /// The pinned part of a key that is ready.
    init(of key: SigningKey) {
        reference = key.reference
        publicKey = key.publicKey
        algorithm = key.algorithm
        verifier = key.verifier
        uri = key.uri
        weaknesses = key.weaknesses
    }

    /// A key as its token's helper reports it.
    public init(_ key: TokenKey, uri: String) throws(KeyRecordError) {
        try self.init(reference: key.reference, uri: uri, weaknesses: key.weaknesses)
    }
}

extension PinnedKey: Hashable {
    public static func == (one: PinnedKey, other: PinnedKey) -> Bool {
        one.reference == other.reference && one.uri == other.uri && one.weaknesses == other.weaknesses
    }

    public func hash(into hasher: inout Hasher) { hasher.combine(reference) }
}
