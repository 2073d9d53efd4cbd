import ACME

/// Which keys a grant is for: one name, or every name that begins with a prefix (`web-*`), or all (`*`).
public enum KeyPattern: Hashable, Sendable, CustomStringConvertible {
    case name(KeyName)
    case prefix(String)

    /// Reads `name` or `prefix*`; a star anywhere else is refused, since it would not mean what it seems to mean.
    /// - Throws: `PatternError`.
    public init(_ text: String) throws(PatternError) {
        if text.utf8.elementsEqual("*".utf8) {
            self = .prefix("")
            return
        }
        let isPrefix = text.utf8.last == UInt8(ascii: "*")
        let name = isPrefix ? String(decoding: text.utf8.dropLast(), as: UTF8.self) : text
        guard !name.utf8.contains(UInt8(ascii: "*")) else { throw PatternError(text, "a star is allowed only at the end of a key's name") }
        do throws(KeyNameError) {
            let key = try KeyName(name)
            self = isPrefix ? .prefix(name) : .name(key)
        } catch {
            throw PatternError(text, error.reason)
        }
    }

    public func covers(_ key: KeyName) -> Bool {
        switch self {
        case .name(let name): key == name
        case .prefix(let prefix): key.rawValue.utf8.starts(with: prefix.utf8)
        }
    }

    public var description: String {
        switch self {
        case .name(let name): name.rawValue
        case .prefix(let prefix): prefix + "*"
        }
    }
}
