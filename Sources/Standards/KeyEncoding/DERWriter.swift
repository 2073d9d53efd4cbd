/// Writes the few DER forms (X.690) that keys and signatures have.
package enum DERWriter {
    package static func element(_ tag: DERTag, _ parts: [UInt8]...) -> [UInt8] {
        let length = parts.reduce(0) { $0 + $1.count }
        var result: [UInt8] = []
        result.reserveCapacity(length + 5)
        result.append(tag.rawValue)
        if length < 0x80 {
            result.append(UInt8(length))
        } else {
            var digits: [UInt8] = []
            var rest = length
            while rest > 0 {
                digits.insert(UInt8(truncatingIfNeeded: rest), at: 0)
                rest >>= 8
            }
            result.append(0x80 | UInt8(digits.count))
            result.append(contentsOf: digits)
        }
        for part in parts { result.append(contentsOf: part) }
        return result
    }

    /// An INTEGER from an unsigned big-endian number of any width.
    package static func unsignedInteger(_ magnitude: some Collection<UInt8>) -> [UInt8] {
        var content = Array(magnitude.drop { $0 == 0 })
        if content.first.map({ $0 >= 0x80 }) ?? true { content.insert(0, at: 0) }
        return element(.integer, content)
    }
}
