/// Limits of the helper's protocol, checked by both ends before anything is allocated.
public enum TokenLimits {
    /// The longest message that is signed unhashed: a certificate signing request of 1,000 names.
    public static let message = 256 * 1024
    /// The longest frame, without its length field: twice the longest message.
    public static let frame = 512 * 1024
    /// Bytes of a CKA_LABEL and of a CKA_ID.
    public static let label = 255
    public static let id = 255
    /// A new key's ID of at least this many bytes is random and thus unique. No search checks that: it would read every
    /// object.
    public static let uniqueID = 16
    /// SubjectPublicKeyInfo of RSA-4096 has 550 bytes.
    public static let spki = 4 * 1024
    /// A signature of RSA-4096 has 512 bytes.
    public static let signature = 4 * 1024
    /// Keys in one reply of a listing: with every field at its limit, they fill 300 KiB.
    public static let keysInReply = 64
    /// PATH_MAX; also the value of an environment variable.
    public static let path = 4 * 1024
    /// RFC 7512 sets no limit; this is longer than all attributes at their limits, percent-encoded.
    public static let uri = 4 * 1024
    /// What a token says about itself (64 bytes at most), names of functions and variables.
    public static let text = 256
    /// The configured name of a token, which the helper uses in file names.
    public static let tokenName = 64
    /// A failure's sentence and hint; longer ones are cut.
    public static let sentence = 4 * 1024
    /// Environment variables of a helper.
    public static let environment = 64
    /// Signing sessions of a helper; tokens have fewer.
    public static let pool = 256
    /// MiB that a helper may use: from what SoftHSM needs for a few thousand keys to more than any machine has.
    public static let helperMebibytes = 64...1_048_576
}

extension TokenKeyReference {
    var isWithinLimits: Bool { id.count <= TokenLimits.id && label.utf8.count <= TokenLimits.label && spki.count <= TokenLimits.spki }
}

extension SigningMechanism {
    /// Whether an input of `count` bytes is valid: the digest's length, or a message within its limit.
    public func accepts(inputOf count: Int) -> Bool {
        switch self {
        case .ecdsa: count == 32 || count == 48
        case .rsaPKCS1SHA256, .rsaPSSSHA256: count == 32
        case .rsaPKCS1SHA384, .rsaPSSSHA384: count == 48
        case .rsaPKCS1SHA512, .rsaPSSSHA512: count == 64
        case .ed25519: count <= TokenLimits.message
        }
    }
}

extension HelperRequest {
    /// Why the request must not be sent; `nil` if it may. A helper exits when it reads a frame over the limits, so a
    /// caller who could have one sent could deny the token to all others.
    public var refusal: TokenFailure? {
        let message: String? =
            switch self {
            case .hello(let configuration): configuration.refusal
            case .status, .look, .list, .prepare: nil
            case .sign(let key, let mechanism, let input):
                if !key.isWithinLimits {
                    "the key's id, label or public key is too long"
                } else if !mechanism.accepts(inputOf: input.count) {
                    "\(input.count) bytes are not a valid input for \(mechanism)"
                } else {
                    nil
                }
            case .generate(let label, let id, _):
                label.utf8.count > TokenLimits.label || id.count > TokenLimits.id ? "the key's id or label is too long" : nil
            case .settle(let label, let id):
                label.utf8.count > TokenLimits.label || !(TokenLimits.uniqueID...TokenLimits.id).contains(id.count)
                    ? "the key's id or label has the wrong length" : nil
            case .find(let uri): uri.utf8.count > TokenLimits.uri ? "the URI is longer than \(TokenLimits.uri) bytes" : nil
            case .destroy(let key): key.isWithinLimits ? nil : "the key's id, label or public key is too long"
            }
        return message.map { TokenFailure(.invalidRequest, message: $0) }
    }
}

extension TokenConfiguration {
    fileprivate var refusal: String? {
        let paths = [module, stateDirectory] + [pinSource].compactMap { $0 } + environment.values
        if paths.contains(where: { $0.utf8.count > TokenLimits.path }) {
            return "a path or variable of the token's configuration is too long"
        }
        if uri.utf8.count > TokenLimits.uri { return "the token's URI is longer than \(TokenLimits.uri) bytes" }
        if name.utf8.count > TokenLimits.tokenName || environment.keys.contains(where: { $0.utf8.count > TokenLimits.text }) {
            return "a name of the token's configuration is too long"
        }
        if environment.count > TokenLimits.environment {
            return "the token's environment has more than \(TokenLimits.environment) variables"
        }
        // The configuration's file was checked; this is where everything passes that starts a helper.
        if let name = environment.keys.sorted().first(where: { TokenConfiguration.refusal(ofVariable: $0) != nil }) {
            return "the token's environment has a variable that must not be set: \(name.prefix(64))"
        }
        let memory = TokenLimits.helperMebibytes
        guard memory.contains(helperMebibytes) else {
            return "the helper's memory is not between \(memory.lowerBound) and \(memory.upperBound) MiB"
        }
        return (1...TokenLimits.pool).contains(pool) ? nil : "the token's pool is not between 1 and \(TokenLimits.pool)"
    }
}
