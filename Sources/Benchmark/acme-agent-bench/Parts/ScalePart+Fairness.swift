import ACME
import AgentInterface
import Glibc

/// Three concurrent users: one who makes one call at a time, and two who make as many as they can. Measures how long
/// the first one waits, alone and with the others, and what the others get.
extension ScalePart {
    /// Three user IDs; they need no entry in the system's user database.
    private static let modest: uid_t = 41_001
    private static let greedy: uid_t = 41_002
    private static let other: uid_t = 41_003
    private static let everybody = [modest, greedy, other]

    func fairness(_ plan: inout Plan) {
        guard geteuid() == 0 else {
            plan.omissions.append(("three users at once", "not measured: requires root, to connect as other users"))
            return
        }
        slowTokenOfThree(&plan)
        tokenOfThree(&plan)
        loopOfThree(&plan)
    }

    /// Figures of each user of a load: `p50` and `p99` under the names.
    private func figures(_ prefix: String, _ outcomes: [(name: String, outcome: Outcome)]) throws -> [String: Double] {
        try outcomes.reduce(into: [:]) { $0.merge(try $1.outcome.figures("\(prefix).\($1.name)")) { $1 } }
    }

    private func claims(_ what: String, _ prefix: String, _ users: [(name: String, text: String)], unit: String, scale: Double) -> [Claim] {
        users.flatMap { user in
            ["p50", "p99"].map { quantile in
                Claim(
                    name: "\(what): \(user.text): \(quantile)", unit: unit, bound: nil,
                    value: { figures in figures["\(prefix).\(user.name).\(quantile)"].map { $0 / scale } }, limit: nil)
            }
        }
    }

    // MARK: The token

    /// Every signature takes the same time, far longer than everything else.
    private func slowTokenOfThree(_ plan: inout Plan) {
        let what = "three users, token of \(ScalePart.slowMilliseconds) ms a signature, pool of \(ScalePart.slowPool)"
        plan.optional(what) { plan in
            var settings = try self.slowSettings()
            settings.users = ScalePart.everybody
            settings.isOpen = true
            let agent = try self.agent("agent-slow-fair", settings)
            try agent.makeKey("p256", .p256)
            plan.probe(what) {
                func load(_ user: uid_t, _ connections: Int, _ seconds: Double) throws -> Outcome {
                    try agent.load(key: "p256", connections: connections, seconds: seconds, user: user)
                }
                let alone = try load(ScalePart.modest, 1, 0.6)
                let all = try Together.run([
                    { try load(ScalePart.greedy, 200, 2) }, { try load(ScalePart.other, 50, 2) }, { try load(ScalePart.modest, 1, 1.8) },
                ])
                return try self.figures("fair.slow", [("alone", alone), ("greedy", all[0]), ("other", all[1]), ("modest", all[2])])
            }
            plan.claims += self.claims(
                what, "fair.slow",
                [
                    ("greedy", "user with 200 connections"), ("other", "user with 50 connections"), ("modest", "user with 1 connection"),
                ], unit: "ms", scale: 1_000)
            plan.claims += [
                // The request that a link is working on, one of each of the two others, and its own: four times one.
                .atMost("\(what): user with 1 connection: p99 / alone (limit: one in hand, one of each other, its own)", "×", 4) {
                    $0.ratio("fair.slow.modest.p99", "fair.slow.alone.p50")
                },
                // Two busy users share what the third leaves.
                .atLeast("\(what): rate of the user with 50 connections / with 200", "×", 0.9) {
                    $0.ratio("fair.slow.other.rate", "fair.slow.greedy.rate")
                },
            ]
        }
    }

    /// Signatures that take a hundred times as long, together with short ones, on a token that shares the CPUs with
    /// everything else.
    private func tokenOfThree(_ plan: inout Plan) {
        let what = "three users, SoftHSM"
        plan.optional(what) { plan in
            var settings = AgentUnderTest.Settings()
            settings.users = ScalePart.everybody
            settings.isOpen = true
            let agent = try self.agent("agent-fair", settings)
            try agent.makeKey("p256", .p256)
            try agent.makeKey("rsa4096", .rsa4096)
            plan.probe(what) {
                let long = try agent.load(key: "rsa4096", connections: 1, seconds: 0.3, user: ScalePart.greedy)
                let alone = try agent.load(key: "p256", connections: 1, seconds: 0.3, user: ScalePart.modest)
                let all = try Together.run([
                    { try agent.load(key: "rsa4096", connections: 400, seconds: 2, user: ScalePart.greedy) },
                    { try agent.load(key: "p256", connections: 16, seconds: 2, user: ScalePart.other) },
                    { try agent.load(key: "p256", connections: 1, seconds: 1.8, user: ScalePart.modest) },
                ])
                return try self.figures(
                    "fair.token", [("long", long), ("alone", alone), ("greedy", all[0]), ("other", all[1]), ("modest", all[2])])
            }
            plan.claims += self.claims(
                what, "fair.token",
                [
                    ("greedy", "RSA-4096, 400 connections"), ("other", "P-256, 16 connections"), ("modest", "P-256, 1 connection"),
                ], unit: "ms", scale: 1_000)
            plan.claims += [
                .figure("\(what): P-256, 1 connection, alone: p50", "µs", "fair.token.alone.p50"),
                // One RSA-4096 in progress and one in turn, with three sessions on two CPUs.
                Claim(
                    name: "\(what): P-256, 1 connection: p99 (limit: 3 × RSA-4096 alone + its own alone)", unit: "ms", bound: .atMost,
                    value: { $0["fair.token.modest.p99"].map { $0 / 1_000 } },
                    limit: { figures in
                        guard let long = figures["fair.token.long.p50"], let own = figures["fair.token.alone.p99"] else { return nil }
                        return (3 * long + own) / 1_000
                    }),
            ]
        }
    }

