import ACME

/// Why no response came.
public struct TransportError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The kinds of failure that can be distinguished.
    public enum Kind: String, Sendable {
        /// No connection: the name does not resolve, nothing listens, or the connection was closed too early.
        case unreachable
        /// TLS failed.
        case tls
        /// The CA server's own certificate does not chain to a trusted root.
        case untrusted
        /// No answer in time.
        case timeout
        /// The response exceeds the limit.
        case tooLarge
        /// The response is not HTTP.
        case protocolError
    }

    /// What happened, for a program.
    public var kind: Kind
    /// Scheme, host and port of the request.
    public var origin: Origin
    /// What happened, for a person; safe for a terminal.
    public var detail: String

    /// The detail is made safe for a terminal.
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
        case .tooLarge: "the CA at \(origin) sent a response that is too large: \(detail)"
        case .protocolError: "the CA at \(origin) does not speak valid HTTP: \(detail)"
        }
    }

    /// What the user can do about it.
    public var hint: String? {
        switch kind {
        case .untrusted: "for a private CA, give its root certificate: --ca-certificate FILE (the configured one is only for its own CA)"
        case .unreachable: "check the directory URL and the network"
        case .timeout: "the CA is down or slow, or a firewall drops the packets: run the command again later"
        case .tls, .tooLarge, .protocolError: nil
        }
    }

    /// Whether the same request may succeed a moment later.
    public var isTransient: Bool { kind == .unreachable || kind == .timeout }
}
