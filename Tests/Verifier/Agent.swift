import Glibc

/// The daemon under test, with a SoftHSM token, in a temporary folder of its own.
final class Agent {
    static let token = "softhsm"

    struct ExternalAccount {
        var name: String
        var directory: String
        var keyID: String
        var key: [UInt8]

        var origin: String { if case .valid(let location) = Location.read(directory) { location.origin } else { "-" } }
    }

    static let externalAccounts = [
        ExternalAccount(name: "first", directory: Universe.directories[0], keyID: "kid-1", key: Array(repeating: 0x41, count: 32)),
        ExternalAccount(name: "second", directory: Universe.directories[1], keyID: "kid-2", key: Array(repeating: 0x42, count: 48)),
    ]

    let folder: String
    private let programs: String
    private(set) var process: pid_t = 0
    private let environment: [String]
    /// The module that is loaded instead of SoftHSM's own, and the variables that it gets besides.
    var module: (path: String, environment: [String: String])?
    /// A folder on which a file system was mounted.
    var mounted: String?
    /// How long a signature may take, seconds.
    var deadline = 60
    var logLevel = "error"
    /// Keys in the token that others have made: the SubjectPublicKeyInfo of each, by its URI (RFC 7512).
    private(set) var adoptable: [String: [UInt8]] = [:]

    var socket: String { folder + "/agent.sock" }
    private var configuration: String { folder + "/acme-agentd.toml" }
    var log: String { folder + "/log" }

    /// - Parameter programs: The folder of `acme-agentd` and `acme-agent-token`.
    init(programs: String) throws(Finding) {
        self.programs = programs
        var template = Array(((File.variable("TMPDIR") ?? "/tmp") + "/acme-verifier.XXXXXX").utf8CString)
        guard let made = mkdtemp(&template) else { throw Finding("no temporary folder could be made") }
        folder = String(cString: made)
        environment = [
            "PATH=" + (File.variable("PATH") ?? "/usr/bin:/bin"), "LC_ALL=C.UTF-8", "SOFTHSM2_CONF=\(folder)/softhsm2.conf",
        ]
        // Other users connect to the socket in it.
        guard chmod(folder, 0o755) == 0, mkdir(folder + "/tokens", 0o700) == 0 else {
            throw Finding("no folder for the token could be made")
        }
        guard
            File.write(
                folder + "/softhsm2.conf",
                "directories.tokendir = \(folder)/tokens\nobjectstore.backend = file\nlog.level = ERROR\nslots.removable = false\n"),
            File.write(folder + "/pin", "1234\n"),
            run(["softhsm2-util", "--init-token", "--free", "--label", "verifier", "--pin", "1234", "--so-pin", "5678"])
        else { throw Finding("softhsm2-util could not make a token, see \(log)") }
        for name in Universe.adoptable { try importKey(name) }
        for account in Agent.externalAccounts where !File.write("\(folder)/\(account.name).key", Base64URL.encode(account.key) + "\n") {
            throw Finding("no file for a MAC key could be made")
        }
    }

