import ArgumentParser
import FuzzTargets
import Glibc

/// What a target begins with: its own seeds and the files of folders.
struct Inputs {
    let seeds: [[UInt8]]
    let files: [[UInt8]]

    var all: [[UInt8]] { seeds + files }

    /// - Throws: `ValidationError` if a folder or a file in it cannot be read.
    init(_ target: FuzzTarget, folders: [String]) throws {
        seeds = try target.seeds()
        files = try folders.flatMap { folder in try Inputs.names(in: folder).map { try Inputs.read("\(folder)/\($0)") } }
    }

    /// In the order of their names, so that a seed finds the same every time.
    private static func names(in path: String) throws -> [String] {
        guard let folder = opendir(path) else { throw ValidationError("\(path): \(String(cString: strerror(errno)))") }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if !name.hasPrefix(".") { names.append(name) }
        }
        return names.sorted()
    }

    static func read(_ path: String) throws -> [UInt8] {
        guard let file = fopen(path, "r") else { throw ValidationError("\(path): \(String(cString: strerror(errno)))") }
        defer { fclose(file) }
        var bytes: [UInt8] = [], chunk = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = fread(&chunk, 1, chunk.count, file)
            bytes += chunk[..<count]
            if count < chunk.count { break }
        }
        guard ferror(file) == 0 else { throw ValidationError("\(path) cannot be read") }
        return bytes
    }

    static func write(_ bytes: [UInt8], to path: String) throws {
        guard let file = fopen(path, "w") else { throw ValidationError("\(path): \(String(cString: strerror(errno)))") }
        let written = fwrite(bytes, 1, bytes.count, file)
        guard fclose(file) == 0, written == bytes.count else { throw ValidationError("\(path) cannot be written") }
    }
}
