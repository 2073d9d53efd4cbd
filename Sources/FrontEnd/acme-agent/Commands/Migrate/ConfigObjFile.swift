/// A file in the syntax of Python's configobj, as certbot writes its renewal files: keys with values or lists of values,
/// in sections in brackets, one more pair of brackets for each level. Nothing in it is evaluated.
struct ConfigObjFile {
    /// The values of each section by key; the section's names from the outside in.
    private(set) var sections: [[String]: [String: [String]]] = [[]: [:]]

    /// - Throws: `ForeignFault` with the line.
    init(_ text: String) throws(ForeignFault) {
        var lines = text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated().makeIterator()
        var section: [String] = []
        while let (index, line) = lines.next() {
            let number = index + 1
            let bytes = ConfigObjFile.trimmed(Array(line)[...])
            guard let first = bytes.first, first != UInt8(ascii: "#") else { continue }
            if first == UInt8(ascii: "[") {
                section = try ConfigObjFile.header(bytes, in: section, number)
                guard sections.updateValue([:], forKey: section) == nil else {
                    throw ForeignFault(line: number, "the section \(section.joined(separator: " ")) occurs twice")
                }
                continue
            }
            guard let equals = bytes.firstIndex(of: UInt8(ascii: "=")) else {
                throw ForeignFault(line: number, "neither a section nor a key with a value")
            }
            let key = ConfigObjFile.unquoted(ConfigObjFile.trimmed(bytes[..<equals]))
            var value = ConfigObjFile.trimmed(bytes[bytes.index(after: equals)...])
            guard !key.isEmpty else { throw ForeignFault(line: number, "a value without a key") }
            let values: [String]
            if let quotes = ConfigObjFile.tripled.first(where: { value.starts(with: $0) }) {
                value = value.dropFirst(3)
                var content: [UInt8] = []
                while true {
                    if let end = value.firstRange(of: quotes) {
                        content += value[..<end.lowerBound]
                        break
                    }
                    guard let (_, next) = lines.next() else { throw ForeignFault(line: number, "the quotes of a value have no end") }
                    content += value + [UInt8(ascii: "\n")]
                    value = Array(next)[...]
                }
                values = [String(decoding: content, as: UTF8.self)]
            } else {
                values = try ConfigObjFile.values(value, number)
            }
            guard sections[section, default: [:]].updateValue(values, forKey: key) == nil else {
                throw ForeignFault(line: number, "a key occurs twice")
            }
        }
    }

    /// Every value of a key; empty if it is missing.
    func values(_ key: String, in section: [String]) -> [String] { sections[section]?[key] ?? [] }

    /// A single value; `nil` if it is missing, empty or `None`.
    func value(_ key: String, in section: [String]) -> String? {
        // A hook may contain a comma, which configobj reads as a list.
        let text = values(key, in: section).joined(separator: ", ")
        return text.isEmpty || text == "None" ? nil : text
    }

    private static let tripled = [Array("'''".utf8), Array("\"\"\"".utf8)]

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0D }

    private static func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var bytes = bytes.drop(while: isSpace)
        while let last = bytes.last, isSpace(last) { bytes.removeLast() }
        return bytes
    }

    private static func unquoted(_ bytes: ArraySlice<UInt8>) -> String {
        var bytes = bytes
        if bytes.count >= 2, let first = bytes.first, first == 0x22 || first == 0x27, bytes.last == first {
            bytes = bytes.dropFirst().dropLast()
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// `[a]`, `[[b]]`: as many brackets as levels.
    private static func header(_ bytes: ArraySlice<UInt8>, in section: [String], _ line: Int) throws(ForeignFault) -> [String] {
        let depth = bytes.prefix { $0 == UInt8(ascii: "[") }.count
        let rest = bytes.dropFirst(depth)
        guard let end = rest.firstIndex(of: UInt8(ascii: "]")), rest[end...].prefix(while: { $0 == UInt8(ascii: "]") }).count == depth,
            depth <= section.count + 1
        else { throw ForeignFault(line: line, "the brackets of a section do not match") }
        let after = trimmed(rest[end...].dropFirst(depth))
        guard after.isEmpty || after.first == UInt8(ascii: "#") else { throw ForeignFault(line: line, "text after a section") }
        return section.prefix(depth - 1) + [unquoted(trimmed(rest[..<end]))]
    }

    /// Values between commas, each perhaps in quotes, up to a comment.
    private static func values(_ text: ArraySlice<UInt8>, _ line: Int) throws(ForeignFault) -> [String] {
        var rest = text, values: [String] = []
        while true {
            rest = trimmed(rest)
            guard let first = rest.first, first != UInt8(ascii: "#") else { return values }
            if first == 0x22 || first == 0x27 {
                guard let end = rest.dropFirst().firstIndex(of: first) else {
                    throw ForeignFault(line: line, "the quotes of a value have no end")
                }
                values.append(String(decoding: rest.dropFirst()[..<end], as: UTF8.self))
                rest = trimmed(rest[rest.index(after: end)...])
            } else {
                let end = rest.firstIndex { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: "#") } ?? rest.endIndex
                values.append(String(decoding: trimmed(rest[..<end]), as: UTF8.self))
                rest = rest[end...]
            }
            if rest.first == UInt8(ascii: ",") {
                rest = rest.dropFirst()
            } else {
                guard rest.isEmpty || rest.first == UInt8(ascii: "#") else {
                    throw ForeignFault(line: line, "text after a value in quotes")
                }
                return values
            }
        }
    }
}
