import DatagramSocket
import Foundation
import Glibc
import Logging
import Testing

@testable import DaemonLog

/// Lines for systemd's journal, on a socket of the test's own.
@Suite(.timeLimit(.minutes(1))) struct JournalTests {
    private let path = FileManager.default.temporaryDirectory.path + "/journal-\(UUID().uuidString.prefix(8))"

    /// The daemon's logger over a sink that has a pipe in place of standard error.
    private struct Bench: ~Copyable {
        let reader: CInt, writer: CInt
        let sink: LogSink
        let logger: DaemonLogger

        init(_ path: String) throws {
            signal(SIGPIPE, SIG_IGN)
            var ends: [CInt] = [0, 0]
            try #require(pipe(&ends) == 0)
            (reader, writer) = (ends[0], ends[1])
            let sink = LogSink(descriptor: writer, journal: JournalSocket(path: path))
            self.sink = sink
            var logger = Logger(label: "acme-agentd") { SafeLogHandler(SinkLogHandler(label: $0, sink: sink)) }
            logger.logLevel = .debug
            self.logger = DaemonLogger(logger)
        }

        deinit {
            close(reader)
            sink.flush()
            close(writer)
        }

        /// What is on standard error once everything is written.
        func standardError() -> String {
            sink.flush()
            var held: Int32 = 0
            guard ioctl(reader, UInt(FIONREAD), &held) == 0, held > 0 else { return "" }
            var bytes = [UInt8](repeating: 0, count: Int(held))
            let count = read(reader, &bytes, bytes.count)
            return String(decoding: bytes.prefix(max(count, 0)), as: UTF8.self)
        }
    }

    /// The fields of an entry as journald reads them.
    private func fields(_ entry: [UInt8]) throws -> [String: String] {
        var fields: [String: String] = [:], rest = entry[...]
        while !rest.isEmpty {
            let end = try #require(rest.firstIndex { $0 == UInt8(ascii: "=") || $0 == UInt8(ascii: "\n") })
            let name = String(decoding: rest[..<end], as: UTF8.self)
            #expect(!name.isEmpty && name.utf8.allSatisfy { (0x41...0x5A).contains($0) || $0 == 0x5F }, "\(name)")
            let isBinary = rest[end] == UInt8(ascii: "\n")
            rest = rest[(end + 1)...]
            let length: Int
            if isBinary {
                try #require(rest.count >= 8)
                length = rest.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
                rest = rest.dropFirst(8)
            } else {
                length = try #require(rest.firstIndex(of: UInt8(ascii: "\n"))) - rest.startIndex
            }
            try #require(rest.count > length)
            #expect(fields[name] == nil, "\(name) comes twice")
            fields[name] = String(decoding: rest.prefix(length), as: UTF8.self)
            rest = rest.dropFirst(length)
            #expect(rest.first == UInt8(ascii: "\n"))
            rest = rest.dropFirst()
        }
        return fields
    }

    private func entry(_ fields: [(name: String, value: String)], message: String = "it happened") -> LogEntry {
        LogEntry(level: .notice, label: "acme-agentd", message: message, fields: fields)
    }

    @Test func anEntryIsInTheNativeProtocol() throws {
        let bytes = entry([("event", "request-refused"), ("return-value", "0x5")]).datagram()
        #expect(
            String(decoding: bytes, as: UTF8.self) == """
                MESSAGE=it happened event=request-refused return-value=0x5
                PRIORITY=5
                SYSLOG_IDENTIFIER=acme-agentd
                ACME_AGENT_EVENT=request-refused
                ACME_AGENT_RETURN_VALUE=0x5

                """)
    }

    /// Nothing that a value has can begin another field.
    @Test(arguments: ["a\nPRIORITY=0", "a\u{1B}[2J", "\n", "a\0b", "tab\tb", ""]) func aValueWithControlsHasItsLength(value: String) throws
    {
        let bytes = entry([("why", value)], message: "m").datagram()
        let read = try fields(bytes)
        #expect(read["ACME_AGENT_WHY"] == value && read["PRIORITY"] == "5" && read["MESSAGE"] == "m why=\(value)")
        let marker = Array("ACME_AGENT_WHY\n".utf8) + [UInt8(value.utf8.count), 0, 0, 0, 0, 0, 0, 0] + Array(value.utf8) + [0x0A]
        #expect(value.isEmpty || bytes.suffix(marker.count) == marker[...])
    }

    @Test func aLongValueIsCutWithAMark() throws {
        for letter in ["x", "é", "😀"] {
            let read = try fields(entry([("why", String(repeating: letter, count: 10_000))]).datagram())
            for name in ["MESSAGE", "ACME_AGENT_WHY"] {
                let value = try #require(read[name])
                #expect(value.hasSuffix(letter + "…") && value.utf8.count <= LogEntry.valueBytes, "\(letter)")
                #expect(value.utf8.count > LogEntry.valueBytes - 8 && !value.contains("\u{FFFD}"))
            }
        }
        #expect(LogEntry.cut("abc", to: 3) == Array("abc".utf8) && LogEntry.cut("abcd", to: 3) == Array("…".utf8))
        #expect(LogEntry.cut("abcd", to: 0) == Array("…".utf8))
    }

    @Test(arguments: zip([Logger.Level.debug, .info, .notice, .warning, .error, .critical], [7, 6, 5, 4, 3, 2]))
    func theLevelIsSyslogs(level: Logger.Level, priority: Int) throws {
        let entry = LogEntry(level: level, label: "l", message: "m", fields: [])
        #expect(try fields(entry.datagram())["PRIORITY"] == "\(priority)")
        #expect(String(decoding: entry.line(hasPriority: true), as: UTF8.self).hasPrefix("<\(priority)>20"))
        #expect(String(decoding: entry.line(hasPriority: false), as: UTF8.self).hasPrefix("20"))
    }

    @Test func linesGoToTheSocketAndNotToStandardError() async throws {
        let socket = try DatagramSocket(path: path)
        let bench = try Bench(path)
        bench.logger.log(.requestRefused, "refused", [.uid: "1001", .correlation: "7-1-1", .why: "a\nb", .hint: ""])
        bench.logger.with(.token, "hsm").log(.helperStarted, "helper started", [.process: "12"])
        #expect(bench.standardError().isEmpty)
        let read = try socket.received().map { try fields($0) }
        #expect(
            read == [
                [
                    "MESSAGE": "refused event=request-refused correlation=7-1-1 uid=1001 why=a\u{FFFD}b", "PRIORITY": "5",
                    "SYSLOG_IDENTIFIER": "acme-agentd", "ACME_AGENT_EVENT": "request-refused", "ACME_AGENT_CORRELATION": "7-1-1",
                    "ACME_AGENT_UID": "1001", "ACME_AGENT_WHY": "a\u{FFFD}b",
                ],
                [
                    "MESSAGE": "helper started event=helper-started process=12 token=hsm", "PRIORITY": "7",
                    "SYSLOG_IDENTIFIER": "acme-agentd", "ACME_AGENT_EVENT": "helper-started", "ACME_AGENT_PROCESS": "12",
                    "ACME_AGENT_TOKEN": "hsm",
                ],
            ])
    }

    @Test func withoutASocketLinesGoToStandardErrorWithTheirLevel() async throws {
        let bench = try Bench(path)
        for number in 0..<3 { bench.logger.log(.keyOff, "line \(number)", [.key: "web"]) }
        let lines = bench.standardError().split(separator: "\n").map(String.init)
        #expect(lines.count == 4)
        #expect(
            lines.first.map { $0.hasPrefix("<4>") && $0.contains("event=journal-unavailable why=No such file or directory") } == true,
            "\(lines)")
        for (number, line) in lines.dropFirst().enumerated() {
            #expect(line.hasPrefix("<3>20") && line.hasSuffix(" error acme-agentd: line \(number) event=key-off key=web"), "\(line)")
        }
        // The journal is there again: its restart keeps the name.
        let socket = try DatagramSocket(path: path)
        bench.logger.log(.keyOff, "again", [.key: "web"])
        #expect(bench.standardError().isEmpty)
        let read = try socket.received().map { try fields($0)["ACME_AGENT_EVENT"] }
        #expect(read == ["key-off", "journal-available"])
    }

    /// Nobody reads the journal's socket: the logger does not wait, and what the socket did not take is on standard
    /// error.
    @Test func aFullSocketHoldsNobody() async throws {
        let socket = try DatagramSocket(path: path)
        // How many datagrams it holds is the system's to say (net.unix.max_dgram_qlen).
        let journal = JournalSocket(path: path)
        var filling = 0
        while journal.send(Array("FILLING=1\n".utf8)) == 0 {
            filling += 1
            try #require(filling < 100_000)
        }
        let bench = try Bench(path)
        let before = ContinuousClock.now
        for number in 0..<400 { bench.logger.log(.keyOff, "line \(number)", [.key: "web"]) }
        #expect(ContinuousClock.now - before < .seconds(5))
        var errors = ""
        for _ in 0..<100 where !errors.contains("line 399") { errors += bench.standardError() }
        let taken = try socket.received().compactMap { try fields($0)["MESSAGE"] }
        #expect(filling > 0 && taken.isEmpty, "\(taken)")
        #expect(errors.components(separatedBy: "event=journal-unavailable").count == 2)
        for number in 0..<400 { #expect(errors.contains("acme-agentd: line \(number) "), "line \(number)") }
    }

    @Test func theJournalIsOnlyTakenForTheStreamThatSystemdNames() throws {
        var ends: [CInt] = [0, 0]
        try #require(pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        var status = stat()
        try #require(fstat(ends[1], &status) == 0)
        func journal(_ stream: String?) -> String? {
            JournalSocket.behind(ends[1], path: "/x") { $0 == "JOURNAL_STREAM" ? stream : nil }?.path
        }
        let own = "\(status.st_dev):\(status.st_ino)"
        #expect(journal(own) == "/x")
        for other in [nil, "", own + "0", "\(status.st_dev)", ":", "\(status.st_dev):", "\(status.st_ino):\(status.st_dev)", own + " "] {
            #expect(journal(other) == nil, "\(other ?? "none")")
        }
        // A service whose output goes elsewhere has the variable of its parent.
        #expect(JournalSocket.behind(ends[0], path: "/x") { _ in "1:1" } == nil)
        #expect(JournalSocket.behind(-1, path: "/x") { _ in own } == nil)
    }
}
