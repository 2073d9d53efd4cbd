import Glibc
import Measurement

/// TLS handshakes of nginx with a key that the agent holds, compared with the same nginx that has the key in a file, or
/// SoftHSM in its worker.
final class HandshakesPart {
    private let workshop: Workshop
    private var ends: [() -> Void] = []
    /// Seconds that one probe takes.
    private let seconds = 0.8

    private static let connections = [1, 8, 64]

    /// A kind of key: its name in figures and rows, in the agent, and how openssl makes one.
    private struct Kind {
        var name: String
        var shown: String
        var generation: [String]
        /// The share of the key file's rate that must be reached with 8 connections.
        var share: Double

        static let all = [
            Kind(name: "p256", shown: "P-256", generation: ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"], share: 0.75),
            Kind(name: "rsa2048", shown: "RSA-2048", generation: ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"], share: 0.85),
        ]
    }

    init(_ workshop: Workshop) { self.workshop = workshop }

    func run(_ measure: (Plan) -> Void) throws {
        defer { for end in ends.reversed() { end() } }
        var plan = Plan()
        plan.optional("nginx") { plan in
            let verified = try agent("agent-handshakes", verifiesAll: true)
            let unverified = try agent("agent-handshakes-unverified", verifiesAll: false)
            try makeCA()
            for kind in Kind.all {
                try keyFile(&plan, kind)
                try provider(&plan, kind, verified, "verified")
                // RSA signatures are always verified.
                if kind.name == "p256" { try provider(&plan, kind, unverified, "unverified") }
                plan.optional("SoftHSM in nginx's worker, \(kind.shown)") { try engine(&$0, kind) }
            }
            claims(&plan)
        }
        measure(plan)
    }

    private func agent(_ name: String, verifiesAll: Bool) throws -> AgentUnderTest {
        var settings = AgentUnderTest.Settings()
        settings.verifiesAll = verifiesAll
        let agent = try AgentUnderTest(name, settings, workshop: workshop)
        ends.append { agent.stop() }
        return agent
    }

    // MARK: Keys

    private var folder: String { workshop.folder + "/handshakes" }

    private func makeCA() throws {
        try Files.makeFolder(folder)
        try workshop.run([
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=bench", "-days", "2",
            "-keyout", folder + "/ca.key", "-out", folder + "/ca.pem",
        ])
        try workshop.run([
            "openssl", "req", "-new", "-key", folder + "/ca.key", "-subj", "/CN=localhost", "-out", folder + "/any.csr",
        ])
    }

    /// A certificate for the public key in `name.pub`; returns its path.
    private func makeCertificate(_ name: String) throws -> String {
        let path = "\(folder)/\(name).pem"
        try workshop.run([
            "openssl", "x509", "-req", "-in", folder + "/any.csr", "-force_pubkey", "\(folder)/\(name).pub", "-CA", folder + "/ca.pem",
            "-CAkey", folder + "/ca.key", "-days", "2", "-out", path,
        ])
        return path
    }

    // MARK: Servers

    private func keyFile(_ plan: inout Plan, _ kind: Kind) throws {
        let name = "file-" + kind.name, key = "\(folder)/\(name).key"
        try workshop.run(["openssl", "genpkey", "-algorithm"] + kind.generation + ["-out", key])
        try workshop.run(["openssl", "pkey", "-in", key, "-pubout", "-out", "\(folder)/\(name).pub"])
        let nginx = try NginxPeer(name, certificate: try makeCertificate(name), key: key, variables: [:], workshop: workshop)
        ends.append { nginx.stop() }
        try probes(&plan, nginx, "file.\(kind.name)", "key file, \(kind.shown)")
    }

    private func provider(_ plan: inout Plan, _ kind: Kind, _ agent: AgentUnderTest, _ verification: String) throws {
        let name = "\(verification)-\(kind.name)", pem = "\(folder)/\(name).pub", key = "\(folder)/\(name).key"
        try workshop.run(["Config/provider"])
        try workshop.run([
            workshop.programs + "/acme-agent", "keys", "create", name, "--key-type", kind.shown, "--socket", agent.socket,
        ])
        // Programs cannot be told a file for their output.
        try workshop.run([
            "bash", "-euc",
            """
            "$1" keys show "$2" --format pem --socket "$3" >"$4"
            Tests/Clients/OpenSSLProviderTests/key-reference "$2" "$4" "$3" >"$5"
            """, "-", workshop.programs + "/acme-agent", name, agent.socket, pem, key,
        ])
        let root = try workshop.root()
        let nginx = try NginxPeer(
            name, certificate: try makeCertificate(name), key: key,
            variables: ["OPENSSL_CONF": root + "/Config/openssl-acme-agent.cnf", "OPENSSL_MODULES": root + "/.build/provider"],
            workshop: workshop)
        ends.append { nginx.stop() }
        try probes(&plan, nginx, "\(verification).\(kind.name)", "agent, \(verification), \(kind.shown)") { agent.processes }
    }

    /// libp11's engine, with the token's PIN in nginx's configuration.
    private func engine(_ plan: inout Plan, _ kind: Kind) throws {
        let name = "engine-" + kind.name, configuration = "\(folder)/\(name).cnf", module = try BenchToken.module()
        let token = try BenchToken(folder: "\(folder)/token-\(kind.name)", workshop: workshop)
        try Files.write(
            configuration,
            """
            openssl_conf = bench
            [bench]
            engines = engines
            [engines]
            pkcs11 = pkcs11
            [pkcs11]
            engine_id = pkcs11
            MODULE_PATH = \(module)
            init = 1

            """.utf8)
        let variables = token.environment.merging(["OPENSSL_CONF": configuration]) { $1 }
        try workshop.run(
            [
                "pkcs11-tool", "--module", module, "--token-label", token.label, "--login", "--pin", token.pin, "--keypairgen",
                "--key-type", kind.name == "p256" ? "EC:prime256v1" : "rsa:2048", "--label", kind.name, "--id", "01",
            ], environment: token.environment)
        let uri = "\(token.uri);object=\(kind.name);type=private?pin-value=\(token.pin)"
        try workshop.run(
            ["openssl", "pkey", "-engine", "pkcs11", "-inform", "engine", "-in", uri, "-pubout", "-out", "\(folder)/\(name).pub"],
            environment: variables)
        let nginx = try NginxPeer(
            name, certificate: try makeCertificate(name), key: "engine:pkcs11:\(uri)", variables: variables, workshop: workshop)
        ends.append { nginx.stop() }
        try probes(&plan, nginx, "engine.\(kind.name)", "SoftHSM in nginx's worker, \(kind.shown)")
    }

    private func probes(
        _ plan: inout Plan, _ nginx: NginxPeer, _ figure: String, _ shown: String, signers: @escaping () -> [pid_t] = { [] }
    ) throws {
        // Before many connections at the same time make the worker's heap grow by a random amount.
        _ = try nginx.load(connections: 1, seconds: 0.1, signers: [])
        let memory = nginx.residentMemory
        for connections in HandshakesPart.connections {
            plan.probe("\(shown), \(connections) connections") { [seconds] in
                var figures = try nginx.load(connections: connections, seconds: seconds, signers: signers())
                    .figures("\(figure).\(connections)")
                figures["\(figure).memory"] = memory
                return figures
            }
        }
    }

    // MARK: Rows

    private func claims(_ plan: inout Plan) {
        for kind in Kind.all {
            let key = kind.name
            let servers = [
                ("file", "key file"), ("verified", "agent, verified"), ("unverified", "agent, unverified"),
                ("engine", "SoftHSM in nginx's worker"),
            ].filter { key == "p256" || $0.0 != "unverified" }
            for connections in HandshakesPart.connections {
                let at = "\(connections) \(connections == 1 ? "connection" : "connections")"
                for (server, shown) in servers {
                    plan.claims += [
                        .figure("\(kind.shown), \(shown), \(at)", "1/s", "\(server).\(key).\(connections).rate"),
                        .figure(
                            "\(kind.shown), \(shown), \(at): CPU of the server a handshake", "µs", "\(server).\(key).\(connections).cpu"),
                    ]
                }
                for (server, shown) in servers where server != "file" {
                    let ratio: (Figures) -> Double? = {
                        $0.ratio("\(server).\(key).\(connections).rate", "file.\(key).\(connections).rate")
                    }
                    let row = "\(kind.shown), \(shown), \(at) / key file"
                    plan.claims.append(
                        server == "verified" && connections == 8
                            ? .atLeast(row, "×", kind.share, ratio) : Claim(name: row, unit: "×", bound: nil, value: ratio, limit: nil))
                }
            }
            plan.claims += [
                .atMost("\(kind.shown), agent, verified, 1 connection / key file: p50", "×", 1.4) {
                    $0.ratio("verified.\(key).1.p50", "file.\(key).1.p50")
                },
                .atMost("\(kind.shown): memory of nginx's worker that provider and connection take", "MB", 1) { figures in
                    guard let with = figures["verified.\(key).memory"], let without = figures["file.\(key).memory"] else { return nil }
                    return with - without
                },
            ]
        }
        plan.claims.append(
            .atLeast("RSA-2048, agent, verified, 8 connections / SoftHSM in nginx's worker", "×", 1) {
                $0.ratio("verified.rsa2048.8.rate", "engine.rsa2048.8.rate")
            })
    }
}
