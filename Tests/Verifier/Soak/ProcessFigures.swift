/// What a process takes of the machine.
struct ProcessFigures {
    /// Resident memory, MiB.
    var memory: Double
    var descriptors: Double
    var threads: Double

    /// - Returns: `nil` if the process has ended.
    init?(_ process: Int32) {
        guard let status = File.read("/proc/\(process)/status"), let descriptors = File.names("/proc/\(process)/fd")?.count else {
            return nil
        }
        var figures: [String: Double] = [:]
        for line in String(decoding: status, as: UTF8.self).split(separator: "\n") {
            let words = line.split(whereSeparator: { $0 == ":" || $0 == "\t" || $0 == " " })
            if words.count >= 2 { figures[String(words[0])] = Double(words[1]) }
        }
        guard let memory = figures["VmRSS"], let threads = figures["Threads"] else { return nil }
        self.memory = memory / 1_024
        self.descriptors = Double(descriptors)
        self.threads = threads
    }

    /// The helpers of a daemon: its children, once they run their program.
    static func helpers(of daemon: Int32) -> [Int32] {
        var found: [Int32] = []
        for thread in File.names("/proc/\(daemon)/task") ?? [] {
            for child in (File.read("/proc/\(daemon)/task/\(thread)/children") ?? []).split(separator: UInt8(ascii: " ")) {
                guard let process = Int32(String(decoding: child, as: UTF8.self)),
                    // The kernel keeps 15 characters of a program's name.
                    File.read("/proc/\(process)/comm") == Array("acme-agent-toke\n".utf8)
                else { continue }
                found.append(process)
            }
        }
        return found
    }
}

/// The figures of one kind of process, sampled during the soak.
struct ProcessGrowth {
    /// MiB. What an allocator keeps of a peak is no leak; a kilobyte for each of a soak's calls would be ten times this.
    var memory = Growth(bound: 8)
    /// Links to a helper that is being replaced come and go.
    var descriptors = Growth(bound: 4)
    var threads = Growth(bound: 1)

    mutating func add(_ figures: ProcessFigures, at time: Double) {
        memory.add(figures.memory, at: time)
        descriptors.add(figures.descriptors, at: time)
        threads.add(figures.threads, at: time)
    }
}
