import ACME

extension Failure {
    /// Explains why a text cannot be a name in a certificate: it is a URL, has a port or a path, is an address in
    /// brackets, or has several names.
    init(notAName text: String, _ error: IdentifierError) {
        let shown = "\"\(TerminalText.safe(text, limit: 100))\""
        let names = text.split { $0 == " " || $0 == "\t" || $0 == "\n" }
        if names.count > 1, names.allSatisfy({ (try? Identifier(argument: String($0))) != nil }) {
            self = .usage("\(shown) contains a space", hint: "put a comma between names: -d \(names.joined(separator: ","))")
        } else if let (host, what) = Failure.host(in: text), let identifier = try? Identifier(argument: host) {
            self = .usage(
                "\(shown) \(what); a certificate has only names and addresses", hint: "give only the name: -d \(identifier.value)")
        } else {
            self = .usage("\(shown) cannot be in a certificate: \(error)")
        }
    }

    /// The host of a URL or a similar text, with a phrase for what surrounds it (RFC 3986 §3).
    private static func host(in text: String) -> (host: String, what: String)? {
        var rest = text[...], what: String?
        if let scheme = rest.firstRange(of: "://") {
            rest = rest[scheme.upperBound...]
            what = "is a URL"
        }
        if let end = rest.firstIndex(where: { "/?#".contains($0) }) {
            rest = rest[..<end]
            what = what ?? "has a path"
        }
        if let at = rest.lastIndex(of: "@") {
            guard what != nil else { return nil }
            rest = rest[rest.index(after: at)...]
        }
        if rest.first == "[", let bracket = rest.firstIndex(of: "]") {
            let after = rest[rest.index(after: bracket)...]
            guard after.isEmpty || isPort(after) else { return nil }
            return (String(rest[..<bracket].dropFirst()), what ?? (after.isEmpty ? "is in brackets" : "has a port"))
        }
        if let colon = rest.firstIndex(of: ":"), isPort(rest[colon...]) {
            rest = rest[..<colon]
            what = what ?? "has a port"
        }
        return what.map { (String(rest), $0) }
    }

    /// A colon, with or without a number after it.
    private static func isPort(_ text: Substring) -> Bool { text.first == ":" && text.dropFirst().allSatisfy(\.isWholeNumber) }
}
