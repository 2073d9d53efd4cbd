/// CRLReason (RFC 5280 §5.3.1), in which 7 is not used.
public enum RevocationReason: Int, CaseIterable, Hashable, Sendable {
    case unspecified = 0
    case keyCompromise = 1
    case caCompromise = 2
    case affiliationChanged = 3
    case superseded = 4
    case cessationOfOperation = 5
    case certificateHold = 6
    case removeFromCRL = 8
    case privilegeWithdrawn = 9
    case aaCompromise = 10

    /// The name in RFC 5280's ASN.1, which the command line takes.
    public var name: String {
        switch self {
        case .unspecified: "unspecified"
        case .keyCompromise: "keyCompromise"
        case .caCompromise: "cACompromise"
        case .affiliationChanged: "affiliationChanged"
        case .superseded: "superseded"
        case .cessationOfOperation: "cessationOfOperation"
        case .certificateHold: "certificateHold"
        case .removeFromCRL: "removeFromCRL"
        case .privilegeWithdrawn: "privilegeWithdrawn"
        case .aaCompromise: "aACompromise"
        }
    }

    /// From a name in any case, or a code.
    public init?(argument: String) {
        let wanted = argument.lowercased()
        guard let reason = RevocationReason.allCases.first(where: { $0.name.lowercased() == wanted || String($0.rawValue) == wanted })
        else { return nil }
        self = reason
    }
}
