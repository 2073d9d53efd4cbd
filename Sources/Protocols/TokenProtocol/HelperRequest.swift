import JOSE

/// What the daemon asks of the helper. `hello` comes first, on the control link; `sign` on the signing links; all else on the control link.
public enum HelperRequest: Hashable, Sendable {
    /// Loads the module, finds the token, logs in.
    case hello(TokenConfiguration)
    /// The same again where it did not succeed, or how things are where it did, the PIN file included.
    case status
    /// How things are; the same again only where something has changed since it did not succeed. Costs the token little, so that it can be
    /// asked often.
    case look
    case sign(TokenKeyReference, SigningMechanism, [UInt8])
    case generate(label: String, id: [UInt8], algorithm: KeyAlgorithm)
    /// What `generate` with this label and id has left in the token: the pair, if it is whole and as it must be. Anything else that it left is
    /// destroyed. For ids of `TokenLimits.uniqueID` bytes or more only, which are nobody else's.
    case settle(label: String, id: [UInt8])
    /// Private keys that an RFC 7512 URI fits.
    case find(uri: String)
    /// Every private key.
    case list
    /// A key that is not there, as far as the token shows it to somebody who is logged in, is destroyed already.
    case destroy(TokenKeyReference)
    /// Many keys of this token are going to be used: the helper finds out where they are whenever it has nothing else to do, now and after
    /// each recovery. Answered at once.
    case prepare
}

/// What the helper answers.
public enum HelperReply: Hashable, Sendable {
    /// The number of a reply on the control link that nobody asked for: `failure` when the token has gone away, `ready` when it is back.
    /// Requests never have it.
    public static let unasked: UInt32 = 0

    /// To `hello`, `status` and `look`.
    case ready(TokenInformation)
    case signature([UInt8])
    /// To `generate`. A failure to it says whether the pair may be in the token all the same (`TokenFailure.mayHaveHappened`).
    case key(TokenKey)
    /// To `settle`: the pair, or that there is nothing, as the token shows it to somebody who is logged in. Where that could not be found out
    /// the answer is a failure.
    case settled(TokenKey?)
    /// To `find` and `list`; `more` where further replies to the same request follow.
    case keys([TokenKey], more: Bool)
    /// To `destroy` and `prepare`.
    case done
    case failure(TokenFailure)
}
