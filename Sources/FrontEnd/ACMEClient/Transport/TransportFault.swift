import ACME
import AsyncHTTPClient
import Glibc
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL

/// Translates the libraries' errors into our kinds and plain words, without the libraries' numbers, names or source
/// lines.
enum TransportFault {
    /// - Returns: a `TransportError`, or a `CancellationError`.
    static func describe(_ error: any Error, request: HTTPRequest, proxy: Proxy? = nil) -> any Error {
        func failure(_ kind: TransportError.Kind, _ detail: String) -> TransportError {
            let way = proxy.map { " (through the proxy \($0))" } ?? ""
            return TransportError(kind, origin: request.url.origin, detail: detail + way)
        }
        switch error {
        case is CancellationError: return error
        case let error as HTTPClientError where error == .cancelled: return CancellationError()
        case let error as HTTPClientError:
            let (kind, detail) = words(error)
            return failure(kind, detail)
        case is NIOTooManyBytesError: return failure(.tooLarge, "the limit is \(request.responseLimit) bytes")
        case NIOSSLError.uncleanShutdown: return failure(.unreachable, cutOff)
        case NIOSSLError.handshakeFailed(let cause):
            let (kind, detail) = words(cause)
            return failure(kind, detail)
        case let error as BoringSSLError:
            let (kind, detail) = words(error)
            return failure(kind, detail)
        case let error as NIOSSLExtraError where error == .failedToValidateHostname:
            return failure(.tls, "its certificate is for another name")
        case is NIOSSLError, is NIOSSLExtraError: return failure(.tls, "the handshake failed")
        // Closed within the header fields, or before the body was complete.
        case HTTPParserError.invalidEOFState, HTTPParserError.closedConnection: return failure(.unreachable, cutOff)
        case is HTTPParserError: return failure(.protocolError, "its response cannot be read")
        case let error as NIOConnectionError:
            let reasons = error.connectionErrors.map { "\(place($0.target)): \(reason($0.error))" }
            return failure(.unreachable, reasons.isEmpty ? "\(error.host) does not resolve" : reasons.joined(separator: ", "))
        case ChannelError.connectTimeout: return failure(.timeout, "the connection was not established")
        default: return failure(.unreachable, reason(error))
        }
    }

    static let cutOff = "the connection was closed before the response was complete"

    private static func words(_ error: HTTPClientError) -> (TransportError.Kind, String) {
        switch error {
        case .connectTimeout, .tlsHandshakeTimeout, .getConnectionFromPoolTimeout: (.timeout, "the connection was not established")
        case .readTimeout, .writeTimeout, .deadlineExceeded: (.timeout, "the response was not complete")
        case .httpProxyHandshakeTimeout, .socksHandshakeTimeout: (.timeout, "the proxy does not answer")
        case .invalidProxyResponse: (.unreachable, "the proxy refused the connection")
        case .proxyAuthenticationRequired: (.unreachable, "the proxy requires a user name and a password")
        case .remoteConnectionClosed, .uncleanShutdown, .requestStreamCancelled: (.unreachable, cutOff)
        default: (.protocolError, "its response cannot be read")
        }
    }

    /// The library describes TLS failures only as text.
    private static func words(_ error: BoringSSLError) -> (TransportError.Kind, String) {
        switch error {
        case .zeroReturn, .syscallError: return (.unreachable, "the connection was closed in the TLS handshake")
        default: break
        }
        let text = "\(error)"
        let known: [(String, TransportError.Kind, String)] = [
            ("EOF during", .unreachable, "the connection was closed in the TLS handshake"),
            ("CERTIFICATE_VERIFY_FAILED", .untrusted, "its certificate is not trusted here"),
            ("WRONG_VERSION_NUMBER", .tls, "the server does not speak TLS"),
            ("HTTP_REQUEST", .tls, "the server does not speak TLS"),
            ("UNSUPPORTED_PROTOCOL", .tls, "it does not support TLS 1.2 or later"),
            ("PROTOCOL_VERSION", .tls, "it does not support TLS 1.2 or later"),
            ("CERTIFICATE_REQUIRED", .tls, "it requires a client certificate"), ("HANDSHAKE_FAILURE", .tls, "it refused the handshake"),
            ("UNRECOGNIZED_NAME", .tls, "it does not know this name"),
        ]
        for (word, kind, words) in known where text.contains(word) { return (kind, words) }
        return (.tls, "the handshake failed")
    }

    private static func place(_ address: SocketAddress) -> String {
        guard let ip = address.ipAddress, let port = address.port else { return "its address" }
        return ip.contains(":") ? "[\(ip)]:\(port)" : "\(ip):\(port)"
    }

    private static func reason(_ error: any Error) -> String {
        guard let error = error as? IOError else { return "the connection failed" }
        return text(of: error.errnoCode)
    }

    /// The system's text for an error number.
    static func text(of number: Int32) -> String {
        var buffer = [CChar](repeating: 0, count: 128)
        guard strerror_r(number, &buffer, buffer.count) == 0 else { return "it failed" }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
