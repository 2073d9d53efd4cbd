/// Where the records of a message begin. It is read before libldns reads the message, which then has to do with sane
/// messages only: a compression pointer leads back (RFC 1035 §4.1.4: to a prior occurrence), so no name can be a loop;
/// no length leads out of the message; and there is at most one OPT and one TSIG record, which libldns keeps.
struct MessageLayout {
    static let headerLength = 12
    /// TSIG and OPT (RFC 8945 §4.2, RFC 6891 §6.1.1).
    private static let signature: UInt16 = 250, options: UInt16 = 41

    /// Where the TSIG record begins, which must be the last record (RFC 8945 §5.1).
    private(set) var signatureStart: Int?

    /// `nil` if it is no message.
    init?(_ message: [UInt8]) {
        guard message.count >= Self.headerLength else { return nil }
        let counts = (0..<4).map { Self.number(message, 4 + 2 * $0) }
        var at = Self.headerLength
        for _ in 0..<counts[0] {
            guard let end = Self.skipName(message, at), end + 4 <= message.count else { return nil }
            at = end + 4
        }
        var options = 0
        for _ in 0..<(counts[1] + counts[2] + counts[3]) {
            guard signatureStart == nil, let end = Self.skipName(message, at), end + 10 <= message.count else { return nil }
            let next = end + 10 + Self.number(message, end + 8)
            guard next <= message.count else { return nil }
            switch UInt16(Self.number(message, end)) {
            case Self.signature: signatureStart = at
            case Self.options: options += 1
            default: break
            }
            at = next
        }
        guard at == message.count, options <= 1 else { return nil }
    }

    /// A 16-bit number; the caller has checked that it is there.
    private static func number(_ message: [UInt8], _ at: Int) -> Int { Int(message[at]) << 8 | Int(message[at + 1]) }

    /// The place after a name.
    private static func skipName(_ message: [UInt8], _ start: Int) -> Int? {
        var at = start
        while at < message.count {
            let length = Int(message[at])
            switch length {
            case 0: return at + 1
            case 1...63: at += 1 + length
            case 0xC0...0xFF:
                guard at + 1 < message.count, (headerLength..<start).contains(number(message, at) & 0x3FFF) else { return nil }
                return at + 2
            default: return nil
            }
        }
        return nil
    }
}
