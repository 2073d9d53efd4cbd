import NIOCore
import TokenProtocol

/// A signature that was asked for and not yet answered.
struct SignatureRequest {
    let key: TokenKeyReference
    let mechanism: SigningMechanism
    let input: [UInt8]
    let deadline: NIODeadline
    let completion: (Result<[UInt8], TokenFailure>) -> Void
    /// Helpers that died with it in hand.
    var deaths = 0
}