    /// Puts a key into the token that the agent has not made, for `AdoptKey`.
    private func importKey(_ name: String) throws(Finding) {
        let file = "\(folder)/\(name)"
        guard
            run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "\(file).pem"]),
            run(["openssl", "pkey", "-in", "\(file).pem", "-pubout", "-outform", "DER", "-out", "\(file).der"]),
            run([
                "softhsm2-util", "--import", "\(file).pem", "--token", "verifier", "--label", name, "--id", "0\(adoptable.count + 1)",
                "--pin", "1234",
            ]), let spki = File.read("\(file).der"), PublicKey(spki: spki) != nil
        else { throw Finding("no key could be imported into the token, see \(log)") }
        adoptable["pkcs11:token=verifier;object=\(name)"] = spki
    }

    func run(_ arguments: [String]) -> Bool { File.run(arguments, environment: environment, output: log) }

    /// How many public and private key objects the token shows. What SoftHSM had not finished when its process was killed
    /// is a file and no object.
    func keyObjects() throws(Finding) -> Int {
        let list = folder + "/objects"
        unlink(list)
        let tool = [
            "pkcs11-tool", "--module", try Agent.softHSM(), "--token-label", "verifier", "--login", "--pin", "1234", "--list-objects",
        ]
        guard File.run(tool, environment: environment, output: list), let text = File.read(list) else {
            throw Finding("pkcs11-tool could not list the token's objects, see \(list)")
        }
        return String(decoding: text, as: UTF8.self).split(separator: "\n").count { $0.contains(" Key Object") }
    }

    /// What `keyObjects` saw last: the tool's lines of each object.
    var objects: [String] {
        let text = File.read(folder + "/objects").map { String(decoding: $0, as: UTF8.self) } ?? ""
        var objects: [String] = []
        for line in text.split(separator: "\n") {
            if line.contains(" Key Object") { objects.append("") }
            if !objects.isEmpty { objects[objects.count - 1] += line + "\n" }
        }
        return objects
    }

    private static func softHSM() throws(Finding) -> String {
        let modules = [
            "/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
            "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so", "/usr/lib64/softhsm/libsofthsm2.so",
        ]
        guard let module = modules.first(where: { access($0, R_OK) == 0 }) else { throw Finding("libsofthsm2.so was not found") }
        return module
    }

    private func write(_ policy: Policy) throws(Finding) -> String {
        let path: String
        if let module { path = module.path } else { path = try Agent.softHSM() }
        var variables = module?.environment ?? [:]
        variables["SOFTHSM2_CONF"] = folder + "/softhsm2.conf"
        let list = variables.sorted { $0.key < $1.key }.map { "\($0.key) = \"\($0.value)\"" }.joined(separator: ", ")
        var text = """
            socket = "\(socket)"
            socket-mode = "0666"
            state-directory = "\(folder)/state"
            helper = "\(programs)/acme-agent-token"
            signing-deadline-seconds = \(deadline)

            [[token]]
            name = "\(Agent.token)"
            module = "\(path)"
            uri = "pkcs11:token=verifier"
            pin-source = "\(folder)/pin"
            environment = { \(list) }

            """
        for account in Agent.externalAccounts {
            text += """

                [[external-account]]
                name = "\(account.name)"
                directory = "\(account.directory)"
                key-id = "\(account.keyID)"
                hmac-key-file = "\(folder)/\(account.name).key"

                """
        }
        text += policy.text
        guard File.write(configuration, text) else { throw Finding("the configuration could not be written") }
        return PublicKey.sha256(Array(text.utf8)).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    func start(_ policy: Policy) throws(Finding) {
        _ = try write(policy)
        guard
            let process = File.start(
                [programs + "/acme-agentd", "--config", configuration, "--log-level", logLevel], environment: environment, output: log)
        else { throw Finding("acme-agentd could not be started") }
        self.process = process
        let own = Universe.control
        for _ in 0..<1_200 {
            if access(socket, F_OK) == 0, let connection = Connection(socket, as: own),
                case .parameters(let status) = try connection.call(Call(method: "GetStatus", parameters: .object([]))),
                status["tokens"]?.array?.first?["state"] == .string("ready")
            {
                return
            }
            guard waitpid(process, nil, WNOHANG) == 0 else { break }
            usleep(50_000)
        }
        throw Finding("acme-agentd did not start: \(lastWords)")
    }

    /// Writes the policy and tells the daemon. It is in force at some time after this.
    /// - Returns: The configuration's SHA-256, as the agent's status has it once it is in force.
    func reload(_ policy: Policy) throws(Finding) -> String {
        let digest = try write(policy)
        reloadAgain()
        return digest
    }

    /// Tells the daemon once more to read the policy that was written last.
    func reloadAgain() { kill(process, SIGHUP) }

    /// Waits until the configuration is in force.
    func waitForReload(_ digest: String, _ connection: Connection) throws(Finding) {
        for _ in 0..<3_000 {
            if case .parameters(let status) = try connection.call(Call(method: "GetStatus", parameters: .object([]))) {
                if status["configuration"]?["sha256"] == .string(digest) { return }
                if let error = status["configuration"]?["reloadError"]?.string { throw Finding("a configuration was refused: \(error)") }
            }
            usleep(2_000)
        }
        throw Finding("a reload did not come into force within a minute")
    }

    /// The end of the log.
    var lastWords: String { File.read(log).map { String(decoding: $0.suffix(2_000), as: UTF8.self) } ?? "" }

    /// Stops the daemon.
    /// - Returns: Whether it ended as it should; also if it was not running.
    @discardableResult func stop() -> Bool {
        guard process > 0 else { return true }
        var status: Int32 = 0
        kill(process, SIGTERM)
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        process = 0
        return status == 0
    }

    /// Stops the daemon and removes the folder.
    func end() {
        stop()
        if let mounted { _ = run(["umount", mounted]) }
        _ = File.run(["rm", "-rf", "--", folder], environment: environment, output: "/dev/null")
    }
}
