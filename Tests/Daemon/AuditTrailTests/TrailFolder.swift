import ACME
import DurableFile
import Foundation
import Glibc
import KeyNameLiterals
import Testing

@testable import AuditTrail

/// A private folder with a trail in it, removed with its last owner.
final class TrailFolder {
    let folder: String
    var path: String { folder + "/audit.jsonl" }

    init() throws {
        var template = Array("\(FileManager.default.temporaryDirectory.path)/audit-test-XXXXXX".utf8CString)
        let made: String? = template.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress, mkdtemp(base) != nil else { return nil }
            return String(cString: base)
        }
        folder = try #require(made)
    }

    deinit {
        for name in names { unlink("\(folder)/\(name)") }
        rmdir(folder)
    }

    var names: [String] {
        guard let directory = opendir(folder) else { return [] }
        defer { closedir(directory) }
        var result: [String] = []
        while let entry = readdir(directory) {
            let bytes = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            let name = String(decoding: bytes, as: UTF8.self)
            if name != ".", name != ".." { result.append(name) }
        }
        return result.sorted()
    }

    func read(_ path: String) throws -> [UInt8] {
        let file = try #require(try AuditFolder.openForReading(path))
        return try file.bytes(at: 0, count: file.length)
    }

    func write(_ bytes: [UInt8], to path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o640)
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        try #require(bytes.withUnsafeBytes { FileCalls.real.writeAll(descriptor, $0) } == 0)
    }

    /// The lines of the current file, each without its newline.
    func lines() throws -> [[UInt8]] { try read(path).split(separator: UInt8(ascii: "\n")).map { Array($0) } }

    func write(lines: [[UInt8]]) throws { try write(lines.flatMap { $0 + [UInt8(ascii: "\n")] }, to: path) }

    /// A trail of `count` records besides the genesis record.
    func fill(_ count: Int, limits: AuditLimits = .default) throws {
        let log = try AuditLog(path: path, limits: limits)
        for index in 0..<count { try log.record(sample(index)) }
        try log.close()
    }
}

func sample(_ index: Int = 0) -> AuditRecord {
    var record = AuditRecord(.intent, time: 1_764_000_000_000 + Int64(index))
    record.correlation = "c-\(index)"
    record.uid = 1000
    record.gid = 1000
    record.connection = 7
    record.grant = "web"
    record.key = "www"
    record.fingerprint = String(repeating: "ab", count: 32)
    record.operation = "new-order"
    record.ca = "https://acme.example"
    record.url = "https://acme.example/new-order"
    record.identifiers = ["www.example.org", "192.0.2.1"]
    record.digest = String(repeating: "cd", count: 32)
    return record
}
