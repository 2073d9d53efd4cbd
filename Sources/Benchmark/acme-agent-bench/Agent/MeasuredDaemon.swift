import AgentService
import ArgumentParser
import Glibc
import Logging

/// The daemon with its own time of every call measured inside, from a call's last byte to its answer's. A load generator shares the CPUs with the
/// daemon, so what it sees from outside is not the daemon's doing alone.
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
    /// Of a user's calls since the last look: how many, and how long the daemon had each, in µs.
    struct Inside {
        var calls = 0.0
        var p50 = 0.0
        var p99 = 0.0
    }

    /// What the daemon has measured of a user since the last look.
    /// - Throws: `BenchError` where the daemon does not answer within seconds.
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
        throw BenchError("the daemon does not write what it has measured")
    }
}
