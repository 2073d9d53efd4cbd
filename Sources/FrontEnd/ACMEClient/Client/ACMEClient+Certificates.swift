import ACME

/// A downloaded chain; its content is not checked here.
public struct DownloadedChain: Sendable {
    /// `application/pem-certificate-chain` (RFC 8555 §9.1), as received.
    public var pem: [UInt8]
    /// URLs of other chains for the same leaf (RFC 8555 §7.4.2).
    public var alternates: [ACMEURL]
}

extension ACMEClient {
    /// Downloads a chain (RFC 8555 §7.4.2). Before use it MUST be checked: only certificates, for the right key
    /// (RFC 8555 §11.4).
    /// - Parameters:
    ///   - url: the certificate's URL, from its order.
    ///   - patience: the time limit, including the waits that the CA asks for.
    /// - Throws: `ACMEClientError`.
    public func certificate(_ url: ACMEURL, within patience: Duration? = nil) async throws -> DownloadedChain {
        let response = try await post(
            .postAsGet, to: url, accept: MediaType.pemChain, limit: Order.maximumChainSize, within: patience)
        let type = MediaType.of(response)
        guard type == MediaType.pemChain else {
            throw ACMEClientError.unexpectedContentType(type, expected: MediaType.pemChain, url: url)
        }
        let links = LinkHeader.targets(response.headers.all("Link"), relation: "alternate")
        return DownloadedChain(pem: response.body, alternates: links.compactMap { try? ACMEURL(reference: $0, relativeTo: url) })
    }

    /// Revokes a certificate (RFC 8555 §7.6).
    ///
    /// A reason is always sent: some CAs refuse a request without one, and RFC 8555 lets a CA treat a missing reason as
    /// `unspecified`.
    /// - Parameters:
    ///   - revocation: the certificate and the reason.
    ///   - certificateSigner: signs with the certificate's own key; `nil` for the account's.
    public func revoke(_ revocation: Revocation, signedBy certificateSigner: (any AccountSigner)? = nil) async throws {
        guard let url = try await directory().revokeCert else { throw ACMEClientError.notOffered("revokeCert", directory: directoryURL) }
        var revocation = revocation
        revocation.reason = revocation.reason ?? .unspecified
        _ = try await post(.revokeCertificate(revocation), to: url, as: certificateSigner.map { .key($0) } ?? .account)
    }
}
