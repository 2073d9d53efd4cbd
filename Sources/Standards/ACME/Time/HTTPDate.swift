/// HTTP dates (RFC 9110 §5.6.7): the form sent today, and the two obsolete ones that a recipient must accept.
public enum HTTPDate {
    private static let days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    private static let longDays = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// Unix seconds; `nil` if the text has none of the forms. The day of the week must be a valid name, but need not
    /// match the date.
    /// - Parameter now: Unix seconds, for the form with two-digit years.
    public static func seconds(_ text: String, now: Int64) -> Int64? {
        fixdate(text) ?? rfc850(text, now: now) ?? asctime(text)
    }

    /// `Sun, 06 Nov 1994 08:49:37 GMT`
    private static func fixdate(_ text: String) -> Int64? {
        var reader = FieldReader(text)
        guard days.contains(where: { reader.skip($0 + ", ") }), let day = reader.digits(2), reader.skip(" "), let month = month(&reader),
            reader.skip(" "), let year = reader.digits(4), reader.skip(" "), let time = time(&reader), reader.skip(" GMT"), reader.isAtEnd
        else { return nil }
        return CivilDate.seconds(year: year, month: month, day: day, hour: time.hour, minute: time.minute, second: time.second)
    }

    /// `Sunday, 06-Nov-94 08:49:37 GMT`; a year that appears to be more than 50 years in the future is in the past
    /// century.
    private static func rfc850(_ text: String, now: Int64) -> Int64? {
        var reader = FieldReader(text)
        guard longDays.contains(where: { reader.skip($0 + ", ") }), let day = reader.digits(2), reader.skip("-"),
            let month = month(&reader), reader.skip("-"), let digits = reader.digits(2), reader.skip(" "), let time = time(&reader),
            reader.skip(" GMT"), reader.isAtEnd
        else { return nil }
        let current = CivilDate.date(day: min(max(now, RFC3339.range.lowerBound), RFC3339.range.upperBound) / 86_400).year
        var year = current - current % 100 + digits
        if year > current + 50 { year -= 100 }
        if year <= current - 50 { year += 100 }
        return CivilDate.seconds(year: year, month: month, day: day, hour: time.hour, minute: time.minute, second: time.second)
    }

    /// `Sun Nov  6 08:49:37 1994`
    private static func asctime(_ text: String) -> Int64? {
        var reader = FieldReader(text)
        guard days.contains(where: { reader.skip($0 + " ") }), let month = month(&reader), reader.skip(" "),
            let day = reader.skip(" ") ? reader.digits(1) : reader.digits(2), reader.skip(" "), let time = time(&reader), reader.skip(" "),
            let year = reader.digits(4), reader.isAtEnd
        else { return nil }
        return CivilDate.seconds(year: year, month: month, day: day, hour: time.hour, minute: time.minute, second: time.second)
    }

    private static func month(_ reader: inout FieldReader) -> Int64? {
        for (index, name) in months.enumerated() where reader.skip(name) { return Int64(index) + 1 }
        return nil
    }

    private static func time(_ reader: inout FieldReader) -> (hour: Int64, minute: Int64, second: Int64)? {
        guard let hour = reader.digits(2), reader.skip(":"), let minute = reader.digits(2), reader.skip(":"), let second = reader.digits(2)
        else { return nil }
        return (hour, minute, second)
    }
}
