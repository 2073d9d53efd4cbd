import ACME

/// What carries requests to a CA. The program uses `AsyncHTTPTransport`; tests put a CA of their own behind it.
public protocol HTTPTransport: Sendable {
    /// Sends one request and reads the whole response, whatever its status.
    ///
    /// An implementation MUST NOT follow redirects (RFC 8555 §6.1 signs the URL, so another one cannot be right), MUST stop reading
    /// behind `request.responseLimit` bytes, MUST end after a bounded time, and MUST end early where the task is cancelled.
    /// - Throws: `TransportError`, or `CancellationError`.
    func send(_ request: HTTPRequest) async throws -> HTTPResponse
}

/// A request to a CA.
public struct HTTPRequest: Sendable {
    /// The methods that RFC 8555 uses.
    public enum Method: String, Sendable { case get = "GET", head = "HEAD", post = "POST" }

    public var method: Method
    public var url: ACMEURL
    public var headers: HTTPFields
    public var body: [UInt8]
    /// Bytes of body that are read at most; a longer response is an error.
    public var responseLimit: Int
    /// How long the response may take, where that is less than the transport itself would wait.
    public var timeLimit: Duration?

    public init(_ method: Method, _ url: ACMEURL, headers: HTTPFields = [:], body: [UInt8] = [], responseLimit: Int) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.responseLimit = responseLimit
    }
}

/// A CA's response as it came.
public struct HTTPResponse: Sendable {
    /// The status code, 100 to 599.
    public var status: Int
    public var headers: HTTPFields
    public var body: [UInt8]

    public init(status: Int, headers: HTTPFields = [:], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// Whether the status says that server or gateway cannot answer now (RFC 9110 §15.6, and what large gateways add to it).
    public static func isOutage(_ status: Int) -> Bool { (500...504).contains(status) && status != 501 || (520...530).contains(status) }
}
