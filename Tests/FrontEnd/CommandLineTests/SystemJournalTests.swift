import ACME
import CertificateStore
import DatagramSocket
import Foundation
import Glibc
import Testing

@testable import acme_agent

/// What the journal gets of what happens to certificates (Docs/log.md), on a socket of the test's own.
@Suite struct SystemJournalTests {
    private typealias Event = SystemJournal.Event
    private let path = FileManager.default.temporaryDirectory.path + "/journal-\(UUID().uuidString.prefix(8))"

    private func section() throws -> String {
        var root = URL(fileURLWithPath: #filePath)
        for _ in 0..<4 { root.deleteLastPathComponent() }
        let text = try String(contentsOf: root.appendingPathComponent("Docs/log.md"), encoding: .utf8)
        let after = try #require(text.components(separatedBy: "\n## What happens to certificates\n").dropFirst().first)
        return after.components(separatedBy: "\n## ")[0]
    }

    @Test func theTableIsTheList() throws {
        let section = try section()
        let rows = section.split(separator: "\n").filter { $0.hasPrefix("| `") }.map { String($0.dropFirst(3).prefix { $0 != "`" }) }
        #expect(rows == Event.Kind.allCases.map(\.rawValue))
        for field in Event.Field.allCases { #expect(section.contains("`\(field.rawValue)`"), "\(field.rawValue)") }
    }

    @Test func anEntryHasItsFields() throws {
        let socket = try DatagramSocket(path: path), journal = SystemJournal(path: path)
        let name = try CertificateName("www.example.org"), ca = try ACMEURL("https://ca.example/dir")
        journal.send(Event(.renewed, name, ca: ca))
        journal.send(Event(Failure("rate-limited", .temporary, "the CA asks you to wait"), of: name, at: ca))
        journal.send(Event(Failure("deploy-failed", .failed, "its hook\nfailed"), of: name))
        let entries = socket.received().map { String(decoding: $0, as: UTF8.self) }
        try #require(entries.count == 3)
        #expect(
            entries[0] == """
                MESSAGE=renewed www.example.org
                PRIORITY=5
                SYSLOG_IDENTIFIER=acme-agent
                ACME_AGENT_EVENT=renewed
                ACME_AGENT_CERTIFICATE=www.example.org
                ACME_AGENT_CA=https://ca.example/dir

                """)
        #expect(entries[1].hasPrefix("MESSAGE=www.example.org: the CA asks you to wait\nPRIORITY=3\n"))
        #expect(entries[1].contains("\nACME_AGENT_EVENT=failed\nACME_AGENT_CERTIFICATE=www.example.org\n"))
        #expect(entries[1].hasSuffix("\nACME_AGENT_CA=https://ca.example/dir\nACME_AGENT_CODE=rate-limited\n"))
        // No value makes a field of its own.
        #expect(entries[2].contains("\nACME_AGENT_EVENT=hook-failed\n") && !entries[2].contains("\nfailed"))
    }

    /// Nobody listens: nothing is waited for, and nothing fails.
    @Test func withoutAJournalNothingIsSent() throws {
        SystemJournal(path: path).send(Event(.issued, try CertificateName("www.example.org")))
    }

    @Test func theJournalIsOnlyTakenForTheStreamThatSystemdNames() throws {
        var ends: [CInt] = [0, 0]
        try #require(pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        var status = stat()
        try #require(fstat(ends[1], &status) == 0)
        let own = "\(status.st_dev):\(status.st_ino)"
        #expect(SystemJournal.behind(ends[1], path: "/x") { $0 == "JOURNAL_STREAM" ? own : nil }?.path == "/x")
        #expect(SystemJournal.behind(ends[1], path: "/x") { _ in nil } == nil)
        #expect(SystemJournal.behind(ends[1], path: "/x") { _ in own + "0" } == nil)
    }
}
