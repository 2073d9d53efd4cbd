/// Numbers, booleans, dates and times: values without quotes.
extension TOMLParser {
    mutating func parseScalar() throws(TOMLError) -> TOMLValue {
        let start = cursor.offset, position = cursor.position
        // Take all that could belong to it, so that a message can show the whole value.
        while let byte = cursor.peek(),
            TOMLByte.isBareKey(byte) || byte == UInt8(ascii: "+") || byte == TOMLByte.dot || byte == UInt8(ascii: ":")
        {
            cursor.advance()
        }
        let date = TOMLScalar(cursor.slice(from: start, to: cursor.offset)).isDate
        // `1979-05-27 07:32:00` is one value.
        if date, cursor.peek() == TOMLByte.space, TOMLByte.isDigit(cursor.peek(1)), TOMLByte.isDigit(cursor.peek(2)), cursor.isAt(":", 3) {
            cursor.advance()
            while let byte = cursor.peek(),
                TOMLByte.isBareKey(byte) || byte == UInt8(ascii: "+") || byte == TOMLByte.dot || byte == UInt8(ascii: ":")
            {
                cursor.advance()
            }
        }
        let text = cursor.slice(from: start, to: cursor.offset)
        guard !text.isEmpty else {
            throw cursor.error("expected a value, found \(found)", hint: "write a string in straight quotes, \" or '")
        }
        var scalar = TOMLScalar(text)
        do throws(TOMLScalar.Failure) { return try scalar.parse() } catch {
            throw TOMLError(position: position, message: "\"\(String(decoding: text, as: UTF8.self))\" \(error.message)", hint: error.hint)
        }
    }
}

/// One value without quotes. It has no position: the message shows the whole text.
struct TOMLScalar {
    struct Failure: Error {
        var message: String
        var hint: String?
    }

    private let text: ArraySlice<UInt8>
    private var at: Int

    init(_ text: ArraySlice<UInt8>) {
        self.text = text
        at = text.startIndex
    }

    private func byte(_ distance: Int) -> UInt8? {
        let index = at + distance
        return index < text.endIndex ? text[index] : nil
    }

    private mutating func take(_ wanted: UInt8) -> Bool {
        guard byte(0) == wanted else { return false }
        at += 1
        return true
    }

    private func digits(_ range: Range<Int>) -> Bool { range.allSatisfy { TOMLByte.isDigit(byte($0)) } }

    var isDate: Bool { digits(0..<4) && byte(4) == UInt8(ascii: "-") && digits(5..<7) && byte(7) == UInt8(ascii: "-") && digits(8..<10) }
    private var isTime: Bool { digits(0..<2) && byte(2) == UInt8(ascii: ":") }

    mutating func parse() throws(Failure) -> TOMLValue {
        if let word { return word }
        if isDate || isTime { return try parseMoment() }
        return try parseNumber()
    }

    private var word: TOMLValue? {
        func isWord(_ word: StaticString) -> Bool { word.withUTF8Buffer { text.elementsEqual($0) } }
        if isWord("true") { return .boolean(true) }
        if isWord("false") { return .boolean(false) }
        if isWord("inf") || isWord("+inf") { return .float(.infinity) }
        if isWord("-inf") { return .float(-.infinity) }
        if isWord("nan") || isWord("+nan") || isWord("-nan") { return .float(.nan) }
        return nil
    }

    // MARK: Numbers

