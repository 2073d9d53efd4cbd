import Glibc

/// An open file, closed with its last reference: a syncing thread may still hold it after another file has its name.
public final class File: Sendable {
    /// The path it was opened with, for messages.
    public let path: String
    let descriptor: Int32
    private let calls: FileCalls

    /// Takes over a descriptor.
    init(descriptor: Int32, path: String, calls: FileCalls) {
        self.descriptor = descriptor
        self.path = path
        self.calls = calls
    }

    deinit { close(descriptor) }

    /// Opens a regular file for reading. A FIFO or a device is refused, so that reading cannot hang.
    public convenience init(reading path: String, followsLink: Bool = true) throws(FileError) {
        self.init(descriptor: try File.openForReading(path, in: AT_FDCWD, path: path, followsLink: followsLink), path: path, calls: .real)
        try checkRegular()
    }

    static func openForReading(_ name: String, in folder: Int32, path: String, followsLink: Bool) throws(FileError) -> Int32 {
        // O_NONBLOCK: opening a FIFO must not wait for a writer.
        let flags = O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | (followsLink ? 0 : O_NOFOLLOW)
        let descriptor = openat(folder, name, flags)
        guard descriptor >= 0 else { throw FileError(path: path, call: "open", code: errno) }
        return descriptor
    }

    func checkRegular() throws(FileError) {
        guard try status().kind == .file else { throw FileError(path: path, call: "read", cause: .notRegular) }
    }

    public func status() throws(FileError) -> FileStatus {
        guard let status = FileStatus.of(descriptor) else { throw failure("fstat") }
        return status
    }

    // MARK: Reading

    /// The whole content.
    /// - Throws: `FileError`, `tooLarge` beyond `limit` bytes.
    public func read(limit: Int) throws(FileError) -> [UInt8] {
        let size = try status().size
        guard size <= limit else { throw FileError(path: path, call: "read", cause: .tooLarge(limit: limit)) }
        var bytes: [UInt8] = []
        // One byte more than the size, to see the end at once. The kernel's own files have no size.
        var wanted = max(size &+ 1, 4_096)
        while bytes.count <= limit {
            let got = try read(at: bytes.count, count: wanted)
            bytes.append(contentsOf: got)
            if got.count < wanted { break }
            wanted = 65_536
        }
        guard bytes.count <= limit else { throw FileError(path: path, call: "read", cause: .tooLarge(limit: limit)) }
        return bytes
    }

    /// Up to `count` bytes from `offset`; fewer only at the end of the file.
    public func read(at offset: Int, count: Int) throws(FileError) -> [UInt8] {
        var failure: FileError?
        let bytes = [UInt8](unsafeUninitializedCapacity: max(0, count)) { buffer, initialized in
            do throws(FileError) {
                initialized = try read(into: UnsafeMutableRawBufferPointer(start: buffer.baseAddress, count: max(0, count)), at: offset)
            } catch { failure = error }
        }
        if let failure { throw failure }
        return bytes
    }

    /// Fills the caller's memory from `offset` on: for secrets, which must stay in memory that gets wiped.
    /// - Returns: the number of bytes; fewer only at the end of the file.
    public func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int) throws(FileError) -> Int {
        var done = 0
        while done < buffer.count {
            let got = pread(descriptor, buffer.baseAddress?.advanced(by: done), buffer.count - done, off_t(offset + done))
            if got > 0 {
                done += got
            } else if got == 0 {
                break
            } else if errno != EINTR {
                throw failure("read")
            }
        }
        return done
    }

    // MARK: Writing

    /// Writes everything, continuing after short or interrupted writes. A failure may leave a part in the file.
    public func write(_ bytes: [UInt8]) throws(FileError) {
        let number = bytes.withUnsafeBytes { calls.writeAll(descriptor, $0) }
        guard number == 0 else { throw FileError(path: path, call: "write", code: number) }
    }

    public func truncate(to size: Int) throws(FileError) {
        guard calls.truncate(descriptor, size) == 0 else { throw failure("ftruncate") }
    }

    /// Content and metadata are on the disk when this returns.
    public func synchronize() throws(FileError) {
        guard calls.synchronize(descriptor) == 0 else { throw failure("fsync") }
    }

    /// Content, and the metadata needed to read it, are on the disk when this returns.
    public func synchronizeData() throws(FileError) {
        guard calls.synchronizeData(descriptor) == 0 else { throw failure("fdatasync") }
    }

    /// Makes Linux start writing the file's pages, so that a later sync only waits. Elsewhere, the sync just takes
    /// longer.
    func beginWriting() { _ = posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED) }

    /// Regardless of the umask.
    public func setMode(_ mode: UInt32) throws(FileError) {
        guard fchmod(descriptor, mode) == 0 else { throw failure("fchmod") }
    }

    /// Needs root, or the file's owner as a member of the group.
    func setGroup(_ group: UInt32) throws(FileError) {
        guard fchown(descriptor, uid_t.max, group) == 0 else { throw failure("fchown") }
    }

    private func failure(_ call: String) -> FileError { FileError(path: path, call: call, code: errno) }
}
