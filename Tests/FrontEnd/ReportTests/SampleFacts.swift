import ACME
import AuditTrail

@testable import Report

/// Facts as a machine with a few, or many, certificates has them.
enum SampleFacts {
    /// 2026-11-29T12:00:00Z, a Sunday.
    static let now: Int64 = 1_795_953_600

    /// A name that would be an element if it were not escaped, and one that reverses what follows.
    static let markup = "<script>alert(1)</script>"
    static let reversed = "xn--\u{202E}gro.elpmaxe"

    static func facts(certificates count: Int) throws -> ReportFacts {
        let certificates = (0..<count).map(certificate)
        return ReportFacts(
            made: now, version: "0.1.0", host: "host.example.org", user: "admin (1000)",
            agent: .known(
                AgentFacts(
                    version: "0.1.0", socket: "/run/acme-agent/agent.sock",
                    configuration: ("2026-11-28T08:00:00Z", String(repeating: "5a", count: 32)), trailState: "writable",
                    tokens: [
                        TokenFact(name: "hsm", state: "ready", label: "production", model: "SoftHSM v2", restarts: 1),
                        TokenFact(
                            name: "spare", state: "unavailable", message: "the PIN is wrong", hint: "write the right PIN into its file"),
                    ],
                    counts: .known(
                        AgentCounts(
                            text: """
                                acme_agent_start_timestamp_seconds 1795867200
                                acme_agent_signatures_total{grant="web",key="www",outcome="signed",purpose="finalize"} 48211
                                acme_agent_refusals_total{operation="new-order",reason="identifier-not-permitted"} 17
                                acme_agent_signature_seconds_sum{stage="all"} 96.4
                                acme_agent_signature_seconds_count{stage="all"} 48211
                                acme_agent_token_logins_total{token="hsm"} 2

                                """)))),
            keys: .known(
                [account] + certificates.map { key($0.key, weaknesses: $0.key.hasSuffix("7.example.org") ? ["was extractable"] : []) }),
            certificates: .known(StoreFacts(folder: "/var/lib/acme-agent", certificates: certificates)), access: .known(access),
            trail: .known(
                TrailFacts(
                    source: .agent(records: 10_000), activity: try activity(), fault: nil, gaps: [], users: [1000: "admin", 33: "www-data"])
            ), attention: certificates.filter(\.needsAttention).prefix(3).map { "\($0.name): its deploy hook failed or did not finish" })
    }

    private static func certificate(_ number: Int) -> CertificateFact {
        let name = number == 0 ? markup : number == 1 ? reversed : "host-\(number).example.org"
        let age = Int64(number * 37 % 90), end = now + (89 - age) * 86_400 + 3_600
        return CertificateFact(
            name: name, identifiers: [name, "www.\(name)"], state: number % 9 == 2 ? "hook failed" : "valid",
            needsAttention: number % 9 == 2, notBefore: now - age * 86_400, notAfter: end, renewal: end - 30 * 86_400,
            issuer: "CN=E7,O=Let's Encrypt,C=US", key: name)
    }

    private static let account = KeyFact(
        name: "account-acme-v02.api.letsencrypt.org", usage: "account", algorithm: "P-256", state: "active", token: "hsm",
        uri: "pkcs11:token=production;object=account;type=private", directory: "https://acme-v02.api.letsencrypt.org/directory",
        fingerprint: String(repeating: "0f1e", count: 16), created: "2026-01-04T10:00:00Z", weaknesses: [])

    private static func key(_ name: String, weaknesses: [String]) -> KeyFact {
        KeyFact(
            name: name, usage: "certificate", algorithm: "P-256", state: "active", token: "hsm",
            uri: "pkcs11:token=production;object=\(name);type=private", directory: nil, fingerprint: String(repeating: "ab12", count: 16),
            created: "2026-03-01T10:00:00Z", weaknesses: weaknesses)
    }

    private static var access: AccessMatrix {
        AccessMatrix(
            rows: [
                AccessMatrix.Row(
                    who: ["user acme-agent-client (990)"], grant: "web", keys: ["account-*", "*.example.org"],
                    identifiers: ["*.example.org", "and wildcards"], cas: ["https://acme-v02.api.letsencrypt.org"],
                    operations: [
                        "new-account", "update-account", "deactivate-account", "key-change", "new-order", "respond-to-challenge",
                        "deactivate-authorization", "finalize", "post-as-get", "list-keys", "create-key",
                    ], limits: ["50 orders in 24 hours (48 left)"]),
                AccessMatrix.Row(
                    who: ["user www-data (33)", "group tls (112)"], grant: "nginx", keys: ["*.example.org"], identifiers: [], cas: [],
                    operations: ["sign-handshake", "list-keys"], limits: []),
                AccessMatrix.Row(
                    who: ["group auditors (2001)"], grant: "auditors", keys: [], identifiers: [], cas: [], operations: ["read-audit"],
                    limits: []),
            ], isComplete: true)
    }

    /// Some months of signatures, with refusals and events.
    static func activity() throws -> TrailActivity {
        var activity = TrailActivity(), sequence: UInt64 = 0
        func add(_ record: AuditRecord) {
            var record = record
            record.sequence = sequence
            activity.add(record, hash: String(repeating: "c0ffee11", count: 8))
            sequence += 1
        }
        for day in 0..<Int64(120) {
            let time = (now - (119 - day) * 86_400) * 1_000
            for number in 0..<(20 + day * 7 % 40) {
                var record = AuditRecord(.outcome, time: time + number * 1_000)
                let operations = ["sign-handshake", "post-as-get", "new-order", "finalize", "sign-handshake", "sign-server-key-exchange"]
                record.operation = operations[Int(number) % operations.count]
                record.uid = [33, 990, 1000, 33][Int(number) % 4]
                record.key = try KeyName("host-\(number % 5).example.org")
                record.result = number % 17 == 16 ? "failed" : "signed"
                add(record)
            }
            guard day.isMultiple(of: 11) else { continue }
            var refusal = AuditRecord(.refusal, time: time)
            refusal.uid = 4711
            refusal.operation = "new-order"
            refusal.identifiers = [markup, reversed]
            refusal.error = "identifier-not-permitted"
            refusal.detail = "identifier-not-permitted: grant \"web\" covers *.example.org only"
            add(refusal)
            var event = AuditRecord(.event, time: time)
            event.operation = "start"
            event.detail = "acme-agentd 0.1.0, configuration /etc/acme-agent/acme-agentd.toml"
            add(event)
        }
        return activity
    }
}
