/// Writes one frame's fields: integers little-endian, byte strings with a 32-bit length before them.
struct FrameWriter {
    private(set) var bytes: [UInt8]
    private let start: Int

    /// Begins a frame after the content of `bytes`, with room for the length, the request number and the kind.
    init(appendingTo bytes: [UInt8], id: UInt32, kind: UInt8) {
        self.bytes = bytes
        start = bytes.count
        integer(0)
        integer(id)
        byte(kind)
    }

    mutating func byte(_ value: UInt8) { bytes.append(value) }

    mutating func integer(_ value: UInt32) { withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) } }

    mutating func long(_ value: UInt64) { withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) } }

    mutating func data(_ value: some Collection<UInt8>) {
        integer(UInt32(truncatingIfNeeded: value.count))
        bytes.append(contentsOf: value)
    }

    mutating func text(_ value: String) { data(value.utf8) }

    mutating func optionalText(_ value: String?) {
        byte(value == nil ? 0 : 1)
        if let value { text(value) }
    }

    /// A text for people: cut at its limit but never within a character, so that it arrives in any case.
    mutating func shortened(_ value: String, limit: Int) {
        guard value.utf8.count > limit else { return text(value) }
        var kept: [UInt8] = []
        for scalar in value.unicodeScalars {
            let encoded = UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter
            guard kept.count + encoded.count <= limit else { break }
            kept.append(contentsOf: encoded)
        }
        data(kept)
    }

    mutating func optionalShortened(_ value: String?, limit: Int) {
        byte(value == nil ? 0 : 1)
        if let value { shortened(value, limit: limit) }
    }

    mutating func bool(_ value: Bool) { byte(value ? 1 : 0) }

    /// Fills in the length and returns the bytes.
    mutating func finish() -> [UInt8] {
        let length = UInt32(truncatingIfNeeded: bytes.count - start - 4)
        for index in 0..<4 { bytes[start + index] = UInt8(truncatingIfNeeded: length >> UInt32(8 * index)) }
        return bytes
    }
}
