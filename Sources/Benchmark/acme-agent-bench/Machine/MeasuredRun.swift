import Glibc

/// Runs a program to its end, and measures what that took.
struct MeasuredRun {
    /// Seconds from its start to its end.
    var wall: Double
    /// User and system CPU time of the program and those it has started, seconds.
    var cpu: Double
    /// Peak resident memory, MB (10^6 bytes); `nil` if time(1) is not installed.
    var memory: Double?

    /// Runs it; throws unless it succeeds.
    ///
    /// time(1) runs in between: the child's memory in wait4(2) includes that of the starting process before exec(2),
    /// and this process is larger than a small client. It costs each client the same millisecond at most.
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
