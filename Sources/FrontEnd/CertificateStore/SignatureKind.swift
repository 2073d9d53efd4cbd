import Crypto
import CryptoExtras
import X509

/// What came of checking a signature.
public enum SignatureVerdict: Sendable {
    case valid, invalid
    /// The key or the algorithm is of a kind that is not known here.
    case unknownKind
    /// RSASSA-PSS with other parameters than those that are known here.
    case unknownParameters
}

/// The kinds of signature on CRLs: those that the Web PKI allows (CA/Browser Forum Baseline Requirements §7.1.3.2), and
/// Ed25519.
enum SignatureKind {
    case plain(Certificate.SignatureAlgorithm)
    /// `nil` for other parameters than those that are known.
    case pss(PSSHash?)

    private static let ecdsa: [UInt8] = [0x30, 0x0A, 0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03]
    private static let rsa: [UInt8] = [0x06, 0x09, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01]
    private static let ed25519: [UInt8] = [0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70]

    /// - Parameter algorithm: AlgorithmIdentifier, DER.
    init?(_ algorithm: ArraySlice<UInt8>) {
        if let known = Self.plain(algorithm) {
            self = .plain(known)
        } else if PSSHash.isScheme(of: algorithm) {
            self = .pss(try? PSSHash(algorithm))
        } else {
            return nil
        }
    }

    private static func plain(_ algorithm: ArraySlice<UInt8>) -> Certificate.SignatureAlgorithm? {
        if algorithm.starts(with: ecdsa), algorithm.count == ecdsa.count + 1 {
            switch algorithm.last {
            case 2: return .ecdsaWithSHA256
            case 3: return .ecdsaWithSHA384
            case 4: return .ecdsaWithSHA512
            default: return nil
            }
        }
        // The parameters are NULL; RFC 4055 §5 has them absent too.
        for (begin, end) in [([0x30, 0x0D], [0x05, 0x00]), ([0x30, 0x0B], [])] as [([UInt8], [UInt8])] {
            guard algorithm.starts(with: begin + rsa), algorithm.count == begin.count + rsa.count + 1 + end.count,
                algorithm.suffix(end.count).elementsEqual(end)
            else { continue }
            switch algorithm.dropLast(end.count).last {
            case 11: return .sha256WithRSAEncryption
            case 12: return .sha384WithRSAEncryption
            case 13: return .sha512WithRSAEncryption
            default: return nil
            }
        }
        return algorithm.elementsEqual(ed25519) ? .ed25519 : nil
    }
}

/// The hash of an RSASSA-PSS signature (RFC 4055 §3.1) with MGF1 of the same hash and a salt as long as the digest, which
/// are the only parameters that the Baseline Requirements allow.
enum PSSHash: UInt8, CaseIterable {
    /// The last byte of the hash's object identifier.
    case sha256 = 1
    case sha384 = 2
    case sha512 = 3

    private typealias Tag = DERCursor.Tag
    private static let scheme: [UInt8] = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x0A]
    private static let mgf1: [UInt8] = [0x2A, 0x86, 0x48, 0x86, 0xF7, 0x0D, 0x01, 0x01, 0x08]
    private static let hashes: [UInt8] = [0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02]

    private var digestLength: UInt8 {
        switch self {
        case .sha256: 32
        case .sha384: 48
        case .sha512: 64
        }
    }

    /// - Parameter algorithm: AlgorithmIdentifier, DER.
    static func isScheme(of algorithm: ArraySlice<UInt8>) -> Bool {
        var outer = DERCursor(algorithm)
        guard var fields = try? outer.next(Tag.sequence).inside else { return false }
        return (try? fields.next(Tag.objectIdentifier).content.elementsEqual(scheme)) ?? false
    }

    /// What is left out stands for SHA-1, which is not accepted; the trailer field has one value.
    /// - Throws: `DERCursor.Fault` for other parameters.
    init(_ algorithm: ArraySlice<UInt8>) throws(DERCursor.Fault) {
        var outer = DERCursor(algorithm)
        var fields = try outer.next(Tag.sequence).inside
        _ = try fields.next(Tag.objectIdentifier)
        var parameters = try fields.next(Tag.sequence).inside
        try fields.finish()
        var tagged = try parameters.next(Tag.context(0, isConstructed: true)).inside
        let hash = try Self.hash(&tagged)
        try tagged.finish()
        tagged = try parameters.next(Tag.context(1, isConstructed: true)).inside
        var generation = try tagged.next(Tag.sequence).inside
        try tagged.finish()
        guard try generation.next(Tag.objectIdentifier).content.elementsEqual(Self.mgf1) else { throw DERCursor.Fault() }
        guard try Self.hash(&generation) == hash else { throw DERCursor.Fault() }
        try generation.finish()
        tagged = try parameters.next(Tag.context(2, isConstructed: true)).inside
        guard try tagged.next(Tag.integer).content.elementsEqual([hash.digestLength]) else { throw DERCursor.Fault() }
        try tagged.finish()
        try parameters.finish()
        self = hash
    }

    /// An AlgorithmIdentifier, whose parameters may be NULL or absent (RFC 4055 §2.1).
    private static func hash(_ cursor: inout DERCursor) throws(DERCursor.Fault) -> PSSHash {
        var fields = try cursor.next(Tag.sequence).inside
        let name = try fields.next(Tag.objectIdentifier).content
        if let null = try fields.optional(0x05) { guard null.content.isEmpty else { throw DERCursor.Fault() } }
        try fields.finish()
        guard name.dropLast().elementsEqual(hashes), let hash = name.last.flatMap({ PSSHash(rawValue: $0) }) else {
            throw DERCursor.Fault()
        }
        return hash
    }

    func verdict(_ bytes: ArraySlice<UInt8>, signature: ArraySlice<UInt8>, spki: [UInt8]) -> SignatureVerdict {
        guard let key = try? _RSA.Signing.PublicKey(derRepresentation: spki) else { return .unknownKind }
        let signature = _RSA.Signing.RSASignature(rawRepresentation: Array(signature)), bytes = Array(bytes)
        let isValid =
            switch self {
            case .sha256: key.isValidSignature(signature, for: SHA256.hash(data: bytes), padding: .PSS)
            case .sha384: key.isValidSignature(signature, for: SHA384.hash(data: bytes), padding: .PSS)
            case .sha512: key.isValidSignature(signature, for: SHA512.hash(data: bytes), padding: .PSS)
            }
        return isValid ? .valid : .invalid
    }
}
