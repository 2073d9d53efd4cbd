import StrictJSON
import Testing

/// What the reader accepts and what it refuses, and where it reports the fault.
@Suite struct JSONSyntaxTests {
    private func refusal(_ bytes: [UInt8], limits: JSONLimits = .default) -> JSONError? {
        do throws(JSONError) {
            _ = try JSONDocument(parsing: bytes, limits: limits)
            return nil
        } catch {
            return error
        }
    }

    private func refusal(_ text: String) -> JSONError? { refusal(Array(text.utf8)) }

    @Test(arguments: [
        "{}", "[]", "0", "-0", "null", "true", "false", "\"\"", " \t\r\n{ \"a\" : [ 1 , 2 ] } ", "[[],{},[[]]]", "-12.5e+3", "1E-2", "0.0",
        #""\"\\\/\b\f\n\r\t""#, #""\u00e9\uD83D\uDE00""#, "\"\u{7F}\u{80}\u{7FF}\u{800}\u{FFFD}\u{10000}\u{10FFFF}\"",
        #"{"a":{"a":{"a":1}}}"#, "9223372036854775808", "1e400",
    ])
    func isRead(_ text: String) {
        #expect(refusal(text) == nil)
    }

    @Test(
        arguments: [
            ("", .endOfInput, 0), (" ", .endOfInput, 1), ("{", .endOfInput, 1), ("[1,", .endOfInput, 3), (#"{"a""#, .endOfInput, 4),
            (#"{"a":"#, .endOfInput, 5), (#"""#, .endOfInput, 1), ("tru", .endOfInput, 3), ("-", .endOfInput, 1), ("1.", .endOfInput, 2),
            ("1e", .endOfInput, 2), ("1e+", .endOfInput, 3), (#""\u12"#, .endOfInput, 5),
            ("{}{}", .trailingBytes, 2), ("1 2", .trailingBytes, 2), ("[]]", .trailingBytes, 2), ("null,", .trailingBytes, 4),
            ("[1,]", .unexpectedByte, 3), ("[,1]", .unexpectedByte, 1), ("[1 2]", .unexpectedByte, 3), (#"{"a":1,}"#, .unexpectedByte, 7),
            ("{,}", .unexpectedByte, 1), (#"{"a" 1}"#, .unexpectedByte, 5), ("{a:1}", .unexpectedByte, 1), ("{1:1}", .unexpectedByte, 1),
            ("[}", .unexpectedByte, 1), (#"{"a":1]"#, .unexpectedByte, 6), ("nul1", .unexpectedByte, 3), ("NaN", .unexpectedByte, 0),
            ("Infinity", .unexpectedByte, 0), ("+1", .unexpectedByte, 0), (".5", .unexpectedByte, 0), ("'a'", .unexpectedByte, 0),
            ("/* */1", .unexpectedByte, 0), ("\u{A0}1", .unexpectedByte, 0),
            ("01", .invalidNumber, 1), ("-01", .invalidNumber, 2), ("1.e1", .invalidNumber, 2), ("1ex", .invalidNumber, 2),
            ("-x", .invalidNumber, 1), ("0x10", .trailingBytes, 1),
            (#""\x""#, .invalidEscape, 1), (#""\u12G4""#, .invalidEscape, 5), ("\"\u{1}\"", .controlCharacter, 1),
            ("\"\n\"", .controlCharacter, 1),
            ("\"\u{0}\"", .controlCharacter, 1), (#""\u0000""#, .nulCharacter, 1),
            (#""\uD800""#, .loneSurrogate, 1), (#""\uDC00""#, .loneSurrogate, 1), (#""\uD800x""#, .loneSurrogate, 1),
            (#""\uD800\n""#, .loneSurrogate, 1), (#""\uD800\uD800""#, .loneSurrogate, 1), (#""\uD800\u0041""#, .loneSurrogate, 1),
            (#""\uDBFF\uE000""#, .loneSurrogate, 1),
        ] as [(String, JSONError.Reason, Int)])
    func isRefused(_ text: String, _ reason: JSONError.Reason, _ offset: Int) {
        #expect(refusal(text) == JSONError(reason, offset: offset))
    }

    @Test("a byte order mark is not JSON (RFC 8259, section 8.1)")
    func byteOrderMark() {
        #expect(refusal([0xEF, 0xBB, 0xBF, 0x7B, 0x7D]) == JSONError(.unexpectedByte, offset: 0))
        #expect(refusal([0xFF, 0xFE, 0x7B, 0x00]) == JSONError(.unexpectedByte, offset: 0))
    }

    @Test(
        "ill-formed UTF-8 is refused, not repaired",
        arguments: [
            [0x80], [0xBF], [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x80, 0x80], [0xE0, 0x9F, 0xBF], [0xF0, 0x80, 0x80, 0x80],
            [0xF0, 0x8F, 0xBF, 0xBF], [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80],
            [0xFE], [0xFF], [0xC3], [0xC3, 0x28], [0xE2, 0x82], [0xE2, 0x28, 0xA1], [0xF0, 0x9F, 0x98], [0xF0, 0x28, 0x8C, 0xBC],
        ] as [[UInt8]])
    func invalidUTF8(_ bytes: [UInt8]) {
        #expect(refusal([0x22] + bytes + [0x22]) == JSONError(.invalidUTF8, offset: 1))
        #expect(refusal(Array("{\"".utf8) + bytes + Array("\":1}".utf8)) == JSONError(.invalidUTF8, offset: 2))
    }

    @Test func depth() {
        func nested(_ depth: Int, _ open: String, _ close: String) -> [UInt8] {
            Array((String(repeating: open, count: depth) + "1" + String(repeating: close, count: depth)).utf8)
        }
        #expect(refusal(nested(8, "[", "]")) == nil)
        #expect(refusal(nested(8, "{\"a\":", "}")) == nil)
        #expect(refusal(nested(9, "[", "]")) == JSONError(.tooDeep, offset: 8))
        #expect(refusal(nested(9, "{\"a\":", "}")) == JSONError(.tooDeep, offset: 40))
        #expect(refusal(nested(50_000, "[", "]")) == JSONError(.tooDeep, offset: 8))
        // If the limits allow it: the reader does not recurse, so the stack is no limit.
        #expect(refusal(nested(50_000, "[", "]"), limits: JSONLimits(depth: 50_000)) == nil)
        #expect(refusal(Array(String(repeating: "[", count: 50_000).utf8), limits: JSONLimits(depth: 50_000))?.reason == .endOfInput)
    }

    @Test func numberOfValues() {
        let limits = JSONLimits(values: 4)
        #expect(refusal(Array("[1,1,1,1,1,1,1]".utf8), limits: limits) == nil)
        #expect(refusal(Array("[1,1,1,1,1,1,1,1]".utf8), limits: limits)?.reason == .tooManyValues)
        #expect(refusal(Array(("[" + String(repeating: "{},", count: 200_000) + "{}]").utf8))?.reason == .tooManyValues)
    }

    @Test(
        "two members with one name are refused, however they are written",
        arguments: [
            (#"{"a":1,"a":2}"#, 8), (#"{"a":1,"b":2,"a":3}"#, 14), (#"{"a":1,"\u0061":2}"#, 8), (#"{"\u0061":1,"a":2}"#, 13),
            (#"{"\u00e9":1,"é":2}"#, 13), (#"{"":1,"":2}"#, 7), (#"[{"x":{"/":1,"\/":1}}]"#, 14),
            (#"{"\uD83D\uDE00":1,"😀":2}"#, 19),
        ])
    func duplicates(_ text: String, _ offset: Int) {
        let error = refusal(text)
        #expect(error?.reason == .duplicateMember)
        #expect(error?.offset == offset)
    }

    @Test func namesThatOnlyLookAlike() throws {
        // Precomposed and decomposed: equal as Strings, different in JSON.
        let document = try JSONDocument(parsing: Array("{\"\u{E9}\":1,\"e\u{301}\":2}".utf8))
        let object = try document.root.object()
        #expect(try object.integer("\u{E9}") == 1)
        #expect(try object.integer("e\u{301}") == 2)
    }

    @Test("many members do not cost quadratic time, and a duplicate among them is found")
    func manyMembers() throws {
        let members = (0..<20_000).map { "\"m\($0)\":0" }
        let object = try JSONDocument(parsing: Array("{\(members.joined(separator: ","))}".utf8)).root.object()
        #expect(object.count == 20_000)
        let error = refusal("{\((members + ["\"m7\":0"]).joined(separator: ","))}")
        #expect(error?.reason == .duplicateMember)
        #expect(error?.member == "m7")
    }

    @Test("a message cut off anywhere is refused")
    func truncation() {
        let text = Array(
            #"{"method":"a.b.C","parameters":{"é\u00e9\ud83d\ude00":[1,-2.5e3,true,false,null,"x"],"o":{"p":{}}},"more":true}"#.utf8)
        #expect(refusal(text) == nil)
        for length in 0..<text.count {
            let error = refusal(Array(text[..<length]))
            #expect(error != nil, "\(length) bytes")
            #expect((error?.offset ?? .max) <= length)
        }
    }

    @Test func errorsNameNothingThatCannotBePrinted() {
        let duplicate = refusal(#"{"\u001b[31m\n":1,"\u001b[31m\n":1}"#)
        #expect(duplicate?.member == "?[31m?")
        #expect(duplicate?.description == "a duplicate member, at byte 19 (member \"?[31m?\")")
    }
}
