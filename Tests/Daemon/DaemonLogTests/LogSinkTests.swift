import Glibc
import Logging
import Synchronization
import Testing

@testable import DaemonLog

/// A log that nobody reads, and users who cause too many lines.
@Suite struct LogSinkTests {
    private struct Pipe: ~Copyable {
        let reader: CInt, writer: CInt
        let sink: LogSink

        init(window: UInt64 = LogSink.window, now: @escaping @Sendable () -> UInt64 = LogSink.milliseconds) {
            signal(SIGPIPE, SIG_IGN)
            var ends: [CInt] = [0, 0]
            _ = pipe(&ends)
            (reader, writer) = (ends[0], ends[1])
            sink = LogSink(descriptor: writer, window: window, now: now)
        }

        /// The sink must have finished when its descriptor is closed: the number may then belong to another test.
        deinit {
            close(reader)
            sink.flush()
            close(writer)
        }

        /// What arrives within `milliseconds`.
        func read(milliseconds: CInt = 2_000, until: (String) -> Bool) -> String {
            var text: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 65_536)
            while !until(String(decoding: text, as: UTF8.self)) {
                var wanted = pollfd(fd: reader, events: Int16(POLLIN), revents: 0)
                guard poll(&wanted, 1, milliseconds) > 0 else { break }
                let count = Glibc.read(reader, &buffer, buffer.count)
                guard count > 0 else { break }
                text += buffer[..<count]
            }
            return String(decoding: text, as: UTF8.self)
        }
    }

    private final class Clock: Sendable {
        let time = Atomic<UInt64>(10_000)
    }

    private func logger(_ sink: LogSink) -> Logger { Logger(label: "test") { SinkLogHandler(label: $0, sink: sink) } }

    @Test("a line has level, label, text, and the metadata that have a value in order")
    func line() {
        let pipe = Pipe()
        logger(pipe.sink).warning("it happened", metadata: ["b": "2", "hint": "", "a": "1"])
        let text = pipe.read { $0.hasSuffix("\n") }
        #expect(text.hasSuffix(" warning test: it happened a=1 b=2\n"))
        #expect(text.hasPrefix("20"))
    }

    @Test("logging does not wait for a log that is not read, and lost lines are counted when it is read again")
    func unread() {
        let pipe = Pipe()
        let logger = logger(pipe.sink)
        let filling = String(repeating: "x", count: 1_000)
        // More than the pipe and the buffer hold: 64 KiB and 1 MiB.
        let began = LogSink.milliseconds()
        for _ in 0..<4_000 { logger.info("\(filling)") }
        #expect(LogSink.milliseconds() - began < 2_000)
        // The buffer may have been taken, and filled again, before anything was read: then two lines tell of losses.
        func count(_ text: String) -> (kept: Int, lost: Int) {
            let lines = text.split(separator: "\n"), losses = lines.filter { $0.contains(" log lines were lost") }
            let lost = losses.compactMap { $0.split(separator: " ").compactMap { Int($0) }.first }.reduce(0, +)
            return (lines.count - losses.count, lost)
        }
        let text = pipe.read { $0.hasSuffix("\n") && $0.contains(" lost,") && count($0).kept + count($0).lost >= 4_000 }
        // Of lines of 1,000 bytes two buffers of 1 MiB and the pipe hold no more.
        #expect(count(text).kept <= 2 * (1 << 20) / 1_000 + 66)
        #expect(count(text).kept + count(text).lost == 4_000)
    }

    @Test("lines of one user are limited, and the number left out is logged after a minute; other users' lines are unaffected")
    func perUser() {
        let clock = Clock()
        let pipe = Pipe { clock.time.load(ordering: .relaxed) }
        let logger = logger(pipe.sink)
        for _ in 0..<(LogSink.linesPerUser + 50) { logger.notice("refused", metadata: ["uid": "1001"]) }
        logger.notice("other", metadata: ["uid": "1002"])
        clock.time.wrappingAdd(LogSink.window, ordering: .relaxed)
        logger.notice("later")
        let text = pipe.read { $0.contains("later") && $0.contains("left out") }
        #expect(text.split(separator: "\n").filter { $0.contains(" refused uid=") }.count == LogSink.linesPerUser)
        #expect(text.contains("left out 50 log lines caused by uid 1001"))
        #expect(text.contains("other uid=1002"))
        logger.notice("refused", metadata: ["uid": "1001"])
        #expect(pipe.read { $0.hasSuffix("uid=1001\n") }.contains(" refused "))
    }

    @Test("the number is also logged when nothing else is logged, and at the end")
    func perUserWithoutAnotherLine() {
        let pipe = Pipe(window: 1_500)
        let logger = logger(pipe.sink)
        for _ in 0..<(LogSink.linesPerUser + 7) { logger.notice("refused", metadata: ["uid": "1001"]) }
        #expect(pipe.read(milliseconds: 10_000) { $0.contains("left out 7 log lines caused by uid 1001") }.contains("left out 7"))
        for _ in 0..<(LogSink.linesPerUser + 3) { logger.notice("refused", metadata: ["uid": "1001"]) }
        pipe.sink.flush()
        #expect(pipe.read(milliseconds: 100) { $0.contains("left out") }.contains("left out 3 log lines caused by uid 1001"))
    }

    /// 200 refused connections must not keep a wrong signature out of the log.
    @Test func anErrorIsWrittenHoweverManyLinesItsUserCauses() {
        let pipe = Pipe()
        let logger = DaemonLogger(logger(pipe.sink))
        for _ in 0..<(LogSink.linesPerUser + 50) { logger.log(.connectionRefused, "refused", [.uid: "1001"]) }
        logger.log(.signatureWrong, "wrong", [.uid: "1001"])
        logger.log(.daemonStopping, "end")
        let text = pipe.read { $0.contains("event=daemon-stopping") }
        #expect(text.split(separator: "\n").filter { $0.contains("event=connection-refused") }.count == LogSink.linesPerUser)
        #expect(text.contains("wrong event=signature-wrong uid=1001\n"))
    }

    @Test func anEntryCountsAsWhatItTakesInTheJournal() {
        let long = String(repeating: "é", count: 10_000)
        let entry = LogEntry(level: .notice, label: "l", message: long, fields: [("why", long), ("hint", long)])
        #expect(entry.fields.allSatisfy { $0.value.utf8.count <= LogEntry.valueBytes } && entry.message.utf8.count <= LogEntry.valueBytes)
        let size = entry.datagram().count
        #expect(size > 3 * (LogEntry.valueBytes - 8) && abs(entry.size - size) < 256, "\(entry.size), \(size)")
        let short = LogEntry(level: .notice, label: "l", message: "m", fields: [("why", "short")])
        #expect(short.size < 256)
    }

    @Test func linesAreLimitedInBytesToo() {
        let pipe = Pipe()
        let logger = logger(pipe.sink)
        for _ in 0..<100 { logger.notice("\(String(repeating: "x", count: 100_000))", metadata: ["uid": "1001"]) }
        logger.notice("end")
        let text = pipe.read { $0.hasSuffix("end\n") }
        #expect(text.utf8.count <= LogSink.bytesPerUser + 100)
        #expect(text.split(separator: "\n").allSatisfy { $0.utf8.count <= LogEntry.lineBytes })
    }
}
