import NIOCore
import TokenProtocol

/// A signature that was asked for and not yet answered. An object, since it is handed from queue to link and to its end.
final class SignatureRequest {
    let key: TokenKeyReference
    let mechanism: SigningMechanism
    let input: [UInt8]
    let deadline: NIODeadline
    let completion: (Result<[UInt8], TokenFailure>) -> Void
    /// Helpers that died with it in hand.
    var deaths = 0

    init(
        key: TokenKeyReference, mechanism: SigningMechanism, input: [UInt8], deadline: NIODeadline,
        completion: @escaping (Result<[UInt8], TokenFailure>) -> Void
    ) {
        self.key = key
        self.mechanism = mechanism
        self.input = input
        self.deadline = deadline
        self.completion = completion
    }
}
