/// Asks a server: by datagram, again if nothing comes, and by stream if the answer is truncated.
struct DNSClient: Sendable {
    /// For each datagram: one may be lost. The last also waits for a resolver that has to ask far away.
    var datagramLimits: [Duration] = [.seconds(1), .seconds(2), .seconds(3)]
    var streamLimit: Duration = .seconds(5)

    /// The answer to a query, whatever its code is.
    /// - Parameters:
    ///   - isRecursive: whether the server is a resolver.
    ///   - limits: for each datagram; `nil` for all of `datagramLimits`.
    func ask(
        _ server: DNSServer, _ question: DNSMessage.Question, isRecursive: Bool, limits: [Duration]? = nil
    ) async throws -> DNSMessage {
        let limits = limits ?? datagramLimits
        var failure: any Error = DNSError.noAnswer(server, after: limits.reduce(.zero, +))
        for limit in limits {
            // A new id and port for each.
            let request = try DNSRequest(question, isRecursive: isRecursive)
            do {
                let answer = try await DNSExchange.run(request, with: server, over: .datagram, within: limit).message
                guard answer.isTruncated else { return answer }
            } catch DNSError.noAnswer {
                continue
            } catch let error as DNSError {
                failure = error
                break
            }
            let again = try DNSRequest(question, isRecursive: isRecursive)
            let whole = try await DNSExchange.run(again, with: server, over: .stream, within: streamLimit).message
            guard !whole.isTruncated else { throw DNSError.unreadable(server) }
            return whole
        }
        throw failure
    }

    /// Sends an update, over a stream: nobody can answer in the server's place, and nothing is lost (RFC 2136 §6.2).
    /// - Throws: `DNSError` if the server did not carry it out, or its answer cannot be trusted.
    func update(_ server: DNSServer, _ request: DNSRequest, _ key: TSIGKey?, time: Int64) async throws {
        guard let key else {
            let answer = try await DNSExchange.run(request, with: server, over: .stream, within: streamLimit).message
            return try check(answer, server, request)
        }
        guard let signature = TSIG(request, key, time: time) else { throw DNSError.outOfMemory }
        let answer = try await DNSExchange.run(
            request, signature.signedRequest, with: server, over: .stream, within: streamLimit)
        let fault = signature.fault(answer.bytes, answer.message, time: time)
        // A refusal need not be signed (RFC 8945 §5.2): nobody gains by a forged one.
        if answer.message.code != .success { return try check(answer.message, server, request) }
        switch fault {
        case nil: return
        case .missing: throw DNSError.unsigned(server)
        case .wrong(let fault): throw DNSError.badSignature(server, fault)
        }
    }

    private func check(_ answer: DNSMessage, _ server: DNSServer, _ request: DNSRequest) throws {
        guard answer.code != .success else { return }
        throw DNSError.updateRefused(
            server, zone: request.question.name, answer.code, answer.signature.flatMap { TSIGFault(rawValue: $0.error) })
    }
}
