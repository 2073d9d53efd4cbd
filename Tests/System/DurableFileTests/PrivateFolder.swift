import Foundation
import Glibc
import Testing

@testable import DurableFile

/// A test's own folder, removed with its last reference.
final class PrivateFolder: Sendable {
    let path: String

    init() throws {
        var template = Array("\(FileManager.default.temporaryDirectory.path)/durable-test-XXXXXX".utf8CString)
        let made: String? = template.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress, mkdtemp(base) != nil else { return nil }
            return String(cString: base)
        }
        path = try #require(made)
    }

    deinit {
        let (above, name) = DurableFile.split(path)
        try? Folder(above).removeTree(name, depth: 8)
    }

    func path(_ name: String) -> String { path + "/" + name }
    var names: [String] { (try? DurableFile.names(in: path)) ?? ["?"] }

    @discardableResult func write(_ text: String, to name: String, mode: UInt32 = 0o644) throws -> String {
        try DurableFile.replace(path(name), with: Array(text.utf8), mode: mode)
        return path(name)
    }

    func text(_ name: String) throws -> String { String(decoding: try DurableFile.read(path(name), limit: 1 << 20), as: UTF8.self) }
}

/// The error that a body throws.
func failure<Failure: Error>(of _: Failure.Type = Failure.self, _ body: () throws -> Void) -> Failure? {
    do {
        try body()
        return nil
    } catch { return error as? Failure }
}
