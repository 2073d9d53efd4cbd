import ACME

/// Carries requests to a CA. The program uses `AsyncHTTPTransport`; tests implement it with their own CA.
public protocol HTTPTransport: Sendable {
    /// Sends one request and reads the whole response, whatever its status.
    ///
    /// An implementation MUST NOT follow redirects (the signature covers the URL, RFC 8555 §6.4), MUST stop reading
    /// after `request.responseLimit` bytes, MUST end after a bounded time, and MUST end early if the task is cancelled.
    /// - Throws: `TransportError`, or `CancellationError`.
    func send(_ request: HTTPRequest) async throws -> HTTPResponse
}

/// A request to a CA.
public struct HTTPRequest: Sendable {
    /// The methods that RFC 8555 uses.
    public enum Method: String, Sendable {
        /// For the directory, and for renewal information.
        case get = "GET"
        /// For a nonce.
        case head = "HEAD"
        /// For everything else: the body is signed.
        case post = "POST"
    }

    /// The request's method.
    public var method: Method
    /// Where it is sent.
    public var url: ACMEURL
    /// Its fields, beyond those that the transport adds to each request.
    public var headers: HTTPFields
    /// Its content; empty for none.
    public var body: [UInt8]
    /// The response body's maximum size in bytes; a longer one is an error.
    public var responseLimit: Int
    /// How long the response may take, if that is less than the transport's own limit.
    public var timeLimit: Duration?

    /// A request with the transport's own time limit.
    public init(_ method: Method, _ url: ACMEURL, headers: HTTPFields = [:], body: [UInt8] = [], responseLimit: Int) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.responseLimit = responseLimit
    }
}

/// A CA's response as received.
public struct HTTPResponse: Sendable {
    /// The status code, 100 to 599.
    public var status: Int
    /// Its fields, as received.
    public var headers: HTTPFields
    /// Its content; empty for none.
    public var body: [UInt8]

    /// A response as a transport returns it.
    public init(status: Int, headers: HTTPFields = [:], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// Whether the status says that the server or gateway cannot answer now (RFC 9110 §15.6, and the codes that large
    /// gateways add to it).
    public static func isOutage(_ status: Int) -> Bool { (500...504).contains(status) && status != 501 || (520...530).contains(status) }
}
