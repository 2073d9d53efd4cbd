/// The Retry-After header (RFC 9110 §10.2.3, RFC 8555 §6.6 and §7.5.1).
public enum RetryAfter {
    /// Longer than any date.
    static let maximumLength = 64

    /// Seconds to wait: a delay, or the time until an HTTP date (0 if it is past). RFC 9110 has no fractions, but some
    /// CAs send them; they are rounded up. Not clamped: a CA may say 10^9, and the caller knows its own limit. A number
    /// beyond 64 bits is `Int64.max`. `nil` if the value is neither.
    /// - Parameter now: Unix seconds.
    public static func seconds(_ value: String, now: Int64) -> Int64? {
        let text = value.utf8.drop { $0 == 0x20 || $0 == 0x09 }
        let trimmed = String(decoding: text.reversed().drop { $0 == 0x20 || $0 == 0x09 }.reversed(), as: UTF8.self)
        guard (1...maximumLength).contains(trimmed.utf8.count) else { return nil }
        let parts = trimmed.utf8.split(separator: UInt8(ascii: "."), maxSplits: 1, omittingEmptySubsequences: false)
        if let whole = parts.first, parts.allSatisfy({ !$0.isEmpty && $0.allSatisfy((UInt8(ascii: "0")...UInt8(ascii: "9")).contains) }) {
            guard let seconds = Int64(String(decoding: whole, as: UTF8.self)), seconds < Int64.max else { return Int64.max }
            return parts.dropFirst().contains { $0.contains { $0 != UInt8(ascii: "0") } } ? seconds + 1 : seconds
        }
        guard let date = HTTPDate.seconds(trimmed, now: now) else { return nil }
        let (wait, overflow) = date.subtractingReportingOverflow(now)
        return overflow ? nil : max(wait, 0)
    }
}
