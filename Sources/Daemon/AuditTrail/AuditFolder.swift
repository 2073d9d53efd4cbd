import DurableFile

/// The files of one trail.
///
/// | name | what it is |
/// |---|---|
/// | `audit.jsonl` | the file being written, locked by the process that writes |
/// | `audit.jsonl.000000000000` | an older one, named by the sequence of its first record: names sort in chain order |
/// | `audit.jsonl.lock` | held (flock) by the process that writes |
/// | `audit.jsonl.new` | the next file during a rotation |
/// | `audit.jsonl.torn-<sequence>-<time>` | bytes of a line that a loss of power cut off |
///
/// There is always an `audit.jsonl`: rotation gives the old file a second name and then renames the new one over the
/// first.
struct AuditFolder: Sendable {
    /// The path of the file being written.
    var path: String
    var folder: String
    var name: String

    /// Digits of the sequence in an older file's name.
    static let digits = 12

    init(path: String) {
        self.path = path
        (folder, name) = DurableFile.split(path)
    }

    var lock: String { path + ".lock" }
    /// Names in the folder.
    var new: String { name + ".new" }
    func torn(sequence: UInt64, time: Int64) -> String { "\(name).torn-\(sequence)-\(time)" }

    /// The name of a file after its rotation, and its path.
    func rotated(first: UInt64) -> String { name + AuditFolder.suffix(first) }
    func rotatedPath(first: UInt64) -> String { path + AuditFolder.suffix(first) }

    private static func suffix(_ first: UInt64) -> String {
        let digits = String(first)
        return "." + String(repeating: "0", count: max(0, AuditFolder.digits - digits.utf8.count)) + digits
    }

    /// The older files, oldest first.
    func older() throws(AuditError) -> [(path: String, first: UInt64)] {
        let names: [String]
        do throws(FileError) { names = try DurableFile.names(in: folder) } catch { throw AuditError(error) }
        let prefix = Array((name + ".").utf8)
        var result: [(path: String, first: UInt64)] = []
        for other in names where other.utf8.starts(with: prefix) {
            let digits = other.utf8.dropFirst(prefix.count)
            guard digits.count >= AuditFolder.digits, digits.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
                let first = UInt64(String(decoding: digits, as: UTF8.self))
            else { continue }
            result.append((path + "." + String(decoding: digits, as: UTF8.self), first))
        }
        return result.sorted { $0.first < $1.first }
    }

    /// Gives the current file its older name and puts the new one in its place; must be followed by a sync of the
    /// folder.
    func exchange(first: UInt64, in directory: Folder) throws(FileError) {
        try directory.addName(rotated(first: first), to: name)
        do throws(FileError) { try directory.rename(new, to: name) } catch {
            _ = try? directory.remove(rotated(first: first))
            throw error
        }
    }

    /// Opens one file of the trail for reading; `nil` if it does not exist.
    static func openForReading(_ path: String) throws(AuditError) -> File? {
        do throws(FileError) { return try File(reading: path, followsLink: false) } catch {
            if error.isMissing { return nil }
            guard error.cause != .notRegular else {
                throw AuditError(.insecure, file: path, message: "the audit trail is not a regular file")
            }
            throw AuditError(error)
        }
    }
}
