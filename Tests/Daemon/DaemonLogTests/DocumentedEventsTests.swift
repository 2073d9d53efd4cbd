import Foundation
import Testing

@testable import DaemonLog

/// The table of events in Docs/log.md.
@Suite struct DocumentedEventsTests {
    private struct Row: Equatable {
        var level: String
        var fields: [String]
    }

    private func rows() throws -> [String: Row] {
        var root = URL(fileURLWithPath: #filePath)
        for _ in 0..<4 { root.deleteLastPathComponent() }
        let text = try String(contentsOf: root.appendingPathComponent("Docs/log.md"), encoding: .utf8)
        let table = try #require(text.components(separatedBy: "| event | level |").last?.components(separatedBy: "\n\n").first)
        var rows: [String: Row] = [:]
        for line in table.split(separator: "\n") where line.hasPrefix("| `") {
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            try #require(cells.count == 4, "\(line)")
            func words(_ cell: String) -> [String] {
                cell.components(separatedBy: "`").enumerated().filter { $0.offset % 2 == 1 }.map(\.element)
            }
            let name = try #require(words(cells[0]).first)
            #expect(rows[name] == nil && !cells[2].isEmpty, "\(line)")
            rows[name] = Row(level: cells[1], fields: words(cells[3]))
        }
        return rows
    }

    @Test func theTableIsTheList() throws {
        let rows = try rows()
        let events = DaemonEvent.allCases
        #expect(Set(rows.keys) == Set(events.map(\.rawValue)))
        for event in events {
            #expect(rows[event.rawValue] == Row(level: "\(event.level)", fields: event.fields.map(\.rawValue)), "\(event.rawValue)")
        }
    }

    @Test func aNameIsOfLowerCaseWords() {
        for name in DaemonEvent.allCases.map(\.rawValue) + LogField.allCases.map(\.rawValue) {
            #expect(name.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D }, "\(name)")
        }
        #expect(Set(LogField.allCases.map(\.journalName)).count == LogField.allCases.count)
        #expect(LogField.returnValue.journalName == "ACME_AGENT_RETURN_VALUE")
    }

    /// Each field is one that some event has; `event` is the event.
    @Test func noFieldIsLeftOver() {
        let used = Set(DaemonEvent.allCases.flatMap(\.fields))
        #expect(Set(LogField.allCases).subtracting(used) == [.event])
        #expect(DaemonEvent.allCases.allSatisfy { Set($0.fields).count == $0.fields.count })
    }
}
