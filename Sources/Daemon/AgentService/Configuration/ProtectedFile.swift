import DurableFile
import Glibc

/// Files whose content decides about keys.
enum ProtectedFile {
    /// Reads a whole file. It is opened first and then checked, with every folder and link on its path.
    /// - Parameter path: A relative path starts at the daemon's working directory.
    static func read(_ path: String, as rule: Ownership, limit: Int) throws(OwnershipError) -> [UInt8] {
        let file = try File.open(absolute(path), as: rule)
        do throws(FileError) { return try file.read(limit: limit) } catch { throw .system(error) }
    }

    private static func absolute(_ path: String) -> String {
        guard path.utf8.first != UInt8(ascii: "/") else { return path }
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        guard getcwd(&buffer, buffer.count) != nil else { return path }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self) + "/" + path
    }
}
