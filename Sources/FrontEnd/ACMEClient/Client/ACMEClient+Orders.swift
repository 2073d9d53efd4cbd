import ACME

/// An object of the CA with its URL, and when to fetch it again.
public struct ACMEResource<Value: Sendable>: Sendable {
    /// Where the CA has it.
    public var url: ACMEURL
    /// The object as the CA sent it.
    public var value: Value
    /// Seconds of Retry-After, not clamped.
    public var retryAfter: Int64?
}

extension ACMEClient {
    /// Creates an order (RFC 8555 §7.4). Only this answer has its URL: record it before the next request.
    public func newOrder(_ order: NewOrder) async throws -> ACMEResource<Order> {
        let directory = try await directory(), url = directory.newOrder
        let response = try await post(.newOrder(order), to: url, accept: MediaType.json)
        let location = try location(response, url: url)
        try check(location, "Location", of: url)
        try checkMade(location, directory, of: url)
        return try resource(response, url: location, as: Order.self)
    }

    /// Fetches an order (RFC 8555 §7.1.3) by POST-as-GET.
    /// - Throws: `ACMEClientError`.
    public func order(_ url: ACMEURL) async throws -> ACMEResource<Order> {
        try resource(try await post(.postAsGet, to: url, accept: MediaType.json), url: url, as: Order.self)
    }

    /// Fetches an authorization (RFC 8555 §7.5) by POST-as-GET.
    /// - Throws: `ACMEClientError`.
    public func authorization(_ url: ACMEURL) async throws -> ACMEResource<Authorization> {
        try resource(try await post(.postAsGet, to: url, accept: MediaType.json), url: url, as: Authorization.self)
    }

    /// Gives up an authorization (RFC 8555 §7.5.2).
    /// - Throws: `ACMEClientError`.
    public func deactivate(authorization url: ACMEURL) async throws {
        _ = try await post(.deactivateAuthorization, to: url, accept: MediaType.json)
    }

    /// Tells the CA that the challenge is ready (RFC 8555 §7.5.1).
    public func respond(to challenge: ACMEURL) async throws -> ACMEResource<Challenge> {
        let response = try await post(.respondToChallenge, to: challenge, accept: MediaType.json)
        return try resource(response, url: challenge, as: Challenge.self)
    }

    /// Requests the certificate (RFC 8555 §7.4); the signer makes the CSR. The answer is the order.
    /// - Parameters:
    ///   - url: the order's `finalize`.
    ///   - order: the order's own URL, under which the answer is returned.
    ///   - request: the certificate's key and names.
    public func finalize(_ url: ACMEURL, order: ACMEURL, _ request: CertificateRequest) async throws -> ACMEResource<Order> {
        let response = try await post(.finalize(request), to: url, accept: MediaType.json)
        return try resource(response, url: order, as: Order.self)
    }

    private func resource<Value: ACMEDocument>(
        _ response: HTTPResponse, url: ACMEURL, as type: Value.Type
    ) throws -> ACMEResource<Value> {
        ACMEResource(url: url, value: try document(response, url: url, as: type), retryAfter: retryAfter(response))
    }
}
