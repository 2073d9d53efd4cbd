import Crypto

/// A secret that is shared with a server, and its name there (RFC 8945).
public struct TSIGKey: Sendable, CustomStringConvertible {
    /// MD5 and SHA-1 are refused: RFC 8945 §6 no longer recommends them.
    public enum Algorithm: String, CaseIterable, Sendable {
        case hmacSHA256 = "hmac-sha256"
        case hmacSHA384 = "hmac-sha384"
        case hmacSHA512 = "hmac-sha512"
    }

    public let name: DomainName
    public let algorithm: Algorithm
    /// As it is on the wire.
    let algorithmName: DomainName
    private let secret: SymmetricKey

    public init(name: DomainName, algorithm: Algorithm, secret: [UInt8]) throws(DNSError) {
        self.name = name
        self.algorithm = algorithm
        algorithmName = try DomainName(algorithm.rawValue)
        self.secret = SymmetricKey(data: secret)
    }

    func authenticationCode(of bytes: [UInt8]) -> [UInt8] {
        switch algorithm {
        case .hmacSHA256: Array(HMAC<SHA256>.authenticationCode(for: bytes, using: secret))
        case .hmacSHA384: Array(HMAC<SHA384>.authenticationCode(for: bytes, using: secret))
        case .hmacSHA512: Array(HMAC<SHA512>.authenticationCode(for: bytes, using: secret))
        }
    }

    /// Whether the code is that of the bytes; takes the same time for every wrong one.
    func isValid(_ code: [UInt8], of bytes: [UInt8]) -> Bool {
        switch algorithm {
        case .hmacSHA256: HMAC<SHA256>.isValidAuthenticationCode(code, authenticating: bytes, using: secret)
        case .hmacSHA384: HMAC<SHA384>.isValidAuthenticationCode(code, authenticating: bytes, using: secret)
        case .hmacSHA512: HMAC<SHA512>.isValidAuthenticationCode(code, authenticating: bytes, using: secret)
        }
    }

    /// Without the secret.
    public var description: String { "\(name) (\(algorithm.rawValue))" }
}
