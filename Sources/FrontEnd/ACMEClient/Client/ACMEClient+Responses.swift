import ACME
import StrictJSON

extension ACMEClient {
    /// Deeper than any ACME object, with room for unknown members.
    static let jsonLimits = JSONLimits(depth: 16)

    /// Reads a JSON object of a successful response.
    func document<Value: ACMEDocument>(
        _ response: HTTPResponse, url: ACMEURL, as type: Value.Type
    ) throws(ACMEClientError) -> Value {
        let mediaType = MediaType.of(response)
        guard mediaType == MediaType.json else { throw .unexpectedContentType(mediaType, expected: MediaType.json, url: url) }
        let document: JSONDocument
        do { document = try JSONDocument(parsing: response.body, limits: Self.jsonLimits) } catch {
            throw .invalidDocument(url: url, reason: "the CA's answer to \(url) is not JSON: \(error)")
        }
        let value: Value
        do { value = try Value(json: document.root) } catch { throw .invalidDocument(url: url, reason: error.description) }
        for target in value.targets { try check(target.url, target.member, of: url) }
        return value
    }

    /// The error for a response whose status is not 2xx.
    func failure(_ response: HTTPResponse, url: ACMEURL) -> ACMEClientError {
        if (300..<400).contains(response.status) {
            return .redirect(status: response.status, from: url, to: response.headers["Location"] ?? "nowhere")
        }
        if let problem = problem(response) {
            return .problem(problem, status: response.status, url: url, retryAfter: retryAfter(response))
        }
        let excerpt = String(decoding: response.body.prefix(200), as: UTF8.self)
        return .unexpectedStatus(response.status, url: url, excerpt: excerpt)
    }

    /// The problem document (RFC 9457). Some proxies in front of CAs label it as plain JSON: accepted if it has a
    /// `type`.
    private func problem(_ response: HTTPResponse) -> Problem? {
        let type = MediaType.of(response)
        guard type == MediaType.problem || type == MediaType.json,
            let document = try? JSONDocument(parsing: response.body, limits: Self.jsonLimits),
            type == MediaType.problem || document.root["type"] != nil
        else { return nil }
        return Problem(json: document.root)
    }

    /// The URL of the new resource (RFC 8555 §7.3, §7.4); it may be relative to the request's URL (RFC 9110 §10.2.2).
    func location(_ response: HTTPResponse, url: ACMEURL) throws(ACMEClientError) -> ACMEURL {
        guard let text = response.headers["Location"] else { throw .missingHeader("Location", url: url) }
        let location: ACMEURL
        do { location = try ACMEURL(reference: text, relativeTo: url) } catch {
            throw Self.refusal("Location", "is not valid: \(error)", of: url)
        }
        try checkServer(location, "Location", of: url)
        return location
    }

    /// The nonce of a response; ignored if it is not base64url (RFC 8555 §6.5.1).
    func nonce(_ response: HTTPResponse) -> String? {
        response.headers["Replay-Nonce"].flatMap { ACMENonce.isValid($0) ? $0 : nil }
    }
}
