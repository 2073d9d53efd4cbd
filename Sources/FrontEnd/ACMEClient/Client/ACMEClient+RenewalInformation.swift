import ACME

extension ACMEClient {
    /// When the CA would like a certificate to be renewed (RFC 9773 §4.1). The request is not signed and needs no account.
    /// - Parameter certID: see `RenewalInformation.certID`.
    /// - Returns: `nil` if the CA does not offer this, or does not know the certificate. `retryAfter` in seconds, not
    ///   clamped.
    /// - Throws: `ACMEClientError`; also for an answer that is not renewal information.
    public func renewalInformation(certID: String) async throws -> (information: RenewalInformation, retryAfter: Int64?)? {
        guard let base = try await directory().renewalInfo else { return nil }
        let text = base.text.utf8.last == UInt8(ascii: "/") ? base.text + certID : base.text + "/" + certID
        let url: ACMEURL
        do { url = try ACMEURL(text) } catch {
            throw ACMEClientError.invalidDocument(url: directoryURL, reason: "the CA's \"renewalInfo\" is not valid: \(error)")
        }
        do {
            let response = try await retrying(HTTPRequest(.get, url, responseLimit: Self.documentLimit))
            return (try document(response, url: url, as: RenewalInformation.self), retryAfter(response))
        } catch let error as ACMEClientError where error.isNotFound { return nil }
    }
}

extension ACMEClientError {
    fileprivate var isNotFound: Bool {
        switch self {
        case .problem(_, let status, _, _), .unexpectedStatus(let status, _, _): status == 404 || status == 410
        default: false
        }
    }
}
