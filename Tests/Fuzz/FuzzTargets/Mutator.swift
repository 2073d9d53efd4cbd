import TokenTestSupport

/// Changes inputs at random, the same way for the same seed: bytes, tokens, numbers, copied and removed ranges, and
/// parts of two inputs.
public struct Mutator {
    private var random: SeededGenerator
    private let tokens: [[UInt8]]
    private let longest: Int

    /// Bytes at which readers decide.
    private static let edges: [UInt8] = [0x00, 0x01, 0x0A, 0x20, 0x22, 0x2E, 0x30, 0x5C, 0x7F, 0x80, 0x81, 0x84, 0xC0, 0xFE, 0xFF]

    public init(seed: UInt64, tokens: [[UInt8]], longest: Int) {
        random = SeededGenerator(state: seed)
        self.tokens = tokens
        self.longest = longest
    }

    public mutating func index(below count: Int) -> Int { count > 0 ? Int.random(in: 0..<count, using: &random) : 0 }

    /// An input made of one, or of two.
    public mutating func mutated(_ input: [UInt8], with other: [UInt8]) -> [UInt8] {
        var bytes = input
        for _ in 0..<Int.random(in: 1...5, using: &random) { change(&bytes, other) }
        if bytes.count > longest { bytes.removeLast(bytes.count - longest) }
        return bytes
    }

    private mutating func change(_ bytes: inout [UInt8], _ other: [UInt8]) {
        let at = index(below: bytes.count)
        switch Int.random(in: 0..<11, using: &random) {
        case 0 where !bytes.isEmpty: bytes[at] = UInt8.random(in: .min ... .max, using: &random)
        case 1 where !bytes.isEmpty: bytes[at] ^= 1 << UInt8.random(in: 0..<8, using: &random)
        case 2 where !bytes.isEmpty: bytes[at] = Mutator.edges[index(below: Mutator.edges.count)]
        case 3: bytes.insert(Mutator.edges[index(below: Mutator.edges.count)], at: at)
        case 4, 5:
            guard !tokens.isEmpty else { return }
            bytes.insert(contentsOf: tokens[index(below: tokens.count)], at: at)
        case 6: bytes.removeSubrange(range(of: bytes.count, at: at))
        case 7: bytes.insert(contentsOf: bytes[range(of: bytes.count, at: at)], at: index(below: bytes.count))
        case 8: bytes.insert(contentsOf: other[range(of: other.count, at: index(below: other.count))], at: at)
        case 9: bytes = Array(bytes[..<at]) + other[index(below: other.count)...]
        default: changeNumber(&bytes, at)
        }
    }

    /// Short ranges more often than long ones.
    private mutating func range(of count: Int, at: Int) -> Range<Int> {
        guard at < count else { return at..<at }
        let length = Bool.random(using: &random) ? Int.random(in: 1...8, using: &random) : Int.random(in: 1...256, using: &random)
        return at..<min(at + length, count)
    }

    /// A decimal number after a place becomes one at which integers end.
    private mutating func changeNumber(_ bytes: inout [UInt8], _ at: Int) {
        func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }
        guard let start = bytes[at...].firstIndex(where: isDigit) else { return }
        let end = bytes[start...].firstIndex { !isDigit($0) } ?? bytes.endIndex
        let numbers = ["0", "1", "255", "256", "65536", "2147483648", "4294967295", "9223372036854775807", "18446744073709551616", "00"]
        bytes.replaceSubrange(start..<end, with: numbers[index(below: numbers.count)].utf8)
    }
}
