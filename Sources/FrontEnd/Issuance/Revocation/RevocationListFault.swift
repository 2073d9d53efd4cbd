import ACME

/// Why a revocation list says nothing about a certificate. Part of a sentence.
public enum RevocationListFault: Error, Hashable, Sendable, CustomStringConvertible {
    case notReadable
    case unknownCriticalExtension(String)
    case isDelta
    case otherIssuer
    case signerMayNot
    case otherKey
    case badSignature
    case unknownSignature
    case unknownSignatureParameters
    case fromTheFuture(thisUpdate: Int64)
    case outOfDate(nextUpdate: Int64)
    case withoutEnd
    case otherDistributionPoint
    case otherKindsOnly
    case someReasonsOnly
    /// An older list than one that was seen before.
    case goesBackwards

    /// Whether the list is the issuer's, and only too old to say that a certificate is not revoked.
    var isOfTimeAlone: Bool {
        switch self {
        case .outOfDate, .withoutEnd: true
        default: false
        }
    }

    public var description: String {
        switch self {
        case .notReadable: "it is no revocation list as RFC 5280 describes it"
        case .unknownCriticalExtension(let oid): "it has a critical extension that is not known here: \(oid)"
        case .isDelta: "it lists changes only"
        case .otherIssuer: "it is another CA's"
        case .signerMayNot: "the key of the certificate's issuer may not sign it"
        case .otherKey: "it is signed with another key than that of the certificate's issuer"
        case .badSignature: "its signature is wrong"
        case .unknownSignature: "its signature is of a kind that is not known here"
        case .unknownSignatureParameters:
            "its RSASSA-PSS signature is not with SHA-256, SHA-384 or SHA-512, MGF1 of the same hash and a salt as long as the digest"
        case .fromTheFuture(let time): "it is from \(RFC3339.string(time)), which is in the future by this host's clock"
        case .outOfDate(let time): "it was to be replaced by \(RFC3339.string(time))"
        case .withoutEnd: "it does not say until when it counts"
        case .otherDistributionPoint: "it is the list of another distribution point"
        case .otherKindsOnly: "it is for other kinds of certificates"
        case .someReasonsOnly: "it is for some reasons only"
        case .goesBackwards: "it is older than one that was seen before"
        }
    }
}
