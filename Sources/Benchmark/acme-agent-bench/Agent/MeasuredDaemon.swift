import AgentService
import ArgumentParser
import Glibc
import Logging

/// The daemon, with the time of every call measured inside, from the call's last byte to the answer's. A load generator
/// shares the CPUs with the daemon, so times seen from outside are not the daemon's alone.
struct MeasuredDaemon: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "measured-daemon", shouldDisplay: false)

    @Option var latency: String
    @Option var config: String

    func run() throws {
        var logger = Logger(label: "acme-agentd")
        logger.logLevel = .warning
        try AgentDaemon(configurationFile: config, logger: logger).runMeasured(writingTo: latency)
    }
}

extension AgentUnderTest {
    /// A user's calls since the last look: how many, and how long each was in the daemon, in µs.
    struct Inside {
        var calls = 0.0
        var p50 = 0.0
        var p99 = 0.0
    }

    /// What the daemon has measured for a user since the last look.
    /// - Throws: `BenchError` if the daemon does not answer within seconds.
    func inside(_ file: String, of user: uid_t) throws -> Inside {
        unlink(file)
        kill(daemonProcess, SIGUSR2)
        let limit = Clock.seconds() + 5
        while Clock.seconds() < limit {
            let lines = ((try? Files.text(file)) ?? "").split(separator: "\n")
            guard lines.last == "end" else {
                usleep(10_000)
                continue
            }
            for line in lines {
                let fields = line.split(separator: " ").compactMap { Double($0) }
                guard fields.count == 6, fields.first == Double(user) else { continue }
                return Inside(calls: fields[1], p50: fields[2] / 1_000, p99: fields[3] / 1_000)
            }
            return Inside()
        }
        throw BenchError("the daemon does not write its measurements")
    }
}
