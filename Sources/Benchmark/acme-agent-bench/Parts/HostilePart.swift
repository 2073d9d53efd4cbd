import Glibc

/// One user with small calls beside two who open thousands of connections and flood the daemon. The first one's time in
/// the daemon, the daemon's memory and the audit trail stay within what the documents say.
final class HostilePart {
    private let workshop: Workshop

    init(_ workshop: Workshop) { self.workshop = workshop }

    /// They need no entry in the system's user database.
    static let modest: uid_t = 41_001
    static let hostile: [uid_t] = [41_002, 41_003]

    /// Docs/protocol.md, "Limits": what messages and replies may take (MiB), and what a connection needs anyway (bytes).
    private static let budget = 32.0, connection = 16_384.0
    /// Docs/operations.md, "What the daemon does by itself": refusals of one user in a minute, one by one, and one record
    /// for the rest; and their bytes.
    static let recordsPerMinute = 101.0, bytesPerMinute = Double(128 << 10)

    /// Calls below which the 99th percentile says nothing.
    private static let fewest = 500.0

    func run(_ measure: (Plan) -> Void) throws {
        var plan = Plan()
        plan.isRepeated = false
        let size = HostileCallers.Size()
        let what = "\(size.idle) idle and \(size.slow) slow connections and floods of two users"
        guard geteuid() == 0 else {
            plan.omissions.append((what, "not measured: requires root, to connect as other users"))
            return measure(plan)
        }
        var bench: HostileBench?
        defer { bench?.stop() }
        plan.optional(what) { plan in
            let own = try HostileBench(workshop: self.workshop, size: size)
            bench = own
            plan.probe(what) {
                let figures = try own.measure(seconds: 6, seed: 1)
                for name in ["hostile.alone.calls", "hostile.calls"] where figures[name] ?? 0 < HostilePart.fewest {
                    throw BenchError("\(Int(figures[name] ?? 0)) calls are too few for a 99th percentile")
                }
                return figures
            }
            plan.claims += HostilePart.claims(what)
        }
        measure(plan)
    }

    private static func claims(_ what: String) -> [Claim] {
        var claims: [Claim] = [
            .figure("\(what): another user's DescribeKey, alone: p99, measured inside the daemon", "µs", "hostile.alone.p99"),
            .figure("\(what): another user's DescribeKey, meanwhile: p99, measured inside the daemon", "µs", "hostile.meanwhile.p99"),
            .atMost("\(what): another user's DescribeKey: p99 / alone, measured inside the daemon", "×", 2) {
                $0.ratio("hostile.meanwhile.p99", "hostile.alone.p99")
            },
            .figure("\(what): another user's DescribeKey, meanwhile", "calls", "hostile.calls"),
            .figure("\(what): another user's signatures, meanwhile", "calls", "hostile.signatures"),
            .figure("\(what): another user's signature, meanwhile: p99", "ms", "hostile.signature.p99"),
            .atMost("\(what): another user's calls that failed", "calls", 0) { $0["hostile.failures"] },
            .atMost("\(what): idle and slow connections that were closed", "connections", 0) { $0["hostile.lost"] },
            .figure("\(what): resident memory of the daemon, before", "MB", "hostile.memory.before"),
            Claim(
                name: "\(what): resident memory of the daemon, meanwhile (limit: before + 16 KiB a connection + 32 MiB)", unit: "MB",
                bound: .atMost, value: { $0["hostile.memory"] }, limit: { $0["hostile.memory.limit"] }),
            Claim(
                name: "\(what): records of the two users in the audit trail (limit: 100 a minute and user, and a count)",
                unit: "records", bound: .atMost, value: { $0["hostile.trail.records"] }, limit: { $0["hostile.trail.records.limit"] }),
            Claim(
                name: "\(what): bytes of the two users in the audit trail (limit: 128 KiB a minute and user)", unit: "KiB",
                bound: .atMost, value: { $0["hostile.trail.kib"] }, limit: { $0["hostile.trail.kib.limit"] }),
        ]
        for kind in Flood.Kind.allCases {
            claims.append(.figure("\(what): flood of \(kind.rawValue) calls", "1/s", "hostile.\(kind.rawValue).rate"))
        }
        return claims
    }

    /// What a daemon that used this much before the load may use with it (MB).
    static func memoryLimit(before: Double, size: HostileCallers.Size) -> Double {
        before + (Double(size.connections) * connection + budget * 1_048_576) / 1e6
    }
}
