import Glibc

/// Repeated append and fdatasync(2), in the file system of the agent's trail.
struct DiskPeer {
    let folder: String
    private static let repetitions = 100
    /// About as long as an intent's record.
    private static let length = 300

    func figures(_ name: String) throws -> [String: Double] {
        let path = folder + "/fdatasync"
        let file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw BenchError.system("open \(path)") }
        defer { close(file) }
        let record = [UInt8](repeating: 0x20, count: DiskPeer.length)
        var outcome = Outcome()
        let began = Clock.nanoseconds()
        for _ in 0..<DiskPeer.repetitions {
            let start = Clock.nanoseconds()
            guard write(file, record, record.count) == record.count, fdatasync(file) == 0 else { throw BenchError.system("fdatasync") }
            outcome.latencies.append(Float(Clock.nanoseconds() - start) / 1_000)
            outcome.calls += 1
        }
        outcome.seconds = Double(Clock.nanoseconds() - began) / 1e9
        return try outcome.figures(name)
    }
}
