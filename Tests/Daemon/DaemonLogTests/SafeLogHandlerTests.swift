import LogRecorder
import Logging
import Synchronization
import Testing

@testable import DaemonLog

@Suite struct SafeLogHandlerTests {
    /// A line feed forges a line, ESC and U+009B start an escape sequence, U+202E shows a name backwards.
    @Test(arguments: ["\n", "\r", "\u{1B}[2J", "\u{9B}2J", "\u{202E}", "\u{2066}", "\u{7F}", "\0", "\u{2028}", "\u{E000}"])
    func noTextOfALineReachesTheLogUnescaped(_ bad: String) {
        let lines = LogRecorder.Lines()
        var logger = Logger(label: "test") { _ in SafeLogHandler(LogRecorder(lines: lines)) }
        logger.logLevel = .trace
        logger[metadataKey: "own"] = "a\(bad)b"
        let label = "a\(bad)b"
        logger.info(
            "message \(label)",
            metadata: [
                "label": "\(label)", "list": ["\(label)"], "table": ["k": "\(label)"],
                "error": .stringConvertible(Unprintable(text: label)),
            ])
        let text = lines.texts.withLock { $0.joined() }
        #expect(text.hasPrefix("message a\u{FFFD}"))
        for scalar in bad.unicodeScalars where !("[2J".unicodeScalars.contains(scalar)) {
            #expect(!text.unicodeScalars.contains(scalar))
        }
        #expect(text.contains("own=a\u{FFFD}") && text.contains("label=a\u{FFFD}") && text.contains("error=a\u{FFFD}"))
    }

    private struct Unprintable: CustomStringConvertible, Sendable {
        let text: String
        var description: String { text }
    }

    @Test func anOrdinaryLineIsLeftAsItIs() {
        let lines = LogRecorder.Lines()
        let logger = Logger(label: "test") { _ in SafeLogHandler(LogRecorder(lines: lines)) }
        logger.info("token ready", metadata: ["label": "Schlüssel 1", "keys": "*.example.org"])
        #expect(lines.texts.withLock { $0 } == ["token ready keys=*.example.org label=Schlüssel 1"])
    }
}
