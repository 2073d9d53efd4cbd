/// Why no request may be signed for or sent to a URL.
public enum ACMEURLError: Error, Hashable, Sendable, CustomStringConvertible {
    case tooLong
    /// RFC 8555 §6.1: https only.
    case notHTTPS
    /// A byte that may not be in a URL (RFC 3986 §2), a percent sign without two hex digits, or an encoded control
    /// character.
    case invalidByte
    case userInformation, invalidHost, invalidPort
    /// The host is followed by nothing, or by something other than `/`.
    case noPath
    case fragment
    /// A segment `.` or `..`, plain or percent-encoded.
    case dotSegment

    public var description: String {
        switch self {
        case .tooLong: "the URL is longer than \(ACMEURL.maximumLength) bytes"
        case .notHTTPS: "the URL is not https"
        case .invalidByte: "the URL has a character that no URL may have"
        case .userInformation: "the URL has a user name before the host"
        case .invalidHost: "the URL's host is neither a name nor an address"
        case .invalidPort: "the URL's port is not a number from 1 to 65535"
        case .noPath: "the URL has no path"
        case .fragment: "the URL has a fragment"
        case .dotSegment: "the URL's path has a dot segment"
        }
    }
}
