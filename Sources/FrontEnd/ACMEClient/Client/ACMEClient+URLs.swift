import ACME

/// The URLs in a CA's answer are checked once, when the answer is read: no step starts that would end at a URL for
/// which no request can be signed.
extension ACMEClient {
    /// Checks a URL in an answer about an order; the account will sign a request for it.
    /// - Parameters:
    ///   - member: its name in the answer.
    ///   - answered: the URL of the request.
    func check(_ url: ACMEURL, _ member: String, of answered: ACMEURL) throws(ACMEClientError) {
        try checkServer(url, member, of: answered)
        guard let account, Self.resource(url) == Self.resource(account) else { return }
        throw Self.refusal(member, "is the account's URL", of: answered)
    }

    /// The server must be the directory's, to which the account's key is bound.
    func checkServer(_ url: ACMEURL, _ member: String, of answered: ACMEURL) throws(ACMEClientError) {
        if let reason = objection(to: url) { throw Self.refusal(member, reason, of: answered) }
    }

    /// Checks the URL of a new resource: it must not be one of the directory's URLs.
    func checkMade(_ url: ACMEURL, _ directory: Directory, of answered: ACMEURL) throws(ACMEClientError) {
        let others = [
            directoryURL, directory.newNonce, directory.newAccount, directory.newOrder, directory.revokeCert, directory.keyChange,
        ].compactMap(\.self)
        guard others.contains(where: { Self.resource($0) == Self.resource(url) }) else { return }
        throw Self.refusal("Location", "is one of the directory's URLs", of: answered)
    }

    /// Why no request of any kind can be signed for a URL; part of a sentence.
    func objection(to url: ACMEURL) -> String? {
        url.origin == directoryURL.origin ? nil : "is on another server than the CA's directory: \(url.origin)"
    }

    static func refusal(_ member: String, _ reason: String, of answered: ACMEURL) -> ACMEClientError {
        .invalidDocument(url: answered, reason: "the CA's answer to \(answered) cannot be used: \(member) \(reason)")
    }

    /// Without the query and trailing slashes, which a server may ignore.
    private static func resource(_ url: ACMEURL) -> Substring {
        var text = url.text.prefix { $0 != "?" }
        while text.last == "/" { text.removeLast() }
        return text
    }
}
