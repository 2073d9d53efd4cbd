import NIOCore
import TokenProtocol

/// A signature that was requested and not yet answered. An object, since it is passed from queue to link and to its
/// end.
final class SignatureRequest {
    /// Whose it is: requests of different users are served in turn.
    let user: UInt32
    let key: TokenKeyReference
    let mechanism: SigningMechanism
    let input: [UInt8]
    let deadline: NIODeadline
    let completion: (Result<[UInt8], TokenFailure>) -> Void
    /// The kind by which its cost is measured.
    let kind: SignatureCosts.Kind
    /// Helpers that died while they worked on it.
    var deaths = 0
    /// How often the token failed it, and the last failure.
    var failures = 0
    var lastFailure: TokenFailure?
    /// Whether it may be tried again after a failure: the key's requests have not failed for long.
    var isPatient = true

    // For the queue: a request is in one queue at a time.
    /// The next one of the same user.
    var next: SignatureRequest?
    /// The queue's slot of its user.
    var slot = 0
    /// Nanoseconds that its user was charged when it was given out.
    var cost: Int64 = 0

    init(
        user: UInt32, key: TokenKeyReference, mechanism: SigningMechanism, input: [UInt8], deadline: NIODeadline,
        completion: @escaping (Result<[UInt8], TokenFailure>) -> Void
    ) {
        self.user = user
        self.key = key
        self.mechanism = mechanism
        self.input = input
        self.deadline = deadline
        self.completion = completion
        kind = SignatureCosts.Kind(mechanism, publicKeyBytes: key.spki.count, inputBytes: input.count)
    }
}
