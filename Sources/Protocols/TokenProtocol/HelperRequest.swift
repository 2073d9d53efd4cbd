import KeyEncoding

/// What the daemon asks of the helper. `hello` comes first, on the control link. `sign` uses the signing links; all
/// others use the control link.
public enum HelperRequest: Hashable, Sendable {
    /// Loads the module, finds the token and logs in.
    case hello(TokenConfiguration)
    /// If `hello` failed, tries it again; otherwise checks the token's state, including the PIN file.
    case status
    /// Like `status`, but tries a failed `hello` again only if something has changed since. It costs the token little,
    /// so it can be sent often.
    case look
    case sign(TokenKeyReference, SigningMechanism, [UInt8])
    case generate(label: String, id: [UInt8], algorithm: KeyAlgorithm)
    /// Finds what `generate` with this label and ID left in the token: the pair, if it is complete and valid. Anything
    /// else that it left is destroyed. Only for IDs of `TokenLimits.uniqueID` bytes or more, which are unique.
    case settle(label: String, id: [UInt8])
    /// Private keys that an RFC 7512 URI matches.
    case find(uri: String)
    /// Every private key.
    case list
    /// A key that the token does not show to a logged-in session counts as destroyed.
    case destroy(TokenKeyReference)
    /// Announces that many keys of this token will be used: the helper looks up their handles whenever it is idle, now
    /// and after each recovery. Answered at once.
    case prepare
}

/// What the helper answers.
public enum HelperReply: Hashable, Sendable {
    /// The number of an unsolicited reply on the control link: `failure` when the token is gone, `ready` when it is
    /// back. Requests never use it. The daemon replaces a helper that sends them too often.
    public static let unasked: UInt32 = 0

    /// To `hello`, `status` and `look`.
    case ready(TokenInformation)
    case signature([UInt8])
    /// To `generate`. A failure says whether the pair may nevertheless be in the token
    /// (`TokenFailure.mayHaveHappened`).
    case key(TokenKey)
    /// To `settle`: the pair, or nothing, as the token shows it to a logged-in session. If that cannot be determined,
    /// the answer is a failure.
    case settled(TokenKey?)
    /// To `find` and `list`; `more` if further replies to the same request follow.
    case keys([TokenKey], more: Bool)
    /// To `destroy` and `prepare`.
    case done
    case failure(TokenFailure)
}
