/// Converts RFC 3339 timestamps, which ACME uses (RFC 8555 §7.1), to and from Unix seconds.
public enum RFC3339 {
    /// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z: the range of a four-digit year.
    static let range: ClosedRange<Int64> = -62_135_596_800...253_402_300_799

    /// Longer than any timestamp with nanoseconds.
    static let maximumLength = 64

    /// Unix seconds; a fraction is dropped. `nil` if the text is not an RFC 3339 date-time, or if its offset or leap
    /// second leads out of the four-digit years: `string` could not write it again.
    public static func seconds(_ text: String) -> Int64? {
        guard text.utf8.count <= maximumLength else { return nil }
        var reader = FieldReader(text)
        guard let year = reader.digits(4), reader.skip("-"), let month = reader.digits(2), reader.skip("-"), let day = reader.digits(2),
            reader.skip("T") || reader.skip("t"), let hour = reader.digits(2), reader.skip(":"), let minute = reader.digits(2),
            reader.skip(":"), let second = reader.digits(2)
        else { return nil }
        if reader.skip(".") { guard !reader.allDigits().isEmpty else { return nil } }
        guard let offset = offset(&reader), reader.isAtEnd else { return nil }
        return CivilDate.seconds(year: year, month: month, day: day, hour: hour, minute: minute, second: second)
            .map { $0 - offset }.flatMap { range.contains($0) ? $0 : nil }
    }

    /// `Z` or a numeric offset, in seconds east of UTC.
    private static func offset(_ reader: inout FieldReader) -> Int64? {
        if reader.skip("Z") || reader.skip("z") { return 0 }
        let isEast = reader.skip("+")
        guard isEast || reader.skip("-"), let hour = reader.digits(2), reader.skip(":"), let minute = reader.digits(2), hour <= 23,
            minute <= 59
        else { return nil }
        return (hour * 3600 + minute * 60) * (isEast ? 1 : -1)
    }

    /// `2026-11-24T23:43:00Z`; a time beyond the four-digit years becomes the nearest one within them.
    public static func string(_ seconds: Int64) -> String { String(decoding: bytes(seconds), as: UTF8.self) }

    /// The same with milliseconds: `2026-11-24T23:43:00.123Z`.
    /// - Parameter milliseconds: 0 to 999; others are clamped.
    public static func string(_ seconds: Int64, milliseconds: Int) -> String {
        var text = bytes(seconds)
        text.removeLast()
        text.append(UInt8(ascii: "."))
        append(Int64(min(max(milliseconds, 0), 999)), digits: 3, to: &text)
        text.append(UInt8(ascii: "Z"))
        return String(decoding: text, as: UTF8.self)
    }

    private static func bytes(_ seconds: Int64) -> [UInt8] {
        let seconds = min(max(seconds, range.lowerBound), range.upperBound)
        let day = seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400
        let time = seconds - day * 86_400
        let date = CivilDate.date(day: day)
        var text: [UInt8] = []
        text.reserveCapacity(24)
        append(date.year, digits: 4, to: &text)
        text.append(UInt8(ascii: "-"))
        append(date.month, digits: 2, to: &text)
        text.append(UInt8(ascii: "-"))
        append(date.day, digits: 2, to: &text)
        text.append(UInt8(ascii: "T"))
        append(time / 3600, digits: 2, to: &text)
        text.append(UInt8(ascii: ":"))
        append(time / 60 % 60, digits: 2, to: &text)
        text.append(UInt8(ascii: ":"))
        append(time % 60, digits: 2, to: &text)
        text.append(UInt8(ascii: "Z"))
        return text
    }

    private static func append(_ value: Int64, digits: Int, to text: inout [UInt8]) {
        var divisor: Int64 = 1
        for _ in 1..<digits { divisor *= 10 }
        while divisor > 0 {
            text.append(UInt8(ascii: "0") + UInt8(value / divisor % 10))
            divisor /= 10
        }
    }
}
