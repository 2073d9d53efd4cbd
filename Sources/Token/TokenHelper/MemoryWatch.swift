import Glibc

/// Vendors' modules leak: SoftHSM 1.75 KB for each key that is made and deleted (#563), more with EdDSA (#896). A
/// helper that has grown too large is replaced; callers notice only a pause.
enum MemoryWatch {
    /// Whether the process uses more memory than any token explains.
    static var isGrown: Bool { residentBytes(statm: contents(of: "/proc/self/statm")) > limit }

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

    /// SoftHSM with 10,000 keys takes about 190 MB.
    private static let limit = 1 << 30
}
