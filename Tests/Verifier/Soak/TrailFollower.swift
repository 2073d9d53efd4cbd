import Glibc

/// Reads the audit trail while the daemon writes it, over rotations, and checks its chain (Docs/operations.md, "The
/// audit trail"): each line has the hash of the line before, and the SHA-256 of its own bytes before `,"hash":`.
final class TrailFollower {
    /// Where a trail ends.
    struct End {
        var sequence: Int
        /// SHA-256 in hexadecimal.
        var hash: String
        /// Bytes in the file up to here.
        var offset: Int
    }

    private let path: String
    private var file: Int32 = -1
    private var end: End
    private var rest: [UInt8] = []
    private(set) var records = 0
    private(set) var bytes = 0
    private(set) var rotations = 0

    private static let member = Array(",\"hash\":\"".utf8)
    private static let suffix = member.count + 64 + 2

    /// - Parameter end: Up to where the trail is known.
    init(_ path: String, after end: End) {
        self.path = path
        self.end = end
    }

    deinit { if file >= 0 { close(file) } }

    /// Reads every whole line that is there.
    func read(_ take: (JSON) -> Void) throws(Finding) {
        if file < 0 { try openCurrent(at: end.offset) }
        while true {
            try readToEnd(take)
            guard isRotated else { return }
            // What was added between the last look and the rotation.
            try readToEnd(take)
            guard rest.isEmpty else { throw Finding("the trail's file was rotated in the middle of a line") }
            rotations += 1
            removeOlder()
            close(file)
            try openCurrent(at: 0)
        }
    }

    /// As an administrator may while the daemon runs.
    private func removeOlder() {
        let parts = path.split(separator: "/"), folder = "/" + parts.dropLast().joined(separator: "/")
        for name in File.names(folder) ?? [] {
            guard let last = parts.last, name.hasPrefix(last + "."), name.dropFirst(last.count + 1).allSatisfy(\.isNumber) else { continue }
            unlink(folder + "/" + name)
        }
    }

    private func openCurrent(at offset: Int) throws(Finding) {
        file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0, lseek(file, off_t(offset), SEEK_SET) == off_t(offset) else { throw Finding("the trail cannot be read") }
    }

    private var isRotated: Bool {
        var own = stat(), current = stat()
        guard fstat(file, &own) == 0, stat(path, &current) == 0 else { return false }
        return own.st_ino != current.st_ino || own.st_dev != current.st_dev
    }

    private func readToEnd(_ take: (JSON) -> Void) throws(Finding) {
        var part = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = Glibc.read(file, &part, part.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return }
            bytes += count
            rest += part[..<count]
            var start = rest.startIndex
            while let stop = rest[start...].firstIndex(of: UInt8(ascii: "\n")) {
                take(try check(Array(rest[start..<stop])))
                start = stop + 1
            }
            rest.removeSubrange(..<start)
        }
    }

    private func check(_ line: [UInt8]) throws(Finding) -> JSON {
        let place = line.count - TrailFollower.suffix
        guard place > 0, line[place...].starts(with: TrailFollower.member), let record = JSONReader.read(line),
            let sequence = record["sequence"]?.int, let previous = record["previous"]?.string, let hash = record["hash"]?.string
        else { throw Finding("a line of the trail is no record: \(String(decoding: line.prefix(500), as: UTF8.self))") }
        guard TrailFollower.hash(Array(line[..<place])) == hash else { throw Finding("record \(sequence) has another hash than its line") }
        guard sequence == end.sequence + 1, previous == end.hash else {
            throw Finding("record \(sequence) does not follow record \(end.sequence): records are missing, or the trail was cut")
        }
        end.sequence = sequence
        end.hash = hash
        records += 1
        return record
    }

    static func hash(_ bytes: [UInt8]) -> String { hexadecimal(PublicKey.sha256(bytes)) }

    static func hexadecimal(_ bytes: [UInt8]) -> String { bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }

    /// A record's line with its newline.
    static func line(_ members: String, after end: End) -> (line: [UInt8], hash: String) {
        var line = Array("{\"sequence\":\(end.sequence + 1),\(members),\"previous\":\"\(end.hash)\"".utf8)
        let hash = hash(line)
        line += member + Array("\(hash)\"}\n".utf8)
        return (line, hash)
    }

    /// Begins a trail, with records that fill the file up to `size` bytes: the first rotation, at 64 MiB, then comes within
    /// a short test.
    static func prefill(_ path: String, size: Int) throws(Finding) -> End {
        let file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o640)
        guard file >= 0 else { throw Finding("the trail could not be made") }
        defer { close(file) }
        var end = End(sequence: -1, hash: String(repeating: "0", count: 64), offset: 0)
        var members = "\"time\":1,\"kind\":\"genesis\",\"format\":2,\"trail\":\"\(String(repeating: "5", count: 32))\""
        // A line may have 512 KiB.
        let filler = String(repeating: "x", count: 400_000)
        while end.offset < size {
            let (line, hash) = line(members, after: end)
            guard write(file, line, line.count) == line.count else { throw Finding("the trail could not be written") }
            end = End(sequence: end.sequence + 1, hash: hash, offset: end.offset + line.count)
            members = "\"time\":1,\"kind\":\"event\",\"operation\":\"filler\",\"detail\":\"\(filler)\""
        }
        return end
    }
}
