import Foundation
import Testing

@testable import TokenHelper

@Suite struct HelperLogTests {
    /// A line feed forges a line, ESC and U+009B start an escape sequence, U+202E shows a name backwards.
    @Test func onlyPrintableASCIIStandsInALineAsItIs() {
        #expect(Log.escaped("token \"acme\": 7 of 9") == "token \"acme\": 7 of 9")
        #expect(Log.escaped("a\nb\u{1B}[2J\u{7F}") == "a\\u{A}b\\u{1B}[2J\\u{7F}")
        #expect(Log.escaped("\u{9B}2J\u{202E}\u{E9}\0") == "\\u{9B}2J\\u{202E}\\u{E9}\\u{0}")
    }

    /// A full pipe that nobody reads: the helper goes on, and says later how many lines are missing.
    @Test(.timeLimit(.minutes(1))) func aReaderThatStopsReadingStopsNothing() throws {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        let long = String(repeating: "x", count: 3 * Log.lineBytes)
        for _ in 0..<100 { Log.write(long, to: ends[1]) }
        var held: Int32 = 0
        try #require(ioctl(ends[0], UInt(FIONREAD), &held) == 0)
        #expect(held > 0 && Int(held) % Log.lineBytes == 0)
        var bytes = [UInt8](repeating: 0, count: Int(held))
        #expect(read(ends[0], &bytes, bytes.count) == Int(held))
        Log.write("short", to: ends[1])
        let count = read(ends[0], &bytes, bytes.count)
        #expect(
            String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
                == "acme-agent-token: warning: short (before it, \(100 - Int(held) / Log.lineBytes) lines were lost, because nobody read them)\n"
        )
    }
}
