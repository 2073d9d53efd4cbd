/// Links of a response with their relation (RFC 8288 §3): `<https://…>;rel="alternate"`.
enum LinkHeader {
    /// A CA has a handful of alternate chains.
    static let maximumLinks = 20

    /// The targets with that relation, in order, without malformed links.
    static func targets(_ values: [String], relation: String) -> [String] {
        var result: [String] = []
        for value in values {
            var rest = Array(value.utf8)[...]
            while let link = next(&rest) {
                if link.relations.contains(relation) { result.append(link.target) }
                if result.count == maximumLinks { return result }
            }
        }
        return result
    }

    private static func next(_ rest: inout ArraySlice<UInt8>) -> (target: String, relations: [String])? {
        rest = rest.drop { $0 == UInt8(ascii: ",") || isSpace($0) }
        guard rest.first == UInt8(ascii: "<"), let end = rest.firstIndex(of: UInt8(ascii: ">")) else { return nil }
        let target = String(decoding: rest[rest.index(after: rest.startIndex)..<end], as: UTF8.self)
        rest = rest[(end + 1)...]
        // Parameters up to the next comma outside quotes.
        var parameters: [[UInt8]] = []
        var current: [UInt8] = []
        var isQuoted = false
        scan: while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "\""): isQuoted.toggle()
            case UInt8(ascii: ";") where !isQuoted:
                parameters.append(current)
                current = []
            case UInt8(ascii: ",") where !isQuoted: break scan
            default: current.append(byte)
            }
        }
        parameters.append(current)
        for parameter in parameters {
            let parts = parameter.split(separator: UInt8(ascii: "="), maxSplits: 1)
            guard parts.count == 2, text(parts[0]).lowercased() == "rel" else { continue }
            // RFC 8288 §3.3: only the first `rel` counts; it may name several relations.
            return (target, text(parts[1]).lowercased().split(separator: " ").map(String.init))
        }
        return (target, [])
    }

    private static func text(_ bytes: ArraySlice<UInt8>) -> String {
        String(decoding: bytes.drop { isSpace($0) }.reversed().drop { isSpace($0) }.reversed(), as: UTF8.self)
    }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }
}
