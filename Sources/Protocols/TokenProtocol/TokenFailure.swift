/// Why the token, or the helper before it, did not do what it was asked.
public struct TokenFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// Stable; the name of a case is what callers and logs see.
    public enum Kind: UInt8, CaseIterable, Sendable {
        /// The token refused the PIN.
        case pinIncorrect = 1
        /// The token has locked the PIN, or says that the next wrong one locks it.
        case pinLocked
        /// This PIN was refused before, or tried twice without an answer, or what is remembered of it cannot be read: it was not tried.
        case pinNotTriedAgain
        /// The PIN's file is missing, others may read it, or it holds what cannot be meant; or a try of it cannot be written down.
        case pinUnavailable
        case noToken
        case severalTokens
        case noKey
        case severalKeys
        /// The key in the token is not the one that was pinned.
        case keyMismatch
        /// The token has no such mechanism, or no such key type.
        case unsupported
        case moduleNotLoaded
        /// Others than root or the agent's user may write the module or a folder above it.
        case moduleUntrusted
        /// The device failed.
        case device
        case sessionLost
        case helperDied
        case timeout
        case overloaded
        case invalidRequest
        /// No room for another key.
        case tokenFull
        /// The token made a key that is not as it must be: extractable, or usable for more than signing.
        case keyRejected
        /// The agent stops.
        case stopped
    }

    public var kind: Kind
    /// The Cryptoki function that failed, e.g. `C_Login`.
    public var function: String?
    /// Its CK_RV.
    public var returnValue: UInt?
    /// One sentence without a full stop.
    public var message: String
    public var hint: String?
    /// Whether the token may have done what it was asked all the same. Of a key that was to be made the helper finds it out, as far as it can.
    public var mayHaveHappened: Bool

    /// - Parameter mayHaveHappened: Nil for what the kind lets one suppose.
    public init(
        _ kind: Kind, function: String? = nil, returnValue: UInt? = nil, message: String, hint: String? = nil,
        mayHaveHappened: Bool? = nil
    ) {
        self.kind = kind
        self.function = function
        self.returnValue = returnValue
        self.message = message
        self.hint = hint
        self.mayHaveHappened = mayHaveHappened ?? kind.leavesDoubt
    }

    public var description: String {
        guard let function else { return message }
        let value = returnValue.map { " returned 0x" + String($0, radix: 16) } ?? ""
        return "\(message) (\(function)\(value))"
    }

}

extension TokenFailure.Kind {
    fileprivate var leavesDoubt: Bool {
        switch self {
        case .helperDied, .timeout, .sessionLost, .device: true
        case .pinIncorrect, .pinLocked, .pinNotTriedAgain, .pinUnavailable, .noToken, .severalTokens, .noKey, .severalKeys, .keyMismatch,
            .unsupported, .moduleNotLoaded, .moduleUntrusted, .overloaded, .invalidRequest, .tokenFull, .keyRejected, .stopped:
            false
        }
    }
}
