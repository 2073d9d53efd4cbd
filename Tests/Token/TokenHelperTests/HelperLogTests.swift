import Testing

@testable import TokenHelper

@Suite struct HelperLogTests {
    /// A line feed forges a line, ESC and U+009B start an escape sequence, U+202E shows a name backwards.
    @Test func onlyPrintableASCIIStandsInALineAsItIs() {
        #expect(Log.escaped("token \"acme\": 7 of 9") == "token \"acme\": 7 of 9")
        #expect(Log.escaped("a\nb\u{1B}[2J\u{7F}") == "a\\u{A}b\\u{1B}[2J\\u{7F}")
        #expect(Log.escaped("\u{9B}2J\u{202E}\u{E9}\0") == "\\u{9B}2J\\u{202E}\\u{E9}\\u{0}")
    }
}
