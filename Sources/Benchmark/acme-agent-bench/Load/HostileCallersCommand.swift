import ArgumentParser

/// The measurement of `HostilePart`, smaller, for `make test`: prints its figures, one a line.
struct HostileCallersCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "hostile-callers", shouldDisplay: false)

    @Option var idle: Int
    @Option var slow: Int
    @Option var seconds: Double
    @Option var seed: UInt64

    func run() throws {
        let workshop = try Workshop()
        defer { workshop.remove() }
        var size = HostileCallers.Size()
        size.idle = idle
        size.slow = slow
        let bench = try HostileBench(workshop: workshop, size: size)
        defer { bench.stop() }
        for (name, value) in try bench.measure(seconds: seconds, seed: seed).sorted(by: { $0.key < $1.key }) { print(name, value) }
    }
}
