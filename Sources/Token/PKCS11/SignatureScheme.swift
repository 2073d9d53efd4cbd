import CPKCS11

/// How a key signs. The caller computes digests: tokens rarely have the hashing ECDSA mechanisms (SoftHSM #620), and a
/// digest reaches the token in one call.
public enum SignatureScheme: Hashable, Sendable {
    /// CKM_ECDSA over a digest; the signature is r‖s.
    case ecdsa
    /// CKM_RSA_PKCS over the DigestInfo of a digest (RFC 8017 §8.2).
    case rsaPKCS1(Digest)
    /// CKM_RSA_PKCS_PSS over a digest, salt as long as the digest, MGF1 with the same hash (RFC 8017 §8.1).
    case rsaPSS(Digest)
    /// CKM_EDDSA over the message (RFC 8032).
    case ed25519

    /// The hashes of the RSA schemes.
    public enum Digest: Hashable, Sendable {
        /// SHA-256.
        case sha256
        /// SHA-384.
        case sha384
        /// SHA-512.
        case sha512

        /// Length in bytes.
        var length: Int {
            switch self {
            case .sha256: 32
            case .sha384: 48
            case .sha512: 64
            }
        }

        /// DigestInfo up to the digest (RFC 8017 §9.2, note 1).
        var digestInfoPrefix: [UInt8] {
            switch self {
            case .sha256: Self.sha256Prefix
            case .sha384: Self.sha384Prefix
            case .sha512: Self.sha512Prefix
            }
        }

        var mechanism: CK_MECHANISM_TYPE {
            switch self {
            case .sha256: CKM_SHA256
            case .sha384: CKM_SHA384
            case .sha512: CKM_SHA512
            }
        }

        var maskGeneration: CK_ULONG {
            switch self {
            case .sha256: CKG_MGF1_SHA256
            case .sha384: CKG_MGF1_SHA384
            case .sha512: CKG_MGF1_SHA512
            }
        }

        private static let sha256Prefix: [UInt8] = [
            0x30, 0x31, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20,
        ]
        private static let sha384Prefix: [UInt8] = [
            0x30, 0x41, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0x04, 0x30,
        ]
        private static let sha512Prefix: [UInt8] = [
            0x30, 0x51, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x40,
        ]
    }

    /// Whether a key of `type` signs this way over an input of `inputLength` bytes.
    func accepts(_ type: KeyType, inputLength: Int) -> Bool {
        switch (self, type) {
        case (.ecdsa, .p256): inputLength == 32
        case (.ecdsa, .p384): inputLength == 48
        case (.rsaPKCS1(let digest), .rsa), (.rsaPSS(let digest), .rsa): inputLength == digest.length
        case (.ed25519, .ed25519): true
        default: false
        }
    }
}
