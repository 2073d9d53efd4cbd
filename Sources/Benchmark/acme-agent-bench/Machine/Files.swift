import DurableFile
import Glibc

/// Small files, read and written as a whole.
enum Files {
    static func read(_ path: String) throws -> [UInt8] { try DurableFile.read(path, limit: 256 << 20) }

    static func text(_ path: String) throws -> String { String(decoding: try read(path), as: UTF8.self) }

    /// Writes a file that is not needed after a crash, so it is not synced.
    static func write(_ path: String, _ bytes: some Collection<UInt8>, mode: mode_t = 0o600) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode)
        guard descriptor >= 0 else { throw BenchError.system("open \(path)") }
        defer { close(descriptor) }
        let bytes = Array(bytes)
        guard Glibc.write(descriptor, bytes, bytes.count) == bytes.count else { throw BenchError.system("write \(path)") }
    }

    static func makeFolder(_ path: String) throws {
        guard mkdir(path, 0o700) == 0 || errno == EEXIST else { throw BenchError.system("mkdir \(path)") }
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }
}
