import ConfigurationFile
import SigningPolicy

extension GrantRate {
    /// A grant's `rate`.
    init(_ table: ConfigurationTable) throws(ConfigurationError) {
        try table.finish(known: ["handshakes-per-second", "handshake-burst", "orders-per-day", "revocations-per-day", "new-keys-per-day"])
        var limits: [Kind: Limit] = [:]
        let burst = try table.integer("handshake-burst", in: 1...1_000_000)
        if let count = try table.integer("handshakes-per-second", in: 1...1_000_000) {
            limits[.handshakes] = Limit(count: count, seconds: 1, burst: burst)
        } else if burst != nil {
            throw table.error("handshake-burst", "needs \"handshakes-per-second\"")
        }
        for (key, kind) in [("orders-per-day", Kind.orders), ("revocations-per-day", .revocations), ("new-keys-per-day", .keys)] {
            if let count = try table.integer(key, in: 0...10_000) { limits[kind] = Limit(count: count, seconds: GrantRate.day) }
        }
        guard !limits.isEmpty else { throw table.error(nil, "the rate limits nothing") }
        self.init(limits)
    }
}
