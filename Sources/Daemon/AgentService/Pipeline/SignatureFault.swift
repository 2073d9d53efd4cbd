import Keyring
import TokenProtocol

/// Why a request that policy allowed was not signed. Failures of the trail are ``AuditTrail/AuditError``, which
/// ``SignatureRound`` passes on separately.
enum SignatureFault: Error {
    /// Too many requests of the user are under way.
    case overloaded(limit: Int)
    case tokenNotConfigured(token: String)
    case token(TokenFailure, token: String)
    /// The token's signature is not the pinned key's.
    case wrongSignature
    case composition(CompositionError)
}
