import CMeasurement
import Glibc

/// Where processes run: where the scheduler puts them, or all on one CPU.
enum Placement: String {
    case free
    case oneCPU = "one CPU"

    /// Places every thread of the processes, and the calling thread with the rest of this process.
    func apply(to processes: [pid_t]) {
        for process in processes + [getpid()] {
            for thread in Placement.threads(of: process) {
                _ = self == .oneCPU ? cmeasurement_pin(thread, 0) : cmeasurement_unpin(thread)
            }
        }
    }

    /// Runs `body` with this placement, and frees it afterwards.
    func during<Result>(_ processes: [pid_t], _ body: () throws -> Result) rethrows -> Result {
        guard self != .free else { return try body() }
        apply(to: processes)
        defer { Placement.free.apply(to: processes) }
        return try body()
    }

    static func threads(of process: pid_t) -> [pid_t] {
        guard let folder = opendir("/proc/\(process)/task") else { return [] }
        defer { closedir(folder) }
        var threads: [pid_t] = []
        while let entry = readdir(folder) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if let thread = pid_t(name) { threads.append(thread) }
        }
        return threads
    }

    /// Resident memory, MB (10^6 bytes), including shared pages of program text: VmRSS.
    static func residentMemory(_ processes: [pid_t]) -> Double {
        processes.reduce(0) { sum, process in
            let status = (try? Files.text("/proc/\(process)/status")) ?? ""
            let line = status.split(separator: "\n").first { $0.hasPrefix("VmRSS:") } ?? ""
            return sum + (line.split(separator: " ").dropFirst().first.flatMap { Double($0) } ?? 0) * 1024 / 1e6
        }
    }
}
