import Keyring
import TokenProtocol

/// Why a request that policy has allowed was not signed. What the trail has to do with it is ``AuditTrail/AuditError``'s matter, which
/// ``SignatureRound`` hands on beside it.
enum SignatureFault: Error {
    /// Too many requests of the user are under way.
    case overloaded(limit: Int)
    case tokenNotConfigured(token: String)
    case token(TokenFailure, token: String)
    /// The token's signature is not the pinned key's.
    case wrongSignature
    case composition(CompositionError)
}
