import ACME

extension ACMEClient {
    /// Who signs a request, and how the CA finds the key (RFC 8555 §6.2).
    enum Identity {
        /// `kid`: the account's URL.
        case account
        /// `jwk`: newAccount, and revocation by the certificate's own key.
        case key(any AccountSigner)
    }

    /// The outcome of one attempt, including its badNonce retries.
    private enum Outcome {
        case response(HTTPResponse)
        case pause(Duration, reason: String)
    }

    /// Signs and sends a request, and retries where RFC 8555 allows it.
    /// - Parameters:
    ///   - accept: media type of the answer; `nil` if it does not matter.
    ///   - limit: the answer's maximum size in bytes.
    ///   - patience: time limit for all attempts together; see `RetryPolicy`.
    /// - Throws: `ACMEClientError`, what the signer throws, `CancellationError`.
    func post(
        _ request: ACMERequest, to url: ACMEURL, as identity: Identity = .account, accept: String? = nil,
        limit: Int = ACMEClient.documentLimit, within patience: Duration? = nil
    ) async throws -> HTTPResponse {
        // Needed for the directory's own URLs, and for URLs from an earlier run.
        if let reason = objection(to: url) {
            throw ACMEClientError.invalidDocument(url: url, reason: "no request is signed for \(url): it \(reason)")
        }
        var policy = RetryPolicy(now: time.uptime(), within: patience)
        while true {
            switch try await attempt(request, url, identity, accept, limit, &policy) {
            case .response(let response): return response
            // The nonce has been returned: no other request has to wait while this one sleeps.
            case .pause(let duration, let reason): try await wait(duration, reason: reason)
            }
        }
    }

    private func attempt(
        _ request: ACMERequest, _ url: ACMEURL, _ identity: Identity, _ accept: String?, _ limit: Int, _ policy: inout RetryPolicy
    ) async throws -> Outcome {
        let supply = try await nonces.take()
        // The nonce of the last response; returned to the pool on every exit.
        var fresh: String?
        defer { nonces.give(fresh) }
        switch supply {
        case .nonce(let nonce): fresh = nonce
        case .fetch: break
        }
        while true {
            let nonce: String
            if let taken = fresh { nonce = taken } else { nonce = try await newNonce() }
            fresh = nil
            var message = try await sign(request, url, identity, nonce: nonce, accept: accept, limit: limit)
            let action: RetryPolicy.Action
            let failure: ACMEClientError
            let isRepeatable = request.operation == .postAsGet
            message.timeLimit = policy.timeLeft(time.uptime())
            do throws(TransportFailure) {
                let response = try await exchange(message)
                fresh = self.nonce(response)
                if (200..<300).contains(response.status) { return .response(response) }
                failure = self.failure(response, url: url)
                action = policy.after(
                    status: response.status, problem: failure.problem, retryAfter: retryAfter(response), isRepeatable: isRepeatable,
                    now: time.uptime())
            } catch {
                let cause = try error.transportError()
                failure = .transport(cause)
                action = policy.after(cause, isRepeatable: isRepeatable, now: time.uptime())
            }
            switch action {
            // RFC 8555 §6.5: retry with the nonce that came with the error.
            case .retryNow: observer?(.nonceRefused(attempt: policy.nonceAttempts, url: url))
            case .wait(let duration, let reason): return .pause(duration, reason: reason)
            case .fail:
                if failure.problem?.kind == .badNonce { throw ACMEClientError.noncesExhausted(attempts: policy.nonceAttempts, url: url) }
                throw failure
            }
        }
    }

    private func sign(
        _ request: ACMERequest, _ url: ACMEURL, _ identity: Identity, nonce: String, accept: String?, limit: Int
    ) async throws -> HTTPRequest {
        let signer: any AccountSigner
        let kid: ACMEURL?
        switch identity {
        case .account:
            guard let account, let own = self.signer else { throw ACMEClientError.noAccount }
            signer = own
            kid = account
        case .key(let other):
            signer = other
            kid = nil
        }
        let jws = try await signer.sign(request, url: url, nonce: nonce, account: kid)
        observer?(.signed(request, url: url, keyName: signer.keyName))
        var headers: HTTPFields = ["Content-Type": MediaType.jose]
        if let accept { headers.append("Accept", accept) }
        return HTTPRequest(.post, url, headers: headers, body: jws.json(), responseLimit: limit)
    }

    /// A nonce for the first request, or after a response without one (RFC 8555 §7.2).
    func newNonce() async throws -> String {
        let url = try await directory().newNonce
        let response = try await retrying(HTTPRequest(.head, url, responseLimit: Self.documentLimit))
        guard let nonce = nonce(response) else { throw ACMEClientError.missingHeader("Replay-Nonce", url: url) }
        return nonce
    }
}
