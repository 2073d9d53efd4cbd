/// The values of `alg` that the agent writes (RFC 7518 §3.1, RFC 8037 §3.1). `none` cannot be expressed.
// swift-format-ignore: AlwaysUseLowerCamelCase, since each case is the registry's own spelling
public enum JWSAlgorithm: String, CaseIterable, Hashable, Sendable {
    case ES256, ES384, RS256, EdDSA
    /// Only for the external account binding's inner JWS (RFC 8555 §7.3.4).
    case HS256
}
