import Measurement

extension IssuancePart {
    /// The rows: each limit next to the figures that it is computed from. Times are limited in multiples of what a bare
    /// client or a peer takes in the same round.
    func claims(_ plan: inout Plan) {
        for store in TrustStore.allCases { one(&plan, store) }
        many(&plan)
    }

    private func one(_ plan: inout Plan, _ store: TrustStore) {
        let at = "one name, \(store.rawValue)"
        plan.claims += [
            .figure("\(at), acme-agent: wall", "s", "own.\(store).wall"),
            .figure("\(at), bare client: wall", "s", "bare.\(store).wall"),
            .atMost("\(at), acme-agent: wall / the bare client's", "×", 2.5) { $0.ratio("own.\(store).wall", "bare.\(store).wall") },
            .atMost("\(at), acme-agent: wall / the fastest peer's", "×", 1) { figures in
                let fastest = IssuancePart.peers.compactMap { figures["\($0).\(store).wall"] }.min()
                guard let fastest, let own = figures["own.\(store).wall"] else { return nil }
                return own / fastest
            },
            .figure("\(at), acme-agent with daemon and helper: CPU", "s", "own.\(store).cpu"),
            .atMost("\(at), acme-agent with daemon and helper: CPU / uacme's", "×", 0.6) {
                $0.ratio("own.\(store).cpu", "uacme.\(store).cpu")
            },
            .atMost("\(at), acme-agent: requests", "", 9) { $0["own.\(store).requests"] },
            .figure("\(at), acme-agent: peak resident memory", "MB", "own.\(store).memory"),
            .figure("\(at), bare client: CPU", "s", "bare.\(store).cpu"),
            .figure("\(at), bare client: requests", "", "bare.\(store).requests"),
        ]
        for peer in IssuancePart.peers {
            plan.claims += [
                .figure("\(at), \(peer): wall", "s", "\(peer).\(store).wall"),
                .figure("\(at), \(peer): CPU", "s", "\(peer).\(store).cpu"),
                .figure("\(at), \(peer): peak resident memory", "MB", "\(peer).\(store).memory"),
                .figure("\(at), \(peer): requests", "", "\(peer).\(store).requests"),
            ]
        }
    }

    private func many(_ plan: inout Plan) {
        plan.claims += [
            .figure("one name, one root, acme-agent, renewal with the same key: wall", "s", "renewal.wall"),
            .figure("one name, one root, acme-agent with daemon and helper, renewal: CPU", "s", "renewal.cpu"),
            .figure("\(IssuancePart.row) in a row, one root, acme-agent: median wall", "s", "row.median"),
            // A slow mode is a second population: a missed poll, a repeated request, a wait for a file. Disk and
            // scheduler do not double the time of one issuance.
            .atMost("\(IssuancePart.row) in a row, one root, acme-agent: slowest / median", "×", 2) {
                $0.ratio("row.slowest", "row.median")
            },
            .atMost("\(IssuancePart.row) in a row, one root, acme-agent: requests each", "", 9) { $0["row.requests"] },
            .figure("10 names, one root, acme-agent: wall", "s", "own.10.wall"),
            .atMost("10 names, one root, acme-agent: wall / the bare client's", "×", 2.5) { $0.ratio("own.10.wall", "bare.10.wall") },
            .figure("10 names, one root, bare client: wall", "s", "bare.10.wall"),
            .atMost("10 names, one root, acme-agent: requests", "", 28) { $0["own.10.requests"] },
            .figure("10 names, one root, bare client: requests", "", "bare.10.requests"),
            .figure("100 names, one root, acme-agent: wall", "s", "own.100.wall"),
            .figure("100 names, one root, bare client: wall", "s", "bare.100.wall"),
            .figure("100 names, one root, acme-agent: requests", "", "own.100.requests"),
            .figure("100 names, one root, bare client: requests", "", "bare.100.requests"),
            // What each further name costs, from 1 to 10 and from 10 to 100 names: the same if growth is linear, ten
            // times as much if it is quadratic. The allowance is for the bounded number of concurrent requests, and for
            // noise.
            .atMost("a further name of 100 / a further name of 10, acme-agent", "×", 1.5) { IssuancePart.growth("own", $0) },
            Claim(
                name: "a further name of 100 / a further name of 10, bare client", unit: "×", bound: nil,
                value: { IssuancePart.growth("bare", $0) },
                limit: nil),
        ]
    }

    private static func growth(_ client: String, _ figures: Figures) -> Double? {
        guard let one = figures["\(client).\(TrustStore.oneRoot).wall"], let ten = figures["\(client).10.wall"],
            let hundred = figures["\(client).100.wall"], ten > one
        else { return nil }
        return ((hundred - ten) / 90) / ((ten - one) / 9)
    }
}
