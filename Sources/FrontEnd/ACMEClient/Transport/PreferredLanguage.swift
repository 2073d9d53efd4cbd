/// The user's language for a CA's messages to people (RFC 8555 §6.1: Accept-Language).
public enum PreferredLanguage {
    /// The field's value, from a locale as in `LC_ALL`, `LC_MESSAGES` or `LANG`: `de_AT.UTF-8` gives
    /// `de-AT, de;q=0.9, en;q=0.5`.
    public static func fieldValue(locale: String?) -> String {
        let name = (locale ?? "").prefix { $0 != "." && $0 != "@" }
        let parts = name.split(separator: "_", omittingEmptySubsequences: false)
        guard let language = parts.first, (2...3).contains(language.utf8.count), language.utf8.allSatisfy(isLetter),
            parts.count < 3
        else { return "en" }
        let base = language.lowercased()
        var values = [base]
        if parts.count == 2, parts[1].utf8.count == 2, parts[1].utf8.allSatisfy(isLetter) {
            values = ["\(base)-\(parts[1].uppercased())", "\(base);q=0.9"]
        }
        if base != "en" { values.append("en;q=0.5") }
        return values.joined(separator: ", ")
    }

    private static func isLetter(_ byte: UInt8) -> Bool { (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20) }
}
