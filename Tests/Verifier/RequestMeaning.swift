/// What a flattened JWS (RFC 7515 section 7.2.2) says to an ACME CA, read from the signed bytes alone.
struct RequestMeaning {
    enum Signer: Equatable {
        /// The account's URL.
        case kid(String)
        case jwk(JSON)
    }

    var signer: Signer
    var url: String
    /// `nil` only in an inner JWS (RFC 8555 section 7.3.5).
    var nonce: String?
    /// `nil` if the payload is empty.
    var payload: JSON?

    /// - Parameter key: The key that must have signed.
    /// - Throws: ``Finding`` if the signature is not the key's, or the bytes are no ACME request.
    init(_ request: JSON, key: PublicKey, isInner: Bool = false) throws(Finding) {
        guard let protected = request["protected"]?.string, let payload = request["payload"]?.string,
            let signature = request["signature"]?.string, request.names.count == 3
        else { throw Finding("the JWS does not have exactly the three members of RFC 7515 section 7.2.2") }
        guard let bits = Base64URL.decode(signature), key.verifiesJWS(bits, of: Array("\(protected).\(payload)".utf8)) else {
            throw Finding("the JWS's signature is not the key's")
        }
        guard let header = Base64URL.decode(protected).flatMap({ JSONReader.read($0) }), let body = Base64URL.decode(payload) else {
            throw Finding("header or payload of the JWS is not base64url, or the header is not JSON")
        }
        guard header["alg"] == .string(key.algorithm) else { throw Finding("alg is not the key's: \(header.text())") }
        guard let url = header["url"]?.string else { throw Finding("the header has no url") }
        self.url = url
        nonce = header["nonce"]?.string
        guard (nonce == nil) == isInner else { throw Finding(isInner ? "an inner JWS has a nonce" : "the header has no nonce") }
        switch (header["kid"], header["jwk"]) {
        case (.string(let account)?, nil): signer = .kid(account)
        case (nil, let own?):
            guard own == key.jwk else { throw Finding("jwk is not the key that signed: \(own.text())") }
            signer = .jwk(own)
        default: throw Finding("the header has not exactly one of kid and jwk: \(header.text())")
        }
        guard header.names.count == (isInner ? 3 : 4) else { throw Finding("the header has other members: \(header.text())") }
        if body.isEmpty {
            self.payload = nil
        } else {
            guard let read = JSONReader.read(body), case .object = read else { throw Finding("the payload is no JSON object") }
            self.payload = read
        }
    }

    /// Every operation for which some CA may take the payload, whatever the URL and the header: members that a CA does
    /// not know are ignored (RFC 8555 sections 7.3 and 7.3.2).
    var possibleOperations: Set<Operation> {
        guard let payload else { return [.postAsGet, .respondToChallenge] }
        var result: Set<Operation> = [.respondToChallenge, .newAccount]
        if payload["contact"] != nil || payload["termsOfServiceAgreed"] != nil { result.insert(.updateAccount) }
        if payload["status"] == .string("deactivated") { result.formUnion([.deactivateAccount, .deactivateAuthorization]) }
        if payload["protected"] != nil || payload["signature"] != nil { result.insert(.keyChange) }
        if payload["identifiers"] != nil { result.insert(.newOrder) }
        if payload["csr"] != nil { result.formUnion([.finalize, .signCertificateRequest]) }
        if payload["certificate"] != nil { result.insert(.revokeCertificate) }
        return result
    }
}

/// Something that must not be: a signature or a refusal that policy does not explain.
struct Finding: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
