import ACME
import Glibc
import KeyNameLiterals

@testable import AuditTrail

/// Where a trail ended, for other targets.
enum AuditHeadSample {
    static func make() throws -> AuditHead {
        guard let head = AuditHead("7:" + String(repeating: "0f", count: 32)) else { throw Finding("a head is refused") }
        return head
    }
}

extension FuzzTarget {
    private static let trailTokens = [
        "\"sequence\":", "\"time\":", "\"kind\":\"intent\"", "\"kind\":\"genesis\"", "\"kind\":\"outcome\"", "\"format\":2",
        "\"key\":\"web\"",
        "\"missingFrom\":", "\"uid\":4294967295", "\"identifiers\":[\"a.test\"]", "\"detail\":\"", "\\u0000", "\\u202e", "\\ud83d\\ude00",
        "é", ",",
    ]

    private static func lines() -> [[UInt8]] {
        var genesis = AuditRecord(.genesis, time: 1_764_000_000_000)
        genesis.trail = "00112233445566778899aabbccddeeff"
        var intent = AuditRecord(.intent, time: 1_764_000_000_001)
        intent.correlation = "4711-12-3"
        intent.uid = 1_000
        intent.gid = 1_000
        intent.connection = 12
        intent.grant = "web"
        intent.key = "www"
        intent.operation = "new-order"
        intent.ca = "https://ca.test"
        intent.url = "https://ca.test/order"
        intent.identifiers = ["www.example.org", "192.0.2.1"]
        intent.digest = "sha256:00"
        var outcome = AuditRecord(.outcome, time: 1_764_000_000_002)
        outcome.correlation = intent.correlation
        outcome.result = "failed"
        outcome.error = "token"
        outcome.detail = "no\u{1B}[31m \"é\"\u{0}\u{202E}"
        var event = AuditRecord(.event, time: 1_764_000_000_003)
        event.missingFrom = 2
        return [genesis, intent, outcome, event].enumerated().map { index, record in
            var line: [UInt8] = []
            _ = AuditLine.append(record, sequence: UInt64(index), previous: .none, to: &line)
            return body(of: line)
        }
    }

    /// A line without `,"previous":…`, which `chained` adds again.
    private static func body(of line: [UInt8]) -> [UInt8] {
        guard let range = line.firstRange(of: ",\"previous\":\"".utf8) else { return line }
        return Array(line[..<range.lowerBound])
    }

    /// A line with its place in the chain.
    private static func chained(_ body: some Collection<UInt8>, after previous: AuditHash) -> (line: [UInt8], hash: AuditHash) {
        let whole = Array(body) + Array(",\"previous\":\"\(previous.text)\"".utf8), hash = AuditHash(of: whole[...])
        return (whole + Array(",\"hash\":\"\(hash.text)\"}".utf8), hash)
    }

    /// A record of the audit trail, whose hash is added. The record that is read is written so that it is read as the
    /// same; a changed byte is noticed; the sequence that is found without reading the line is the record's.
    static let trailLine = FuzzTarget("trail-line", longest: 2_048, tokens: trailTokens, seeds: { lines() }) { bytes in
        let line = chained(bytes, after: .none).line
        guard let entry = try? AuditEntry(line: line) else { return false }
        if let sequence = AuditEntry.sequence(ofLine: line[...]) {
            try expect(sequence == entry.record.sequence, "a line's sequence is found as another one")
        }
        var written: [UInt8] = []
        _ = AuditLine.append(entry.record, sequence: entry.record.sequence, previous: .none, to: &written)
        let again = try must("a record that was written is refused") { try AuditEntry(line: written) }
        try expect(again.record == entry.record, "a record that was written is another one")
        try expect(!written.contains { $0 < 0x20 || $0 == 0x7F }, "a line has a control character")
        var damaged = line
        damaged[Int(bytes.first ?? 0) * 131 % line.count] ^= 1
        try expect((try? AuditEntry(line: damaged)) == nil, "a changed byte is not noticed")
        return true
    }

    /// A trail of several lines, each with its place in the chain added, with what a cut or torn file may have between
    /// them. The verifier and the reader agree about it.
    static let trail = FuzzTarget("trail", longest: 4_096, tokens: trailTokens + ["\n", "\n\n", "x\n"]) {
        let bodies = lines()
        return [Array(bodies.joined(separator: [0x0A])) + [0x0A], Array(bodies.prefix(2).joined(separator: [0x0A]))]
    } check: { bytes in
        var text: [UInt8] = [], previous = AuditHash.none
        let parts = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            if part.first == UInt8(ascii: "{") {
                let (line, hash) = chained(part, after: previous)
                text += line
                previous = hash
            } else {
                text += part
            }
            if index + 1 < parts.count { text.append(UInt8(ascii: "\n")) }
        }
        return try withFile(text) { path in
            guard let report = try? AuditVerifier(path: path).verify() else { return false }
            var reader = AuditReader(path: path), read = 0, isRefused = false
            do throws(AuditError) {
                while true {
                    let entries = try reader.read(limit: 3)
                    read += entries.count
                    if entries.isEmpty { break }
                }
            } catch { isRefused = true }
            if report.isWhole {
                try expect(!isRefused && read == report.records, "the verifier finds \(report.records) records, the reader \(read)")
            }
            return report.isWhole && report.records > 0
        }
    }

    private static func withFile(_ bytes: [UInt8], _ body: (String) throws -> Bool) throws -> Bool {
        var template = Array(((getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp") + "/fuzz-trail.XXXXXX").utf8CString)
        guard let made = mkdtemp(&template) else { throw Finding("no temporary folder: \(String(cString: strerror(errno)))") }
        let folder = String(cString: made), path = folder + "/audit.jsonl"
        defer {
            unlink(path)
            rmdir(folder)
        }
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL, 0o600)
        guard file >= 0 else { throw Finding("no temporary file: \(String(cString: strerror(errno)))") }
        let written = write(file, bytes, bytes.count)
        close(file)
        guard written == bytes.count else { throw Finding("the temporary file cannot be written") }
        return try body(path)
    }
}
