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
    /// One worker is where waiting for a signature costs most: it does nothing else meanwhile. Debian's configuration has
    /// as many as there are CPUs.
    private static let moreWorkers = max(2, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
    /// Connections at which the server has more workers.
    private static let connectionsOfMoreWorkers = 8

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
        try serve(&plan, name, key: key, variables: [:], figure: "file.\(kind.name)", shown: "key file, \(kind.shown)")
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
        try serve(
            &plan, name, key: key,
            variables: ["OPENSSL_CONF": root + "/Config/openssl-acme-agent.cnf", "OPENSSL_MODULES": root + "/.build/provider"],
            figure: "\(verification).\(kind.name)", shown: "agent, \(verification), \(kind.shown)"
        ) { agent.processes }
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
        try serve(
            &plan, name, key: "engine:pkcs11:\(uri)", variables: variables, figure: "engine.\(kind.name)",
            shown: "SoftHSM in nginx's worker, \(kind.shown)")
    }

    /// Starts nginx with one worker and with more, and adds what is measured of both.
    /// - Parameter signers: processes whose CPU time is counted with nginx's.
    private func serve(
        _ plan: inout Plan, _ name: String, key: String, variables: [String: String], figure: String, shown: String,
        signers: @escaping () -> [pid_t] = { [] }
    ) throws {
        let certificate = try makeCertificate(name)
        let nginx = try NginxPeer(name, certificate: certificate, key: key, variables: variables, workshop: workshop)
        ends.append { nginx.stop() }
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
        let workers = HandshakesPart.moreWorkers, connections = HandshakesPart.connectionsOfMoreWorkers
        let larger = try NginxPeer(
            name + "-workers", certificate: certificate, key: key, variables: variables, workers: workers, workshop: workshop)
        ends.append { larger.stop() }
        plan.probe("\(shown), \(connections) connections, \(workers) workers") { [seconds] in
            try larger.load(connections: connections, seconds: seconds, signers: signers()).figures("\(figure).workers")
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
            var loads = HandshakesPart.connections.map { (figure: "\($0)", shown: "\($0) \($0 == 1 ? "connection" : "connections")") }
            loads.append(("workers", "\(HandshakesPart.connectionsOfMoreWorkers) connections, \(HandshakesPart.moreWorkers) workers"))
            for (load, at) in loads {
                for (server, shown) in servers {
                    plan.claims += [
                        .figure("\(kind.shown), \(shown), \(at)", "1/s", "\(server).\(key).\(load).rate"),
                        .figure("\(kind.shown), \(shown), \(at): CPU of the server a handshake", "µs", "\(server).\(key).\(load).cpu"),
                    ]
                }
                for (server, shown) in servers where server != "file" {
                    let ratio: (Figures) -> Double? = { $0.ratio("\(server).\(key).\(load).rate", "file.\(key).\(load).rate") }
                    let row = "\(kind.shown), \(shown), \(at) / key file"
                    plan.claims.append(
                        server == "verified" && load == "8"
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