    // MARK: The loop

    /// Calls with 1,000 names, from a user with a grant and from one without, together with a user who makes small
    /// calls.
    private func loopOfThree(_ plan: inout Plan) {
        let what = "three users, calls with 1,000 names"
        plan.optional(what) { plan in
            var settings = AgentUnderTest.Settings()
            settings.users = [ScalePart.modest, ScalePart.other]
            settings.isOpen = true
            let latency = self.workshop.folder + "/latency-loop-fair"
            settings.program = [self.workshop.bench, "measured-daemon", "--latency", latency]
            let agent = try self.agent("agent-loop-fair", settings)
            try agent.makeKey("p256", .p256)
            let foreign = try ScalePart.order { "a\($0).xn--nxasmq6b.xn--fiqs8s.xn--wgv71a" }
            let own = try ScalePart.order { "host-\($0).example.org" }
            let p256 = try KeyName("p256")
            plan.probe(what) {
                func small(_ seconds: Double) throws -> Outcome {
                    try agent.load(
                        connections: 1, seconds: seconds, user: ScalePart.modest, prefix: "{\"parameters\":{\"key\":"
                    ) { _, _ in .describeKey(name: p256) }
                }
                _ = try agent.inside(latency, of: ScalePart.modest)
                let alone = try small(0.6)
                let insideAlone = try agent.inside(latency, of: ScalePart.modest)
                let all = try Together.run([
                    {
                        try agent.loadMessages(connections: 16, seconds: 2, user: ScalePart.greedy, prefix: "{\"error\":") { _, _ in foreign
                        }
                    },
                    {
                        try agent.loadMessages(
                            connections: 16, seconds: 2, user: ScalePart.other, prefix: "{\"parameters\":{\"request\":"
                        ) { _, _ in own }
                    },
                    { try small(1.8) },
                ])
                let inside = try agent.inside(latency, of: ScalePart.modest)
                var figures = try self.figures("fair.loop", [("alone", alone), ("greedy", all[0]), ("other", all[1]), ("modest", all[2])])
                figures["fair.loop.inside.alone.p99"] = insideAlone.p99
                figures["fair.loop.inside.p50"] = inside.p50
                figures["fair.loop.inside.p99"] = inside.p99
                return figures
            }
            plan.claims += self.claims(
                what, "fair.loop",
                [
                    ("greedy", "refused orders, 16 connections"), ("other", "orders signed, 16 connections"),
                    ("modest", "DescribeKey, 1 connection"), ("alone", "DescribeKey, 1 connection, alone"),
                ], unit: "ms", scale: 1_000)
            plan.claims += [
                Claim(
                    name: "\(what): DescribeKey, 1 connection: p99 / alone, seen from outside", unit: "×", bound: nil,
                    value: { $0.ratio("fair.loop.modest.p99", "fair.loop.alone.p99") }, limit: nil),
                .figure("\(what): DescribeKey, 1 connection: p50, measured inside the daemon", "µs", "fair.loop.inside.p50"),
                .figure("\(what): DescribeKey, 1 connection: p99, measured inside the daemon", "µs", "fair.loop.inside.p99"),
                .atMost("\(what): DescribeKey, 1 connection: p99 / alone, measured inside the daemon", "×", 2) {
                    $0.ratio("fair.loop.inside.p99", "fair.loop.inside.alone.p99")
                },
            ]
        }
    }

    /// A new order with 1,000 names, as a message.
    private static func order(_ name: (Int) -> String) throws -> [UInt8] {
        let identifiers = try (0..<1_000).map { try Identifier(type: "dns", value: name($0)) }
        return AgentUnderTest.message(
            .sign(
                SigningCall(
                    key: try KeyName("p256"), url: try ACMEURL(AgentUnderTest.origin + "/order-plz"), nonce: "GvJIbl2Dv9GlU4AAAAAAAA",
                    account: try ACMEURL(AgentUnderTest.origin + "/my-account/1"), request: .newOrder(NewOrder(identifiers: identifiers)))))
    }
}
