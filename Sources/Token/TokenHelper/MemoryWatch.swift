import Glibc

/// Vendors' modules leak: SoftHSM 1.75 KB for each key that is made and deleted (#563), more with EdDSA (#896). A
/// helper that has grown too large is replaced; callers notice only a pause.
enum MemoryWatch {
    /// What the process uses now, in bytes.
    static var residentBytes: Int { residentBytes(statm: contents(of: "/proc/self/statm")) }

    /// Whether a process has grown beyond its limit. One that needs that much from the start would be replaced again and
    /// again for nothing.
    /// - Parameters:
    ///   - beginning: What it used when it had opened its token, in bytes.
    ///   - limit: In bytes.
    static func isGrown(to bytes: Int, from beginning: Int, beyond limit: Int) -> Bool {
        bytes > limit && bytes - beginning > beginning / 4
    }

    /// The second number of /proc/PID/statm, in bytes; 0 if there is none.
    static func residentBytes(statm: String) -> Int {
        let numbers = statm.split(separator: " ")
        guard numbers.count > 1, let pages = Int(numbers[1]) else { return 0 }
        let (bytes, overflows) = pages.multipliedReportingOverflow(by: Int(sysconf(Int32(_SC_PAGESIZE))))
        return overflows ? 0 : bytes
    }

    private static func contents(of path: String) -> String {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return "" }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = read(file, &bytes, bytes.count)
        return count > 0 ? String(decoding: bytes.prefix(count), as: UTF8.self) : ""
    }
}
