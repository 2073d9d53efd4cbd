/// The supported curves of RFC 7518 §6.2.1.1; the raw value is the JWK's `crv`.
public enum ECCurve: String, CaseIterable, Hashable, Sendable {
    case p256 = "P-256"
    case p384 = "P-384"

    /// Bytes of one coordinate, and of `r` and of `s` in a JWS signature (RFC 7518 §3.4).
    public var coordinateSize: Int {
        switch self {
        case .p256: 32
        case .p384: 48
        }
    }

    /// The key algorithm for this curve.
    public var keyAlgorithm: KeyAlgorithm {
        switch self {
        case .p256: .p256
        case .p384: .p384
        }
    }
}
