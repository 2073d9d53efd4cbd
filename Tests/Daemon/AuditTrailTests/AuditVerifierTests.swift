import Glibc
import Testing

@testable import AuditTrail

@Suite("Audit verifier")
struct AuditVerifierTests {
    private func verify(_ trail: TrailFolder, expecting: [AuditHead] = []) throws -> AuditReport {
        try AuditVerifier(path: trail.path, expecting: expecting).verify()
    }

    /// A line with other content and a hash that matches it.
    private func forge(_ line: [UInt8], _ old: String, _ new: String) -> [UInt8] {
        let text = String(decoding: line, as: UTF8.self).split(separator: ",\"hash\":")[0]
        var bytes = Array(text.utf8)
        if let range = bytes.firstRange(of: Array(old.utf8)) { bytes.replaceSubrange(range, with: Array(new.utf8)) }
        return bytes + Array(",\"hash\":\"".utf8) + AuditHash(of: bytes[...]).text.utf8 + Array("\"}".utf8)
    }

    @Test("Each way of tampering is found where it is, and named")
    func tampering() throws {
        let cases: [(AuditFault.Kind, Int, UInt64?, ([[UInt8]]) -> [[UInt8]])] = [
            (
                .changed, 4, 3,
                {
                    var lines = $0
                    lines[3][lines[3].count / 2] ^= 1
                    return lines
                }
            ),
            // Rehashed by somebody who knows the format: the next line reveals it.
            (
                .changed, 5, 4,
                {
                    var lines = $0
                    lines[3] = forge(lines[3], "\"uid\":1000", "\"uid\":1001")
                    return lines
                }
            ),
            (
                .removed, 4, 4,
                {
                    var lines = $0
                    lines.remove(at: 3)
                    return lines
                }
            ),
            (
                .removed, 4, 6,
                {
                    var lines = $0
                    lines.removeSubrange(3...5)
                    return lines
                }
            ),
            (
                .inserted, 5, 3,
                {
                    var lines = $0
                    lines.insert(lines[3], at: 4)
                    return lines
                }
            ),
            (
                .inserted, 6, 1,
                {
                    var lines = $0
                    lines.insert(lines[1], at: 5)
                    return lines
                }
            ),
            (
                .reordered, 4, 4,
                {
                    var lines = $0
                    lines.swapAt(3, 4)
                    return lines
                }
            ),
            (
                .malformed, 4, 3,
                {
                    var lines = $0
                    lines[3] = Array("{}".utf8)
                    return lines
                }
            ),
            (
                .malformed, 4, 3,
                {
                    var lines = $0
                    lines[3] = []
                    return lines
                }
            ),
            (
                .beginningMissing, 1, 1,
                {
                    var lines = $0
                    lines.removeFirst()
                    return lines
                }
            ),
        ]
        for (index, (kind, line, sequence, tamper)) in cases.enumerated() {
            let trail = try TrailFolder()
            try trail.fill(9)
            try trail.write(lines: tamper(try trail.lines()))
            let fault = try verify(trail).fault
            #expect(fault?.kind == kind, "case \(index): \(String(describing: fault))")
            #expect(fault?.line == line, "case \(index): \(String(describing: fault))")
            #expect(fault?.sequence == sequence, "case \(index): \(String(describing: fault))")
            #expect(fault?.file == trail.path)
        }
    }

    @Test("Every single flipped bit of a line is found")
    func flippedBits() throws {
        let trail = try TrailFolder()
        try trail.fill(3)
        let lines = try trail.lines()
        for byte in stride(from: 0, to: lines[2].count, by: 3) {
            var changed = lines
            changed[2][byte] ^= UInt8(1 << (byte % 8))
            try trail.write(lines: changed)
            #expect(try !verify(trail).isWhole, "byte \(byte)")
        }
    }

    @Test("A head noted earlier reveals a cut tail, and a rewritten trail too")
    func heads() throws {
        let trail = try TrailFolder()
        try trail.fill(9)
        let report = try verify(trail)
        let head = try #require(report.head)
        #expect(head.sequence == 9 && report.isWhole)
        let lines = try trail.lines()
        try trail.write(lines: Array(lines.prefix(6)))
        #expect(try verify(trail).isWhole)
        let cut = try verify(trail, expecting: [head]).fault
        #expect(cut?.kind == .truncated && cut?.sequence == 9)
        unlink(trail.path)
        try trail.fill(9)
        #expect(try verify(trail, expecting: [head]).fault?.kind == .rewritten)
    }

