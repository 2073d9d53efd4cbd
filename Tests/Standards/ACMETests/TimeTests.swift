import ACME
import Testing

@Suite("Timestamps, HTTP dates, Retry-After")
struct TimeTests {
    @Test(
        "RFC 3339 §5.8 and edges",
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("1985-04-12T23:20:50.52Z", 482_196_050), ("1996-12-19T16:39:57-08:00", 851_042_397),
            ("1990-12-31T23:59:60Z", 662_688_000), ("1937-01-01T12:00:27.87+00:20", -1_041_337_173), ("2000-02-29T00:00:00z", 951_782_400),
            ("2026-11-24t23:43:00Z", 1_795_563_780), ("0001-01-01T00:00:00Z", -62_135_596_800), ("9999-12-31T23:59:59Z", 253_402_300_799),
            ("2016-01-01T00:04:00+04:00", 1_451_592_240), ("1969-12-31T23:59:59Z", -1),
            ("2026-01-01T00:00:00.123456789012Z", 1_767_225_600),
        ] as [(String, Int64)])
    func timestamp(text: String, seconds: Int64) { #expect(RFC3339.seconds(text) == seconds) }

    @Test(
        "Not a timestamp",
        arguments: [
            "", "2026", "2026-11-24", "2026-11-24 23:43:00Z", "2026-11-24T23:43Z", "2026-11-24T23:43:00", "2026-11-24T23:43:00.Z",
            "2026-11-24T23:43:00,1Z",
            "2026-11-24T23:43:00+0100", "2026-11-24T23:43:00+01", "2026-11-24T23:43:00+24:00", "2026-11-24T23:43:00+01:60",
            "2026-02-29T00:00:00Z",
            "1900-02-29T00:00:00Z", "2026-00-01T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-00T00:00:00Z", "2026-04-31T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z", "2026-01-01T00:00:61Z", "0000-01-01T00:00:00Z", "+2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z\n",
            " 2026-01-01T00:00:00Z",
            "9999-12-31T23:59:60Z", "9999-12-31T23:59:59-00:01", "0001-01-01T00:00:00+00:01",
            "2026-01-01T00:00:00Zx", "２026-01-01T00:00:00Z", "2026-1-1T00:00:00Z",
            "2026-01-01T00:00:00." + String(repeating: "1", count: 1000) + "Z",
        ])
    func noTimestamp(text: String) { #expect(RFC3339.seconds(text) == nil) }

    @Test("Every day from 1890 to 2110 comes back, in order")
    func days() {
        var expected: Int64 = -29_219
        var previous = ""
        for _ in 0..<80_354 {
            let text = RFC3339.string(expected * 86_400 + 3661)
            if previous >= text || RFC3339.seconds(text) != expected * 86_400 + 3661 {
                Issue.record("\(text) after \(previous)")
                return
            }
            previous = text
            expected += 1
        }
    }

    @Test("Printing")
    func printing() {
        #expect(RFC3339.string(0) == "1970-01-01T00:00:00Z")
        #expect(RFC3339.string(-1) == "1969-12-31T23:59:59Z")
        #expect(RFC3339.string(951_782_400) == "2000-02-29T00:00:00Z")
        #expect(RFC3339.string(1_795_563_780, milliseconds: 7) == "2026-11-24T23:43:00.007Z")
        #expect(RFC3339.string(0, milliseconds: 5000) == "1970-01-01T00:00:00.999Z")
        #expect(RFC3339.string(.max) == "9999-12-31T23:59:59Z")
        #expect(RFC3339.string(.min) == "0001-01-01T00:00:00Z")
    }

    @Test(
        "HTTP dates in the three forms of RFC 9110 §5.6.7",
        arguments: ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"])
    func httpDate(text: String) { #expect(HTTPDate.seconds(text, now: 1_795_563_780) == 784_111_777) }

    @Test("Two digits of a year are at most 50 years ahead")
    func twoDigits() {
        let now: Int64 = 1_795_563_780
        #expect(HTTPDate.seconds("Tuesday, 24-Nov-26 23:43:00 GMT", now: now) == now)
        #expect(HTTPDate.seconds("Tuesday, 01-Jan-76 00:00:00 GMT", now: now) == RFC3339.seconds("2076-01-01T00:00:00Z"))
        #expect(HTTPDate.seconds("Tuesday, 01-Jan-77 00:00:00 GMT", now: now) == RFC3339.seconds("1977-01-01T00:00:00Z"))
    }

    @Test(
        "Not an HTTP date",
        arguments: [
            "", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 6 Nov 1994 08:49:37 GMT",
            "Xxx, 06 Nov 1994 08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT", "Sun, 31 Feb 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37 GMT ",
            "Sun, 06 Nov 1994 08:49:37 +0000", "Sun Nov 6 08:49:37 1994", "Sunday, 06-Nov-1994 08:49:37 GMT", "1994-11-06T08:49:37Z",
        ])
    func noHTTPDate(text: String) { #expect(HTTPDate.seconds(text, now: 0) == nil) }

    @Test(
        "Retry-After",
        arguments: [
            ("0", 0), ("120", 120), (" 120 ", 120), ("1000000000", 1_000_000_000), ("99999999999999999999999", Int64.max), ("007", 7),
            ("Sun, 06 Nov 1994 08:49:37 GMT", 37), ("Sun, 06 Nov 1994 08:49:00 GMT", 0), ("Sun, 06 Nov 1994 08:00:00 GMT", 0),
            ("Fri, 31 Dec 9999 23:59:59 GMT", 252_618_189_059),
            ("", nil), (" ", nil), ("-1", nil), ("+5", nil), ("1.5", 2), ("0.0", 0), ("30.000", 30), ("1.", nil), (".5", nil),
            ("1.5.5", nil), ("1.-5", nil), ("5s", nil), ("0x10", nil), ("soon", nil), ("1e9", nil),
            ("１", nil), ("5\n", nil),
            (String(repeating: "9", count: 10_000), nil),
        ] as [(String, Int64?)])
    func retryAfter(value: String, seconds: Int64?) { #expect(RetryAfter.seconds(value, now: 784_111_740) == seconds) }

    @Test("No clock makes it overflow", arguments: [Int64.min, Int64.max])
    func extremeClock(now: Int64) {
        let seconds = RetryAfter.seconds("Sun, 06 Nov 1994 08:49:37 GMT", now: now)
        #expect(seconds == nil || seconds == 0)
        _ = RetryAfter.seconds("Sunday, 06-Nov-94 08:49:37 GMT", now: now)
    }
}
