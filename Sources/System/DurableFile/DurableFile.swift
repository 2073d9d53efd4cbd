import Glibc

/// Writes files completely or not at all: write to a temporary name, sync, rename, sync the folder. Works by path;
/// `Folder` and `File` do the same with open descriptors.
public enum DurableFile {
    /// Replaces a file's content. Once this returns, the new content survives a power loss; on an error the old content
    /// is untouched.
    /// - Throws: `FileError`.
    public static func replace(_ path: String, with bytes: [UInt8], mode: UInt32, calls: FileCalls = .real) throws(FileError) {
        let (folder, name) = split(path)
        try Folder(folder, calls: calls).replace(name, with: bytes, mode: mode)
    }

    /// Removes a file; a missing file is not an error.
    public static func remove(_ path: String, calls: FileCalls = .real) throws(FileError) {
        let (folder, name) = split(path)
        let opened: Folder
        do throws(FileError) { opened = try Folder(folder, calls: calls) } catch {
            if error.isMissing { return }
            throw error
        }
        try opened.remove(name)
        // Also if it was missing: an earlier attempt may have failed at this step.
        try opened.synchronize()
    }

    /// Reads a whole regular file of at most `limit` bytes. A FIFO or a device is refused, so that reading cannot hang.
    public static func read(_ path: String, limit: Int) throws(FileError) -> [UInt8] { try File(reading: path).read(limit: limit) }

    /// Makes a folder and any missing parents.
    public static func createFolder(_ path: String, mode: UInt32, calls: FileCalls = .real) throws(FileError) {
        try Folder.make(path, mode: mode, calls: calls)
    }

    /// Names in a folder, sorted, without `.` and `..`.
    public static func names(in folder: String) throws(FileError) -> [String] { try Folder(folder).names() }

    /// Syncs the folder that holds a path, so that a new name in it survives a power loss.
    public static func syncFolder(of path: String, calls: FileCalls = .real) throws(FileError) {
        try Folder(parent(of: path), calls: calls).synchronize()
    }

    /// The folder that holds a path.
    public static func parent(of path: String) -> String { split(path).folder }

    /// A path's folder and its name in it.
    public static func split(_ path: String) -> (folder: String, name: String) {
        let bytes = path.utf8
        guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return (".", path) }
        let name = String(decoding: bytes[bytes.index(after: slash)...], as: UTF8.self)
        return (slash == bytes.startIndex ? "/" : String(decoding: bytes[..<slash], as: UTF8.self), name)
    }
}
