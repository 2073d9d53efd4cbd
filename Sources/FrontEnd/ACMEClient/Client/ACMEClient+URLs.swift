import ACME

/// URLs that a CA answers with are looked at once, when the answer is read: nothing is begun that ends at a URL for
/// which no request can be signed.
extension ACMEClient {
    /// Bytes of a URL. The agent takes no longer text; the URLs of CAs have some 100.
    static let maximumURLLength = 1024

    /// Checks a URL in an answer about an order, for which a request of the account is to be signed.
    /// - Parameters:
    ///   - member: what the answer calls it.
    ///   - answered: the URL that was asked.
    func check(_ url: ACMEURL, _ member: String, of answered: ACMEURL) throws(ACMEClientError) {
        try checkServer(url, member, of: answered)
        guard let account, Self.resource(url) == Self.resource(account) else { return }
        throw Self.refusal(member, "is the account's URL", of: answered)
    }

    /// The server must be that of the directory, to which the account's key is bound.
    func checkServer(_ url: ACMEURL, _ member: String, of answered: ACMEURL) throws(ACMEClientError) {
        if let reason = objection(to: url) { throw Self.refusal(member, reason, of: answered) }
    }

    /// The URL of something that was made: nothing else of the CA is there.
    func checkMade(_ url: ACMEURL, _ directory: Directory, of answered: ACMEURL) throws(ACMEClientError) {
        let others = [
            directoryURL, directory.newNonce, directory.newAccount, directory.newOrder, directory.revokeCert, directory.keyChange,
        ].compactMap(\.self)
        guard others.contains(where: { Self.resource($0) == Self.resource(url) }) else { return }
        throw Self.refusal("Location", "is one of the directory's URLs", of: answered)
    }

    /// Why no request can be signed for a URL, whatever it is for; a sentence's part.
    func objection(to url: ACMEURL) -> String? {
        guard url.origin == directoryURL.origin else { return "is at another server than the CA's directory, \(url.origin)" }
        return url.text.utf8.count <= Self.maximumURLLength ? nil : "is longer than \(Self.maximumURLLength) bytes"
    }

    private static func refusal(_ member: String, _ reason: String, of answered: ACMEURL) -> ACMEClientError {
        .invalidDocument(url: answered, reason: "the CA's answer to \(answered) cannot be used: \(member) \(reason)")
    }

    /// Without query and slashes at the end, which a server may ignore.
    private static func resource(_ url: ACMEURL) -> Substring {
        var text = url.text.prefix { $0 != "?" }
        while text.last == "/" { text.removeLast() }
        return text
    }
}
