/// Why the token, or the helper in front of it, did not do what was asked.
public struct TokenFailure: Error, Hashable, Sendable, CustomStringConvertible {
    /// Stable: callers and logs see the name of the case.
    public enum Kind: UInt8, CaseIterable, Sendable {
        /// The token refused the PIN.
        case pinIncorrect = 1
        /// The token has locked the PIN, or reports that few tries are left.
        case pinLocked
        /// The PIN was not tried: it was refused before, it was tried twice without an answer, or the record of earlier
        /// tries cannot be read.
        case pinNotTriedAgain
        /// The PIN file is missing, readable by others or invalid, or an attempt with it cannot be recorded.
        case pinUnavailable
        case noToken
        case severalTokens
        case noKey
        case severalKeys
        /// The key in the token is not the pinned one.
        case keyMismatch
        /// The token has no such mechanism, or no such key type.
        case unsupported
        case moduleNotLoaded
        /// Users other than root and the agent's user can write the module or a folder above it.
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
        /// The token made an unacceptable key: extractable, or usable for more than signing.
        case keyRejected
        /// The agent is stopping.
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
    /// Whether the token may nevertheless have done what was asked. For a new key, the helper tries to find out.
    public var mayHaveHappened: Bool
    /// What the helper said, made safe and shortened, once the daemon has put its own words into `message` and `hint`:
    /// for the log only. In no frame.
    public var report: String?

    /// - Parameter mayHaveHappened: `nil` for the default of the kind.
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
