import COpenSSL

/// A public key, read from its SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7).
final class PublicKey {
    enum Kind: Equatable {
        case p256, p384, ed25519, rsa
    }

    enum Hash {
        case sha256, sha384, sha512

        fileprivate var method: OpaquePointer? {
            switch self {
            case .sha256: EVP_sha256()
            case .sha384: EVP_sha384()
            case .sha512: EVP_sha512()
            }
        }
    }

    enum Padding {
        case none, pkcs1, pss
    }

    let spki: [UInt8]
    let kind: Kind
    /// RFC 7517, with the members that RFC 7638 section 3.2 requires and no others.
    let jwk: JSON
    private let key: OpaquePointer

    /// - Returns: `nil` for bytes that are no key of these kinds.
    init?(spki: [UInt8]) {
        guard let parts = DER.one(spki, DER.sequence)?.parts, parts.count == 2,
            let algorithm = parts[0].parts, let name = algorithm.first?.content,
            parts[1].tag == DER.bitString, parts[1].content.first == 0
        else { return nil }
        let bits = Array(parts[1].content.dropFirst())
        switch name {
        case DER.OID.ecPublicKey:
            guard algorithm.count == 2 else { return nil }
            let size: Int
            switch algorithm[1].content {
            case DER.OID.p256: (kind, size) = (.p256, 32)
            case DER.OID.p384: (kind, size) = (.p384, 48)
            default: return nil
            }
            guard bits.count == 1 + 2 * size, bits[0] == 4 else { return nil }
            jwk = .members([
                ("kty", .string("EC")), ("crv", .string(size == 32 ? "P-256" : "P-384")),
                ("x", .string(Base64URL.encode(Array(bits[1...size])))), ("y", .string(Base64URL.encode(Array(bits[(1 + size)...])))),
            ])
        case DER.OID.ed25519:
            guard bits.count == 32 else { return nil }
            kind = .ed25519
            jwk = .members([("kty", .string("OKP")), ("crv", .string("Ed25519")), ("x", .string(Base64URL.encode(bits)))])
        case DER.OID.rsaEncryption:
            guard let numbers = DER.one(bits, DER.sequence)?.parts, numbers.count == 2 else { return nil }
            kind = .rsa
            jwk = .members([
                ("kty", .string("RSA")), ("n", .string(Base64URL.encode(Array(numbers[0].content.drop { $0 == 0 })))),
                ("e", .string(Base64URL.encode(Array(numbers[1].content.drop { $0 == 0 })))),
            ])
        default: return nil
        }
        let read = spki.withUnsafeBufferPointer { buffer in
            var start = buffer.baseAddress
            return d2i_PUBKEY(nil, &start, buffer.count)
        }
        guard let read else { return nil }
        self.spki = spki
        key = read
    }

    deinit { EVP_PKEY_free(key) }

    /// - Parameters:
    ///   - signature: DER for ECDSA.
    ///   - hash: Not used by Ed25519, which signs the message.
    func verifies(_ signature: [UInt8], of message: [UInt8], _ hash: Hash, _ padding: Padding = .none) -> Bool {
        guard (kind == .rsa) == (padding != .none), let context = EVP_MD_CTX_new() else { return false }
        defer { EVP_MD_CTX_free(context) }
        var parameters: OpaquePointer?
        guard EVP_DigestVerifyInit(context, &parameters, kind == .ed25519 ? nil : hash.method, nil, key) == 1 else { return false }
        if padding == .pss {
            guard EVP_PKEY_CTX_set_rsa_padding(parameters, RSA_PKCS1_PSS_PADDING) == 1,
                EVP_PKEY_CTX_set_rsa_pss_saltlen(parameters, RSA_PSS_SALTLEN_DIGEST) == 1
            else { return false }
        }
        return EVP_DigestVerify(context, signature, signature.count, message, message.count) == 1
    }

    /// RFC 7518 section 3.1, RFC 8037 section 3.1.
    var algorithm: String {
        switch kind {
        case .p256: "ES256"
        case .p384: "ES384"
        case .ed25519: "EdDSA"
        case .rsa: "RS256"
        }
    }

    /// Checks a signature in JWS's form, which for ECDSA is R and S side by side (RFC 7518 section 3.4).
    func verifiesJWS(_ signature: [UInt8], of message: [UInt8]) -> Bool {
        switch kind {
        case .p256, .p384:
            let size = kind == .p256 ? 32 : 48
            guard signature.count == 2 * size else { return false }
            let encoded = DER.write(
                DER.sequence, DER.unsigned(Array(signature[..<size])) + DER.unsigned(Array(signature[size...])))
            return verifies(encoded, of: message, kind == .p256 ? .sha256 : .sha384)
        case .ed25519: return verifies(signature, of: message, .sha512)
        case .rsa: return verifies(signature, of: message, .sha256, .pkcs1)
        }
    }

    /// HMAC with SHA-256 (RFC 7518 section 3.2).
    static func authenticationCode(_ message: [UInt8], key: [UInt8]) -> [UInt8] {
        var code = [UInt8](repeating: 0, count: 32)
        var size: UInt32 = 0
        guard COpenSSL.HMAC(EVP_sha256(), key, Int32(key.count), message, message.count, &code, &size) != nil, size == 32 else { return [] }
        return code
    }

    static func sha256(_ bytes: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: 32)
        return EVP_Digest(bytes, bytes.count, &digest, nil, EVP_sha256(), nil) == 1 ? digest : []
    }
}
