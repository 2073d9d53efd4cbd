import NIOCore
import TokenProtocol

/// How long a token takes for a signature of each kind: the mean of the last ones, by the times of their replies. A
/// value without a clock.
struct SignatureCosts {
    /// Signatures that take different times: by the size of the key, and for Ed25519, where the token hashes the
    /// message, by its length.
    enum Kind: Int, CaseIterable {
        case p256, p384, rsa2048, rsa3072, rsa4096, ed25519, ed25519Long

        /// - Parameter publicKeyBytes: Length of the SubjectPublicKeyInfo, which tells the size of the key: P-256 has
        ///   91 bytes, P-384 120, RSA-2048 294, RSA-3072 422, RSA-4096 550.
        init(_ mechanism: SigningMechanism, publicKeyBytes: Int, inputBytes: Int) {
            self =
                switch mechanism {
                case .ecdsa: publicKeyBytes <= 91 ? .p256 : .p384
                case .rsaPKCS1SHA256, .rsaPKCS1SHA384, .rsaPKCS1SHA512, .rsaPSSSHA256, .rsaPSSSHA384, .rsaPSSSHA512:
                    if publicKeyBytes <= 294 { .rsa2048 } else if publicKeyBytes <= 422 { .rsa3072 } else { .rsa4096 }
                case .ed25519: inputBytes <= Kind.longMessage ? .ed25519 : .ed25519Long
                }
        }

        /// Bytes from which hashing the message counts next to the signature itself.
        private static let longMessage = 16 * 1024

        /// Nanoseconds until one is measured: SoftHSM's on a usual CPU, so that the first ones do not all count the
        /// same.
        fileprivate var presumed: Int64 {
            switch self {
            case .p256, .ed25519: 60_000
            case .p384, .rsa2048: 500_000
            case .ed25519Long: 1_000_000
            case .rsa3072: 2_000_000
            case .rsa4096: 5_000_000
            }
        }
    }

    private struct Mean {
        var nanoseconds: Int64
        /// Signatures in the mean, at most `window`.
        var count: Int64 = 0
        var isUsed = false
    }

    private var means = Kind.allCases.map { Mean(nanoseconds: $0.presumed) }
    /// How long the slowest kind in use takes, in nanoseconds.
    private(set) var dearest: Int64 = 1

    /// How long a signature of this kind takes, in nanoseconds; at least 1.
    func cost(_ kind: Kind) -> Int64 { means[kind.rawValue].nanoseconds }

    /// The same, for one that the token gets now.
    mutating func charge(_ kind: Kind) -> Int64 {
        let cost = means[kind.rawValue].nanoseconds
        means[kind.rawValue].isUsed = true
        if cost > dearest { dearest = cost }
        return cost
    }

    /// Records how long one took.
    ///
    /// A helper that answers several in one write seems to take all the time for the first and none for the rest; the
    /// mean is right. One that takes many times the mean had to search for its key, or the token was recovered; it
    /// counts only up to a multiple.
    mutating func note(_ kind: Kind, took time: TimeAmount) {
        let mean = means[kind.rawValue]
        let counted = min(
            max(time.nanoseconds, SignatureCosts.shortest), mean.nanoseconds * SignatureCosts.mostTimesMean, SignatureCosts.longest)
        let count = min(mean.count + 1, SignatureCosts.window)
        means[kind.rawValue] = Mean(
            nanoseconds: max(1, mean.nanoseconds + (counted - mean.nanoseconds) / count), count: count, isUsed: true)
        dearest = means.reduce(1) { $1.isUsed ? max($0, $1.nanoseconds) : $0 }
    }

    /// Signatures in a mean.
    private static let window: Int64 = 32
    private static let mostTimesMean: Int64 = 8
    /// Nanoseconds.
    private static let shortest: Int64 = 1
    private static let longest: Int64 = 60_000_000_000
}
