import ACME

/// A chain as it was downloaded; its content is not looked at here.
public struct DownloadedChain: Sendable {
    /// `application/pem-certificate-chain` (RFC 8555 §9.1), as received.
    public var pem: [UInt8]
    /// URLs of other chains for the same leaf (RFC 8555 §7.4.2).
    public var alternates: [ACMEURL]
}

extension ACMEClient {
    /// Downloads a chain (RFC 8555 §7.4.2). It MUST be checked before it is used (RFC 8555 §11.4): certificates only, for the right key.
    /// - Parameter patience: how long it may take in all, waits that the CA asks for included.
    /// - Throws: `ACMEClientError`.
    public func certificate(_ url: ACMEURL, within patience: Duration? = nil) async throws -> DownloadedChain {
        let response = try await post(
            .postAsGet, to: url, accept: MediaType.pemChain, limit: Self.chainLimit, within: patience)
        let type = MediaType.of(response)
        guard type == MediaType.pemChain else {
            throw ACMEClientError.unexpectedContentType(type, expected: MediaType.pemChain, url: url)
        }
        let links = LinkHeader.targets(response.headers.all("Link"), relation: "alternate")
        return DownloadedChain(pem: response.body, alternates: links.compactMap { try? ACMEURL(reference: $0, relativeTo: url) })
    }

    /// Revokes a certificate (RFC 8555 §7.6).
    ///
    /// A reason is sent always: without one some CAs refuse, and RFC 8555 lets a CA take none for `unspecified`.
    /// - Parameter certificateSigner: signs with the certificate's own key; `nil` for the account's.
    public func revoke(_ revocation: Revocation, signedBy certificateSigner: (any AccountSigner)? = nil) async throws {
        guard let url = try await directory().revokeCert else { throw ACMEClientError.notOffered("revokeCert", directory: directoryURL) }
        var revocation = revocation
        revocation.reason = revocation.reason ?? .unspecified
        _ = try await post(.revokeCertificate(revocation), to: url, as: certificateSigner.map { .key($0) } ?? .account)
    }
}