    @Test("Across files: one missing in the middle, one moved away at the beginning")
    func files() throws {
        let trail = try TrailFolder()
        try trail.fill(40, limits: AuditLimits(fileSize: 4_000))
        let older = try AuditFolder(path: trail.path).older()
        let middle = try trail.read(older[1].path)
        unlink(older[1].path)
        #expect(try verify(trail).fault?.kind == .removed)
        try trail.write(middle, to: older[1].path)
        #expect(try verify(trail).isWhole)
        unlink(older[0].path)
        #expect(try verify(trail).fault?.kind == .beginningMissing)
        let rest = try AuditVerifier(path: trail.path, acceptsMissingBeginning: true).verify()
        #expect(rest.isWhole && rest.first == older[1].first && rest.trail == nil)
    }

    @Test("A line that is being written is reported, but not as a fault")
    func unfinished() throws {
        let trail = try TrailFolder()
        try trail.fill(2)
        try trail.write(try trail.read(trail.path) + Array("{\"sequence\":3".utf8), to: trail.path)
        let report = try verify(trail)
        #expect(report.isWhole && report.unfinishedBytes == 13 && report.records == 3)
    }

    @Test("A loss of power: a torn line or unwritten blocks are moved aside, and the trail says so", arguments: [0, 1, 2])
    func torn(kind: Int) throws {
        let trail = try TrailFolder()
        try trail.fill(3)
        let whole = try trail.read(trail.path)
        let tail: [UInt8] =
            switch kind {
            case 0: Array("{\"sequence\":4,\"time\"".utf8)
            case 1: [UInt8](repeating: 0, count: 5_000)
            default: [UInt8](repeating: 0, count: 600) + Array("\n{\"sequence\":5}\n".utf8)
            }
        try trail.write(whole + tail, to: trail.path)
        try trail.fill(1)
        let report = try verify(trail)
        #expect(report.isWhole && report.records == 6)
        let name = try #require(trail.names.first { $0.hasPrefix("audit.jsonl.torn-4-") })
        #expect(try trail.read(trail.folder + "/" + name) == tail)
        var reader = AuditReader(path: trail.path, from: 4)
        let event = try #require(try reader.read().first)
        #expect(event.record.kind == .event && event.record.detail?.contains(name) == true)
    }

    @Test("An end that does not verify for another reason is refused, never repaired")
    func damagedEnd() throws {
        let trail = try TrailFolder()
        try trail.fill(3)
        let lines = try trail.lines()
        for change in 0..<3 {
            var changed = lines
            switch change {
            case 0: changed[3] = forge(changed[3], "c-2", "c-9").map { $0 == UInt8(ascii: "w") ? UInt8(ascii: "v") : $0 }
            case 1: changed.remove(at: 2)
            default: changed[3] = Array("{}".utf8)
            }
            try trail.write(lines: changed)
            let got = reason { try trail.fill(1) }
            #expect(got == .damaged || got == .malformed, "change \(change)")
            #expect(try trail.lines() == changed)
        }
    }

    @Test("Hostile lines are refused without harm")
    func hostile() throws {
        let texts = [
            "", "{", "[]", "null", "{\"sequence\":-1}", "{\"sequence\":18446744073709551616}", "{\"sequence\":1,\"sequence\":1}",
            String(repeating: "[", count: 10_000), "{\"hash\":\"\"}",
            "{\"sequence\":1,\"time\":1e3,\"kind\":\"intent\",\"previous\":\"\",\"hash\":\"\"}",
            "{\"sequence\":1,\"time\":1,\"kind\":\"intent\",\"extra\":1,\"previous\":\"\",\"hash\":\"\"}",
            "{\"sequence\":1,\"time\":1,\"kind\":\"intent\",\"previous\":\"\",\"hash\":\"\"}",
        ]
        for text in texts { #expect(throws: AuditError.self) { try AuditEntry(line: Array(text.utf8)) } }
        #expect(AuditHead("5:abc") == nil)
        #expect(AuditHead("x:" + String(repeating: "a", count: 64)) == nil)
        #expect(AuditHead("5:" + String(repeating: "G", count: 64)) == nil)
    }

    @Test("No trail is an error with its path")
    func none() throws {
        let trail = try TrailFolder()
        #expect(reason { _ = try verify(trail) } == .missing)
        #expect(reason { _ = try AuditReader(path: trail.path, last: 3) } == .missing)
        var reader = AuditReader(path: trail.path)
        #expect(try reader.read().isEmpty)
    }

    @Test("A trail without a single record is not whole")
    func emptied() throws {
        let trail = try TrailFolder()
        try trail.fill(3)
        try trail.write([], to: trail.path)
        let report = try AuditVerifier(path: trail.path).verify()
        #expect(!report.isWhole && report.fault?.kind == .beginningMissing)
    }
}
