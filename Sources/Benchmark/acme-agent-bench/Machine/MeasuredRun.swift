import Glibc

/// A program that is run to its end, and what that took.
struct MeasuredRun {
    /// Seconds from its start to its end.
    var wall: Double
    /// User and system CPU time of it and of the programs that it has started, seconds.
    var cpu: Double
    /// Greatest resident memory, MB (10^6 bytes); `nil` where time(1) is not installed.
    var memory: Double?

    /// Runs it and insists on its success.
    ///
    /// time(1) stands between: what wait4(2) says of a child's memory counts that of the process that started it, before exec(2), too, and this one is
    /// larger than a small client. It costs each client the same millisecond at most.
    init(_ arguments: [String], environment: [String: String], log: String) throws {
        let memoryFile = log + ".memory"
        let time = Files.exists("/usr/bin/time") ? ["/usr/bin/time", "-f", "%M", "-o", memoryFile, "--"] : []
        let began = Clock.seconds()
        let child = try ChildProcess(time + arguments, environment: environment, log: log)
        let end = try child.wait()
        wall = Clock.seconds() - began
        cpu = end.cpu
        memory = nil
        guard end.status == 0 else { throw BenchError("\(arguments.first ?? ""): status \(end.status): \(child.lastWords)") }
        if !time.isEmpty, let kilobytes = Double(try Files.text(memoryFile).filter { $0.isNumber }) { memory = kilobytes * 1024 / 1e6 }
    }
}
