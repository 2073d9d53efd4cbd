import KeyEncoding

/// The form of a PKCS#11 URI (RFC 7512 §2.3), checked strictly before p11-kit reads it. p11-kit drops blanks, takes the
/// last of several attributes with the same name, reads nothing after an empty one and ignores what it does not know, so
/// that a URI would match more than it says.
struct TokenURIText {
    /// Names of the query's attributes (§2.4).
    private(set) var queryNames: [String] = []

    /// §2.3, `pk11-pattr` without vendor attributes.
    static let pathNames: Set<String> = [
        "token", "manufacturer", "serial", "model", "library-manufacturer", "library-version", "library-description", "object", "type",
        "id",
        "slot-manufacturer", "slot-description", "slot-id",
    ]
    /// §2.3, `pk11-v-type`.
    static let types: Set<String> = ["public", "private", "cert", "secret-key", "data"]

    /// Throws `invalidURI`. A path attribute that is not known matches nothing (§2.5), so it is an error; an unknown
    /// query attribute is ignored.
    init(_ text: String) throws(PKCS11Error) {
        guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw .invalidURI(reason: "it has a blank or a non-ASCII character; percent-encode it")
        }
        guard !text.utf8.contains(UInt8(ascii: "#")) else {
            throw .invalidURI(reason: "it has a fragment (\"#\"); write %23 for the character")
        }
        let scheme = "pkcs11:"
        guard text.prefix(scheme.count).lowercased() == scheme else { throw .invalidURI(reason: "it does not begin with \"pkcs11:\"") }
        let parts = text.dropFirst(scheme.count).split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        var names: Set<String> = []
        var attributes = parts.first?.split(separator: ";", omittingEmptySubsequences: false) ?? []
        // Nothing comes after an empty one at the end.
        if attributes.last?.isEmpty == true { attributes.removeLast() }
        for attribute in attributes {
            guard !attribute.isEmpty else { throw .invalidURI(reason: "it has an empty attribute: \";\" at its start, or twice in a row") }
            let (name, value) = try Self.attribute(attribute)
            guard Self.pathNames.contains(name) else {
                throw .invalidURI(
                    reason: "its attribute \"\(name)\" is not known, so it matches nothing (RFC 7512 section 2.5)")
            }
            guard names.insert(name).inserted else { throw .invalidURI(reason: "it has \"\(name)\" twice") }
            try Self.check(name, value)
        }
        guard parts.count > 1 else { return }
        for attribute in parts[1].split(separator: "&") {
            let (name, _) = try Self.attribute(attribute)
            queryNames.append(name)
        }
    }

    private static func attribute(_ text: Substring) throws(PKCS11Error) -> (name: String, value: Substring) {
        guard let equals = text.firstIndex(of: "=") else { throw .invalidURI(reason: "\"\(text)\" has no \"=\"") }
        let value = text[text.index(after: equals)...]
        var bytes = value.utf8[...]
        while let percent = bytes.firstIndex(of: UInt8(ascii: "%")) {
            let digits = bytes[percent...].dropFirst().prefix(2)
            guard digits.count == 2, Hexadecimal.decode(bytes: digits) != nil else {
                throw .invalidURI(reason: "a \"%\" is not followed by two hexadecimal digits")
            }
            bytes = bytes[percent...].dropFirst(3)
        }
        return (String(text[..<equals]), value)
    }

    private static func check(_ name: String, _ value: Substring) throws(PKCS11Error) {
        switch name {
        case "type":
            guard types.contains(String(value)) else { throw .invalidURI(reason: "its type \"\(value)\" is not known") }
        case "slot-id":
            // p11-kit uses the largest number for "none".
            guard value.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = UInt(value), number != .max else {
                throw .invalidURI(reason: "its slot-id is not a number")
            }
        case "id": break
        default:
            guard !value.contains("%00") else { throw .invalidURI(reason: "its \"\(name)\" has a NUL") }
        }
    }
}
