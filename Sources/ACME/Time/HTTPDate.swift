/// The preferred form of HTTP dates, IMF-fixdate (RFC 9110 §5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`.
public enum HTTPDate {
    private static let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// Unix seconds; `nil` where the text is not in that form. The day of the week has to be one, but not the right one.
    public static func seconds(_ text: String) -> Int64? {
        var reader = FieldReader(text)
        guard let weekday = reader.take(3), weekdays.contains(weekday), reader.skip(", "), let day = reader.digits(2), reader.skip(" "),
            let name = reader.take(3), let month = months.firstIndex(of: name), reader.skip(" "), let year = reader.digits(4),
            reader.skip(" "), let hour = reader.digits(2), reader.skip(":"), let minute = reader.digits(2), reader.skip(":"),
            let second = reader.digits(2), reader.skip(" GMT"), reader.isAtEnd
        else { return nil }
        return CivilDate.seconds(year: year, month: Int64(month) + 1, day: day, hour: hour, minute: minute, second: second)
    }
}
