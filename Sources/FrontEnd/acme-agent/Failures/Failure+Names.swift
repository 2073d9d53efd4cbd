import ACME

extension Failure {
    /// Says of what cannot be in a certificate what it is: a URL, a name with a port or a path, an address in brackets,
    /// several names.
    init(notAName text: String, _ error: IdentifierError) {
        let shown = "\"\(TerminalText.safe(text, limit: 100))\""
        let names = text.split { $0 == " " || $0 == "\t" || $0 == "\n" }
        if names.count > 1, names.allSatisfy({ (try? Identifier(argument: String($0))) != nil }) {
            self = .usage("\(shown) has a space in it", hint: "put a comma between names: -d \(names.joined(separator: ","))")
        } else if let (host, what) = Failure.host(in: text), let identifier = try? Identifier(argument: host) {
            self = .usage(
                "\(shown) \(what); a certificate is for names and addresses alone", hint: "give the name alone: -d \(identifier.value)")
        } else {
            self = .usage("\(shown) cannot be in a certificate: \(error)")
        }
    }

    /// The host of a URL of any scheme, or of what is like one, with words for what surrounds it (RFC 3986 §3).
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

    /// A colon with a number after it, or with none.
    private static func isPort(_ text: Substring) -> Bool { text.first == ":" && text.dropFirst().allSatisfy(\.isWholeNumber) }
}
