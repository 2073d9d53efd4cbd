import CPKCS11

/// The kinds of keys made and used here.
public enum KeyType: Hashable, Sendable {
    /// ECDSA on secp256r1.
    case p256
    /// ECDSA on secp384r1.
    case p384
    /// RSA with a modulus of `bits` bits; keys made here have e = 65537.
    case rsa(bits: Int)
    /// EdDSA on edwards25519 (RFC 8032).
    case ed25519

    /// Length of a signature in bytes.
    public var signatureLength: Int {
        switch self {
        case .p256, .ed25519: 64
        case .p384: 96
        case .rsa(let bits): (bits + 7) / 8
        }
    }

    /// The mechanism that makes such a key.
    var generationMechanism: CK_MECHANISM_TYPE {
        switch self {
        case .p256, .p384: CKM_EC_KEY_PAIR_GEN
        case .rsa: CKM_RSA_PKCS_KEY_PAIR_GEN
        case .ed25519: CKM_EC_EDWARDS_KEY_PAIR_GEN
        }
    }

    /// The values of CKA_EC_PARAMS to try, the usual one first: an OBJECT IDENTIFIER; for Ed25519 also the curve's name
    /// as PrintableString (PKCS#11 v3.0 §2.3.5), which some tokens require (SoftHSM #523, #559).
    var parameters: [[UInt8]] {
        switch self {
        case .p256: [[0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07]]
        case .p384: [[0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x22]]
        case .ed25519: [[0x06, 0x03, 0x2B, 0x65, 0x70], [0x13, 0x0C] + Array("edwards25519".utf8)]
        case .rsa: [[]]
        }
    }

    /// The curve that CKA_EC_PARAMS names.
    init?(parameters: [UInt8]) {
        for type in [KeyType.p256, .p384, .ed25519] where type.parameters.contains(parameters) {
            self = type
            return
        }
        return nil
    }
}