    private mutating func parseNumber() throws(Failure) -> TOMLValue {
        if byte(0) == UInt8(ascii: "0"), let letter = byte(1) {
            switch letter {
            case UInt8(ascii: "x"): return .integer(try parsePrefixed(radix: 16))
            case UInt8(ascii: "o"): return .integer(try parsePrefixed(radix: 8))
            case UInt8(ascii: "b"): return .integer(try parsePrefixed(radix: 2))
            default: break
            }
        }
        let isNegative = byte(0) == UInt8(ascii: "-")
        var clean: [UInt8] = isNegative ? [UInt8(ascii: "-")] : []
        if isNegative || byte(0) == UInt8(ascii: "+") { at += 1 }
        guard TOMLByte.isDigit(byte(0)) else { throw noValue }
        let hasLeadingZero = byte(0) == UInt8(ascii: "0") && (TOMLByte.isDigit(byte(1)) || byte(1) == TOMLByte.underscore)
        try takeDigits(into: &clean)
        guard !hasLeadingZero else {
            throw Failure(message: "begins with a zero", hint: "write an octal number as 0o17, a string in quotes")
        }
        if at == text.endIndex {
            guard let number = Int64(String(decoding: clean, as: UTF8.self)) else { throw tooLarge }
            return .integer(number)
        }
        if take(TOMLByte.dot) {
            clean.append(TOMLByte.dot)
            try takeDigits(into: &clean)
        }
        if let letter = byte(0), letter | 0x20 == UInt8(ascii: "e") {
            at += 1
            clean.append(letter)
            if let sign = byte(0), sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") {
                at += 1
                clean.append(sign)
            }
            try takeDigits(into: &clean)
        }
        guard at == text.endIndex, let number = Double(String(decoding: clean, as: UTF8.self)) else { throw noValue }
        return .float(number)
    }

    /// Digits with single underscores between them.
    private mutating func takeDigits(into clean: inout [UInt8]) throws(Failure) {
        guard TOMLByte.isDigit(byte(0)) else { throw noValue }
        while let digit = byte(0) {
            if TOMLByte.isDigit(digit) {
                clean.append(digit)
            } else if digit == TOMLByte.underscore {
                guard TOMLByte.isDigit(byte(1)) else { throw underscore }
            } else {
                return
            }
            at += 1
        }
    }

    private mutating func parsePrefixed(radix: UInt32) throws(Failure) -> Int64 {
        at += 2
        var number: Int64 = 0
        var wasDigit = false
        while let digit = byte(0) {
            at += 1
            if digit == TOMLByte.underscore {
                guard wasDigit, byte(0) != nil else { throw underscore }
                wasDigit = false
                continue
            }
            guard let value = TOMLByte.hexadecimal(digit), value < radix else {
                throw Failure(message: "is not a number of base \(radix)", hint: nil)
            }
            let (product, overflows) = number.multipliedReportingOverflow(by: Int64(radix))
            let (sum, isTooLarge) = product.addingReportingOverflow(Int64(value))
            guard !overflows, !isTooLarge else { throw tooLarge }
            number = sum
            wasDigit = true
        }
        guard wasDigit else { throw noValue }
        return number
    }

    private var tooLarge: Failure { Failure(message: "does not fit in 64 bits", hint: nil) }
    private var underscore: Failure { Failure(message: "has an underscore that is not between two digits", hint: nil) }
    private var noValue: Failure {
        let lower = text.map { $0 | 0x20 }
        for word in ["true", "false"] where lower.elementsEqual(word.utf8) { return Failure(message: "is invalid", hint: "write \(word)") }
        return Failure(message: "is invalid", hint: "write a string in quotes")
    }

    // MARK: Dates and times (RFC 3339 §5.6)

    private mutating func parseMoment() throws(Failure) -> TOMLValue {
        guard isDate else {
            let time = try parseTime()
            guard at == text.endIndex else { throw noMoment }
            return .localTime(time)
        }
        let date = try parseDate()
        guard let separator = byte(0) else { return .localDate(date) }
        guard separator | 0x20 == UInt8(ascii: "t") || separator == TOMLByte.space else { throw noMoment }
        at += 1
        guard isTime else { throw noMoment }
        let time = try parseTime()
        guard let zone = byte(0) else { return .localDateTime(date, time) }
        at += 1
        if zone | 0x20 == UInt8(ascii: "z"), at == text.endIndex { return .offsetDateTime(date, time, offset: 0) }
        guard zone == UInt8(ascii: "+") || zone == UInt8(ascii: "-"), digits(0..<2), byte(2) == UInt8(ascii: ":"), digits(3..<5),
            byte(5) == nil
        else { throw noMoment }
        let hours = number(2)
        at += 1
        let minutes = number(2)
        guard hours <= 23, minutes <= 59 else { throw noMoment }
        return .offsetDateTime(date, time, offset: (zone == UInt8(ascii: "-") ? -1 : 1) * (hours * 60 + minutes))
    }

    private var noMoment: Failure {
        Failure(
            message: "is not a date or time", hint: "write a date as 2026-01-31, a time as 23:59:59, both with T or a space between")
    }

    /// The value of the next `count` digits, which must be there.
    private mutating func number(_ count: Int) -> Int {
        var number = 0
        for _ in 0..<count {
            if let digit = byte(0) { number = number * 10 + Int(digit & 0x0F) }
            at += 1
        }
        return number
    }

    /// Call it only if `isDate` is true.
    private mutating func parseDate() throws(Failure) -> TOMLDate {
        let year = number(4)
        at += 1
        let month = number(2)
        at += 1
        let day = number(2)
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let days =
            switch month {
            case 1, 3, 5, 7, 8, 10, 12: 31
            case 4, 6, 9, 11: 30
            case 2: isLeap ? 29 : 28
            default: 0
            }
        guard day >= 1, day <= days else { throw Failure(message: "is not a day of the calendar", hint: nil) }
        return TOMLDate(year: year, month: month, day: day)
    }

    /// Call it only if `isTime` is true.
    private mutating func parseTime() throws(Failure) -> TOMLTime {
        guard digits(3..<5), byte(5) == UInt8(ascii: ":"), digits(6..<8) else { throw noMoment }
        let hour = number(2)
        at += 1
        let minute = number(2)
        at += 1
        let second = number(2)
        guard hour <= 23, minute <= 59, second <= 60 else { throw Failure(message: "is not a time of day", hint: nil) }
        var nanosecond = 0
        if take(TOMLByte.dot) {
            guard TOMLByte.isDigit(byte(0)) else { throw noMoment }
            var unit = 100_000_000
            while let digit = byte(0), TOMLByte.isDigit(digit) {
                nanosecond += Int(digit & 0x0F) * unit
                unit /= 10
                at += 1
            }
        }
        return TOMLTime(hour: hour, minute: minute, second: second, nanosecond: nanosecond)
    }
}
