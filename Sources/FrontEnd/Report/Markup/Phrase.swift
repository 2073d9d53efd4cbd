import ACME

/// Times and figures in words.
enum Phrase {
    /// `10,000`
    static func number(_ value: some BinaryInteger) -> String {
        let digits = Array(String(value.magnitude))
        var text = value < 0 ? "-" : ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text += "," }
            text.append(digit)
        }
        return text
    }

    /// `1 key`, `2 keys`
    static func count(_ value: some BinaryInteger, _ noun: String, plural: String? = nil) -> String {
        value == 1 ? "1 \(noun)" : "\(number(value)) \(plural ?? noun + "s")"
    }

    static func rfc3339(_ time: Int64) -> String { RFC3339.string(time) }
    /// `2026-11-29`, in UTC.
    static func day(_ time: Int64) -> String { String(RFC3339.string(time).prefix(10)) }
    /// `2026-11-29 01:47 UTC`
    static func moment(_ time: Int64) -> String {
        let text = RFC3339.string(time)
        return "\(text.prefix(10)) \(text.dropFirst(11).prefix(5)) UTC"
    }

    /// Whole days, or hours below two days: `in 43 days`, `5 hours ago`.
    static func distance(_ time: Int64, from now: Int64) -> String {
        let seconds = time.subtractingReportingOverflow(now)
        guard !seconds.overflow else { return time > now ? "far in the future" : "long ago" }
        let magnitude = seconds.partialValue.magnitude
        let words =
            magnitude >= 2 * 86_400
            ? count(magnitude / 86_400, "day") : magnitude >= 3_600 ? count(magnitude / 3_600, "hour") : "under an hour"
        return seconds.partialValue >= 0 ? "in \(words)" : "\(words) ago"
    }

    /// The beginning of a fingerprint or another long name that no person compares by eye.
    static func short(_ text: String, _ length: Int = 16) -> String { text.count > length ? text.prefix(length) + "…" : text }
}
