import JOSE

/// An account's contact (RFC 8555 §7.3): a `mailto:` URI (RFC 6068) with exactly one address and no header fields.
public struct Contact: Hashable, Sendable, CustomStringConvertible {
    /// RFC 5321 §4.5.3.1: 64 for the local part, 255 for the domain, one `@`, and the scheme.
    public static let maximumLength = 7 + 64 + 1 + 255

    /// Contacts of one account.
    public static let maximumCount = 10

    /// The URI, with the scheme.
    public let text: String

    /// - Parameter text: a `mailto:` URI.
    public init(_ text: String) throws(ContactError) {
        guard text.utf8.count <= Contact.maximumLength else { throw ContactError(text, "it is too long") }
        guard text.utf8.prefix(7).elementsEqual("mailto:".utf8) else { throw ContactError(text, "only mailto: is accepted") }
        let address = Array(text.utf8.dropFirst(7))
        for byte in address {
            switch byte {
            case UInt8(ascii: "?"): throw ContactError(text, "it may not have header fields (RFC 8555 §7.3)")
            case UInt8(ascii: ","): throw ContactError(text, "it has more than one address (RFC 8555 §7.3)")
            case 0x21...0x7E where !"\"#<>[\\]^`{|}();:".utf8.contains(byte): break
            case 0x80...: throw ContactError(text, "it has a character that is not ASCII")
            default: throw ContactError(text, "it has a character that is not allowed in an e-mail address")
            }
        }
        let parts = address.split(separator: UInt8(ascii: "@"), omittingEmptySubsequences: false)
        guard parts.count == 2, (1...64).contains(parts[0].count) else { throw ContactError(text, "it is not one e-mail address") }
        guard !parts[0].contains(UInt8(ascii: "%")) || Contact.isPercentEncoded(parts[0]) else {
            throw ContactError(text, "a percent sign must be followed by two hex digits of a printable character")
        }
        guard let domain = try? DNSName(String(decoding: parts[1], as: UTF8.self)), !domain.isWildcard else {
            throw ContactError(text, "the part after \"@\" is not a host name")
        }
        self.text = text
    }

    /// From an argument: `admin@example.org` or a `mailto:` URI.
    public init(argument: String) throws(ContactError) {
        try self.init(argument.utf8.prefix(7).elementsEqual("mailto:".utf8) ? argument : "mailto:" + argument)
    }

    /// Whether every `%` introduces a printable ASCII character that is not a separator; an encoded separator would be
    /// hidden.
    private static func isPercentEncoded(_ text: ArraySlice<UInt8>) -> Bool {
        var at = text.startIndex
        while at < text.endIndex {
            guard text[at] == UInt8(ascii: "%") else {
                at += 1
                continue
            }
            guard text.endIndex - at > 2, let value = Hexadecimal.decode(bytes: text[(at + 1)...(at + 2)])?.first,
                (0x21...0x7E).contains(value), !"@,?\r\n".utf8.contains(value)
            else { return false }
            at += 3
        }
        return true
    }

    public var description: String { text }

    static func validate(_ contacts: [String]) throws(ACMERequestError) {
        guard contacts.count <= maximumCount else {
            throw ACMERequestError(member: "contact", reason: "more than \(maximumCount) contacts")
        }
        for contact in contacts {
            do { _ = try Contact(contact) } catch { throw ACMERequestError(member: "contact", reason: error.description) }
        }
    }
}

/// Why a text is not a contact, as a sentence for a person.
public struct ContactError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The text, safe for a terminal.
    public let contact: String
    /// Part of a sentence.
    public let reason: String

    init(_ contact: String, _ reason: String) {
        self.contact = TerminalText.safe(contact, limit: 80)
        self.reason = reason
    }

    public var description: String { "\"\(contact)\" is not a contact: \(reason)" }
}
