import Testing

@testable import AuditTrail

@Suite("Audit trail's format")
struct AuditFormatTests {
    private func line(_ members: String, after previous: String) -> (line: [UInt8], hash: String) {
        let body = Array("{\(members),\"previous\":\"\(previous)\"".utf8)
        let hash = AuditHash(of: body[...]).text
        return (body + Array(",\"hash\":\"\(hash)\"}".utf8), hash)
    }

    /// A trail as format 1 had it.
    private func old() -> (lines: [[UInt8]], hash: String) {
        let genesis = line(
            #""sequence":0,"time":1764000000000,"kind":"genesis","format":1,"trail":"00112233445566778899aabbccddeeff""#,
            after: String(repeating: "0", count: 64))
        let intent = line(
            #""sequence":1,"time":1764000000001,"kind":"intent","correlation":"1-1","uid":1000,"gid":1000,"connection":1,"grant":"web","key":"www","operation":"new-order","identifiers":["www.example.org"]"#,
            after: genesis.hash)
        return ([genesis.line, intent.line], intent.hash)
    }

    @Test("A trail of the older format is continued and verifies whole")
    func older() throws {
        let trail = try TrailFolder()
        try trail.write(lines: old().lines)
        try trail.fill(3)
        let report = try AuditVerifier(path: trail.path).verify()
        #expect(report.isWhole && report.records == 5 && report.trail == "00112233445566778899aabbccddeeff")
        // An older reader understands what this one writes about signatures.
        #expect(try trail.lines().dropFirst().allSatisfy { !String(decoding: $0, as: UTF8.self).contains("format") })
    }

    @Test("A refusal recorded by an earlier version may have an impossible key name: the trail is still whole")
    func impossibleKey() throws {
        let trail = try TrailFolder()
        let (lines, hash) = old()
        let refusal = line(#""sequence":2,"time":1764000000002,"kind":"refusal","key":"../x","operation":"new-order""#, after: hash)
        try trail.write(lines: lines + [refusal.line])
        try trail.fill(2)
        let report = try AuditVerifier(path: trail.path).verify()
        #expect(report.isWhole && report.records == 5)
        var reader = AuditReader(path: trail.path, from: 1)
        let entries = try reader.read()
        #expect(entries.prefix(2).map(\.record.key) == ["www", nil])
        #expect(entries.dropFirst().first?.line == refusal.line)
    }

    @Test("A newer format is refused with a sentence, whatever else is in the line", arguments: ["", #","leaf":{"index":1}"#])
    func newer(members: String) throws {
        let trail = try TrailFolder()
        let (lines, hash) = old()
        let new = line(#""sequence":2,"time":1764000000002,"kind":"checkpoint","format":3"# + members, after: hash)
        try trail.write(lines: lines + [new.line])
        do {
            try trail.fill(1)
            Issue.record("a newer trail was continued")
        } catch let error as AuditError {
            #expect(error.reason == .newerFormat)
            #expect(error.description.contains("newer acme-agent: format 3") && error.description.contains("up to 2"))
        }
        #expect(try trail.lines().count == 3)
        #expect(reason { _ = try AuditVerifier(path: trail.path).verify() } == .newerFormat)
        #expect(reason { _ = try AuditReader(path: trail.path, last: 1) } == .newerFormat)
    }

    @Test(
        "A genesis record of a newer format, or of none, is refused", arguments: [("3", AuditError.Reason.newerFormat), ("0", .malformed)])
    func genesis(format: String, expected: AuditError.Reason) throws {
        let trail = try TrailFolder()
        let genesis = line(
            #""sequence":0,"time":1764000000000,"kind":"genesis","format":\#(format),"trail":"00112233445566778899aabbccddeeff""#,
            after: String(repeating: "0", count: 64))
        try trail.write(lines: [genesis.line])
        #expect(reason { try trail.fill(1) } == expected)
    }

    @Test("What a terminal would obey, hide or reverse is escaped in the file, and comes back")
    func escapes() throws {
        let trail = try TrailFolder()
        let hostile = [
            "\u{9B}31m", "\u{85}", "\u{2028}", "\u{2029}", "\u{202E}txt.exe", "\u{2066}a\u{2069}", "\u{200B}", "\u{FEFF}", "\u{61C}",
            "\u{E0041}",
        ]
        var record = AuditRecord(.event)
        record.detail = "plain é 漢 🙂 " + hostile.joined(separator: " ")
        record.identifiers = hostile
        let log = try AuditLog(path: trail.path)
        try log.record(record)
        try log.close()
        let text = String(decoding: try trail.read(trail.path), as: UTF8.self)
        #expect(text.contains("plain é 漢 🙂 "))
        for scalar in hostile.joined().unicodeScalars where !(0x20..<0x7F).contains(scalar.value) {
            #expect(!text.unicodeScalars.contains(scalar), "U+\(String(scalar.value, radix: 16))")
        }
        #expect(
            text.contains("\\u009b31m") && text.contains("\\u2028") && text.contains("\\u202etxt.exe") && text.contains("\\udb40\\udc41"))
        var reader = AuditReader(path: trail.path, from: 1)
        let read = try #require(try reader.read().first?.record)
        #expect(read.detail == record.detail && read.identifiers == hostile)
    }

    @Test("The last records are read from the end: damage long before them is not read")
    func fromTheEnd() throws {
        let trail = try TrailFolder()
        try trail.fill(2_000)
        var lines = try trail.lines()
        lines[10] = Array("damaged".utf8)
        try trail.write(lines: lines)
        var reader = try AuditReader(path: trail.path, last: 5)
        #expect(try reader.read().map(\.record.sequence) == Array(1_996...2_000))
        var whole = AuditReader(path: trail.path)
        #expect(reason { _ = try whole.read(limit: 5_000) } == .malformed)
    }

    @Test("Bisection finds any record, whatever the lengths of the lines")
    func search() throws {
        let trail = try TrailFolder()
        var random = SplitMix(state: 14)
        let log = try AuditLog(path: trail.path)
        for index in 1...400 {
            var record = sample(index)
            record.detail = String(repeating: "x", count: .random(in: 0...(index % 50 == 0 ? 200_000 : 2_000), using: &random))
            try log.record(record)
        }
        try log.close()
        let file = try #require(try AuditFolder.openForReading(trail.path))
        for sequence in UInt64(0)...400 {
            #expect(try file.entry(of: sequence)?.record.sequence == sequence)
        }
        #expect(try file.entry(of: 401) == nil)
    }
}
