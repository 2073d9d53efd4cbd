import JOSE
import TokenProtocol

/// A key pair that is in a token, checked once: which objects it is, and the public half without which nothing of it is believed.
public struct PinnedKey: Sendable {
    /// CKA_ID, CKA_LABEL and the pinned SubjectPublicKeyInfo.
    public let reference: TokenKeyReference
    public let publicKey: PublicKey
    public let algorithm: KeyAlgorithm
    public let verifier: SignatureVerifier
    /// RFC 7512: as the key was adopted, or as the agent made it.
    public let uri: String
    /// What the private key lets happen beyond signing, as it was when the key got its name; nil if a version of the agent that did not look
    /// gave it.
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

    /// What a key that is ready was made from.
    init(of key: SigningKey) {
        reference = key.reference
        publicKey = key.publicKey
        algorithm = key.algorithm
        verifier = key.verifier
        uri = key.uri
        weaknesses = key.weaknesses
    }

    /// A key as its token's helper shows it.
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
