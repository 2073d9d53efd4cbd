import Measurement

extension SigningPart {
    /// The rows: each limit next to the figures that it is computed from. Times are limited in multiples of what the token
    /// or a peer takes in the same round, so that the limits mean the same on every machine.
    func claims(_ plan: inout Plan) {
        latency(&plan)
        throughput(&plan)
        costs(&plan)
    }

    private func latency(_ plan: inout Plan) {
        for (at, placement, peer) in [("", "free", 0.85), (".pinned", "one CPU", 1.0)] {
            plan.claims += [
                .figure("P-256, SoftHSM in process, 1 thread, \(placement): p50", "µs", "softhsm.1\(at).p50"),
                .figure("bare socket round trip, \(placement): p50", "µs", "bare\(at).p50"),
            ]
            for (name, limit) in [("unverified", 1.4), ("verified", 2.4)] {
                plan.claims += [
                    .figure("P-256, \(name), 1 connection, \(placement): p50", "µs", "\(name).1\(at).p50"),
                    .atMost("P-256, \(name), 1 connection, \(placement): p50 without 2 bare round trips / SoftHSM's", "×", limit) {
                        figures in
                        guard let all = figures["\(name).1\(at).p50"], let token = figures["softhsm.1\(at).p50"],
                            let bare = figures["bare\(at).p50"]
                        else { return nil }
                        return (all - 2 * bare) / token
                    },
                ]
            }
            plan.claims.append(
                .atMost("P-256, unverified, 1 connection, \(placement): p50 / p11-kit server's", "×", peer) {
                    $0.ratio("unverified.1\(at).p50", "p11kit.1\(at).p50")
                })
            plan.claims.append(
                Claim(
                    name:
                        "new order (intent on the disk before the reply), 1 connection, \(placement): p50 (limit: POST-as-GET + 1.3 × fdatasync)",
                    unit: "µs", bound: .atMost, value: { $0["order.1\(at).p50"] },
                    limit: { figures in
                        guard let other = figures["unverified.1\(at).p50"], let disk = figures["fdatasync.p50"] else { return nil }
                        return other + 1.3 * disk
                    }))
        }
        plan.claims += [
            .figure("fdatasync after 300 bytes: p50", "µs", "fdatasync.p50"),
            .figure("P-256, p11-kit server, 1 thread: p50", "µs", "p11kit.1.p50"),
            .figure("P-256, ssh-agent, PKCS#11 key, 1 connection: p50", "µs", "sshtoken.1.p50"),
            .figure("P-256, ssh-agent, key in a file, 1 connection: p50", "µs", "sshfile.1.p50"),
            .figure("P-256, unverified, 64 connections: p99", "µs", "unverified.64.p99"),
            .figure("P-256, unverified, 1,000 connections: p99", "µs", "unverified.1000.p99"),
        ]
    }

    private func throughput(_ plan: inout Plan) {
        plan.claims.append(.figure("P-256, OpenSSL in process, 1 thread", "1/s", "openssl.1.rate"))
        for threads in [1, 2, 4, 8] {
            plan.claims.append(.figure("P-256, SoftHSM in process, \(threads) threads", "1/s", "softhsm.\(threads).rate"))
        }
        for threads in [1, 2, 8] {
            plan.claims.append(.figure("P-256, p11-kit server, \(threads) threads", "1/s", "p11kit.\(threads).rate"))
        }
        for connections in [1, 8] {
            plan.claims += [
                .figure("P-256, ssh-agent, PKCS#11 key, \(connections) connections", "1/s", "sshtoken.\(connections).rate"),
                .figure("P-256, ssh-agent, key in a file, \(connections) connections", "1/s", "sshfile.\(connections).rate"),
            ]
        }
        for (connections, share) in [(8, 0.7), (64, 0.8), (1_000, 0.8)] {
            plan.claims += [
                .figure("P-256, unverified, \(connections) connections", "1/s", "unverified.\(connections).rate"),
                .atLeast("P-256, unverified, \(connections) connections / SoftHSM in process at 8 threads", "×", share) {
                    $0.ratio("unverified.\(connections).rate", "softhsm.8.rate")
                },
            ]
        }
        plan.claims.append(
            .atLeast("P-256, unverified, 8 connections / p11-kit server at 8 threads", "×", 1.8) {
                $0.ratio("unverified.8.rate", "p11kit.8.rate")
            })
        for connections in [8, 64, 1_000] {
            plan.claims.append(.figure("P-256, verified, \(connections) connections", "1/s", "verified.\(connections).rate"))
        }
        plan.claims.append(
            .atLeast("P-256, verified, 64 connections / SoftHSM in process at 8 threads", "×", 0.5) {
                $0.ratio("verified.64.rate", "softhsm.8.rate")
            })
        for (key, shown) in [("rsa2048", "RSA-2048"), ("p384", "P-384")] {
            plan.claims.append(.figure("\(shown), SoftHSM in process, 8 threads", "1/s", "softhsm.\(key).8.rate"))
            for name in ["unverified", "verified"] where name == "unverified" || key == "p384" {
                let ratio: (Figures) -> Double? = { $0.ratio("\(name).\(key).8.rate", "softhsm.\(key).8.rate") }
                // RSA is always verified: a faulty signature would reveal the key.
                let row = "\(shown), \(key == "rsa2048" ? "verified" : name), 8 connections / SoftHSM in process at 8 threads"
                plan.claims.append(
                    name == "unverified"
                        ? .atLeast(row, "×", 0.95, ratio) : Claim(name: row, unit: "×", bound: nil, value: ratio, limit: nil))
            }
        }
    }

    private func costs(_ plan: inout Plan) {
        plan.claims += [
            .figure("P-256, SoftHSM in process, 8 threads: CPU a signature", "µs", "softhsm.8.cpu"),
            .figure("P-256, unverified, 64 connections: CPU of daemon and helper a signature", "µs", "unverified.64.cpu"),
            .atMost("P-256, unverified, 64 connections: CPU of daemon and helper beyond the token's own / the token's own", "×", 0.3) {
                $0.ratio("unverified.64.cpu", "softhsm.8.cpu").map { $0 - 1 }
            },
            .atMost("P-256, unverified, 64 connections: heap allocations of the daemon a signature", "", 20) {
                $0["allocations.unverified"]
            },
            .figure("P-256, verified, 64 connections: heap allocations of the daemon a signature", "", "allocations.verified"),
            .atMost("audit trail: share of the rate at 64 connections that it costs", "%", 10) { figures in
                figures.ratio("recorded.64.rate", "unrecorded.64.rate").map { (1 - $0) * 100 }
            },
            .atLeast("new order, 64 connections / POST-as-GET, 64 connections", "×", 0.8) { $0.ratio("order.64.rate", "recorded.64.rate") },
        ]
    }
}
