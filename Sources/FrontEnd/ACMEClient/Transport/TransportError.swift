import ACME

/// Why no response came.
public struct TransportError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What went wrong, as far as it can be told apart.
    public enum Kind: String, Sendable {
        /// No connection: the name does not resolve, nothing listens, or the connection was closed in the middle.
        case unreachable
        /// TLS failed.
        case tls
        /// The CA's own certificate does not lead to a root that is trusted.
        case untrusted
        case timeout
        /// The response is larger than it may be.
        case tooLarge
        /// What came is no HTTP.
        case protocolError
    }

    public var kind: Kind
    /// Scheme, host and port of the request.
    public var origin: Origin
    /// What the library below said; for a person, safe for a terminal.
    public var detail: String

    public init(_ kind: Kind, origin: Origin, detail: String) {
        self.kind = kind
        self.origin = origin
        self.detail = TerminalText.safe(detail, limit: 300)
    }

    public var description: String {
        switch kind {
        case .unreachable: "the CA at \(origin) cannot be reached: \(detail)"
        case .tls, .untrusted: "no TLS connection to the CA at \(origin): \(detail)"
        case .timeout: "the CA at \(origin) did not answer in time: \(detail)"
        case .tooLarge: "the CA at \(origin) sent more than is read of a response: \(detail)"
        case .protocolError: "the CA at \(origin) does not speak HTTP as it must: \(detail)"
        }
    }

    /// What the user may do about it.
    public var hint: String? {
        switch kind {
        case .untrusted: "a private CA needs its own root certificate: --ca-certificate FILE (the configuration's is for its CA only)"
        case .unreachable: "check the directory URL and the network"
        case .timeout: "the CA is down or slow, or something between drops what is sent: run the command again later"
        case .tls, .tooLarge, .protocolError: nil
        }
    }

    /// Whether the same request may well succeed a moment later.
    public var isTransient: Bool { kind == .unreachable || kind == .timeout }
}
