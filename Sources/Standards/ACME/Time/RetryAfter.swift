/// The Retry-After header (RFC 9110 §10.2.3, RFC 8555 §6.6 and §7.5.1).
public enum RetryAfter {
    /// Longer than any date.
    static let maximumLength = 64

    /// Seconds to wait: those of a delay, or those until an HTTP date (0 for one that is past). Not clamped: a CA may say 10^9, and the
    /// caller knows what it can bear; a number beyond 64 bits is `Int64.max`. `nil` where the value is neither.
    /// - Parameter now: Unix seconds.
    public static func seconds(_ value: String, now: Int64) -> Int64? {
        let text = value.utf8.drop { $0 == 0x20 || $0 == 0x09 }
        let trimmed = String(decoding: text.reversed().drop { $0 == 0x20 || $0 == 0x09 }.reversed(), as: UTF8.self)
        guard (1...maximumLength).contains(trimmed.utf8.count) else { return nil }
        if trimmed.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) { return Int64(trimmed) ?? Int64.max }
        guard let date = HTTPDate.seconds(trimmed, now: now) else { return nil }
        let (wait, overflow) = date.subtractingReportingOverflow(now)
        return overflow ? nil : max(wait, 0)
    }
}
