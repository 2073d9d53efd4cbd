/// Why an operation on a module, a token or a key failed.
public enum PKCS11Error: Error, Hashable, Sendable, CustomStringConvertible {
    /// A Cryptoki function failed.
    case cryptoki(CryptokiError)
    /// The file is not a module, or the dynamic linker refused it; `reason` says why.
    case moduleNotLoaded(path: String, reason: String)
    /// The text is not an RFC 7512 URI that this program understands.
    case invalidURI(reason: String)
    /// No initialised token matches the URI.
    case noToken(uri: String)
    /// More than one token matches the URI, and none is picked by guess.
    case severalTokens(uri: String, count: Int)
    /// The URI names a token other than the open one.
    case otherToken(label: String, serial: String)
    /// The only matching key cannot be used.
    case keyUnusable(reason: String)
    /// No key matches.
    case noKey
    /// More than one key matches, and none is picked by guess.
    case severalKeys(count: Int)
    /// The token has the key, but its public half cannot be read or is of an unsupported kind.
    case publicKeyUnreadable(reason: String)
    /// A key was made with a wrong attribute, such as one that lets it leave the token or do more than sign; it was
    /// destroyed.
    case keyNotProtected(attribute: String)
    /// The token cannot do what is asked, or the input has the wrong length for it.
    case unsupported(reason: String)
    /// The token returned a signature of the wrong length.
    case signatureLength(expected: Int, actual: Int)

    static func call(_ function: String, _ returnValue: UInt) -> PKCS11Error {
        .cryptoki(CryptokiError(function: function, returnValue: returnValue))
    }

    /// The failed call, if a call failed.
    public var cryptoki: CryptokiError? {
        if case .cryptoki(let error) = self { error } else { nil }
    }

    /// One sentence without a full stop.
    public var description: String {
        switch self {
        case .cryptoki(let error): error.description
        case .moduleNotLoaded(let path, let reason): "the module \"\(path)\" cannot be loaded: \(reason)"
        case .invalidURI(let reason): "the PKCS#11 URI is not valid: \(reason)"
        case .noToken(let uri): "no token matches \"\(uri)\""
        case .severalTokens(let uri, let count): "\(count) tokens match \"\(uri)\""
        case .otherToken(let label, let serial): "the URI names a token other than \"\(label)\" with serial number \"\(serial)\""
        case .keyUnusable(let reason): "the token's private key cannot be used: \(reason)"
        case .noKey: "the token has no such key"
        case .severalKeys(let count): "\(count) keys of the token have this id and label, so it is not certain which one is meant"
        case .publicKeyUnreadable(let reason): "the public key cannot be read: \(reason)"
        case .keyNotProtected(let attribute): "the token made a key with the wrong \(attribute)"
        case .unsupported(let reason): reason
        case .signatureLength(let expected, let actual): "the token's signature has \(actual) bytes instead of \(expected)"
        }
    }
}
