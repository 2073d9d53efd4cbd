import Glibc

/// The files of one trail.
///
/// | name | what it is |
/// |---|---|
/// | `audit.jsonl` | the file being written |
/// | `audit.jsonl.000000000000` | an older one; the number is the sequence of its first record, so that names sort as the chain runs |
/// | `audit.jsonl.lock` | held (flock) by the process that writes |
/// | `audit.jsonl.new` | the next file while a rotation is going on |
/// | `audit.jsonl.torn-<sequence>-<time>` | bytes of a line that a loss of power cut off |
///
/// At no moment is there no `audit.jsonl`: rotation gives the old file its second name and then renames the new one over the first.
struct AuditFolder: Sendable {
    /// The path of the file being written.
    var path: String
    var folder: String
    var name: String

    /// Digits of the sequence in an older file's name.
    static let digits = 12

    init(path: String) {
        self.path = path
        let bytes = Array(path.utf8)
        if let slash = bytes.lastIndex(of: UInt8(ascii: "/")) {
            folder = slash == 0 ? "/" : String(decoding: bytes[..<slash], as: UTF8.self)
            name = String(decoding: bytes[(slash + 1)...], as: UTF8.self)
        } else {
            folder = "."
            name = path
        }
    }

    var lock: String { path + ".lock" }
    var new: String { path + ".new" }
    func torn(sequence: UInt64, time: Int64) -> String { "\(path).torn-\(sequence)-\(time)" }

    /// The name that a file gets when it is rotated away.
    func rotated(first: UInt64) -> String {
        let digits = String(first)
        return path + "." + String(repeating: "0", count: max(0, AuditFolder.digits - digits.utf8.count)) + digits
    }

    /// The older files, oldest first.
    func older() throws(AuditError) -> [(path: String, first: UInt64)] {
        guard let directory = opendir(folder) else { throw .system("opendir", file: folder, errorNumber: errno) }
        defer { closedir(directory) }
        let prefix = Array((name + ".").utf8)
        var result: [(path: String, first: UInt64)] = []
        while let entry = readdir(directory) {
            let bytes = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            guard bytes.starts(with: prefix) else { continue }
            let digits = bytes.dropFirst(prefix.count)
            guard digits.count >= AuditFolder.digits, digits.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
                let first = UInt64(String(decoding: digits, as: UTF8.self))
            else { continue }
            result.append((path + "." + String(decoding: digits, as: UTF8.self), first))
        }
        return result.sorted { $0.first < $1.first }
    }

    /// Gives the current file its older name and puts the new one in its place; to be followed by `synchronize`.
    func exchange(first: UInt64) throws(AuditError) {
        guard link(path, rotated(first: first)) == 0 else { throw .system("link", file: path, errorNumber: errno) }
        guard rename(new, path) == 0 else {
            let number = errno
            unlink(rotated(first: first))
            throw .system("rename", file: path, errorNumber: number)
        }
    }

    /// Makes names given or taken durable.
    func synchronize() throws(AuditError) {
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .system("open", file: folder, errorNumber: errno) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else {
            throw AuditError(.failed, file: folder, errorNumber: errno, message: "the audit folder could not be synced")
        }
    }

    /// Opens one file of the trail for reading; `nil` if there is none of that name.
    static func openForReading(_ path: String) throws(AuditError) -> AuditFile? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
        guard descriptor >= 0 else {
            if errno == ENOENT { return nil }
            throw .system("open", file: path, errorNumber: errno)
        }
        let file = AuditFile(descriptor: descriptor)
        guard let status = file.status, status.st_mode & S_IFMT == S_IFREG else {
            throw AuditError(.insecure, file: path, message: "the audit trail is not a regular file")
        }
        return file
    }
}
