import ACME
import AgentClient
import AgentInterface
import CLinux
import CertificateStore
import DurableFile
import Glibc
import JOSE

/// Looks whether a server can serve with the agent's key, as the server itself would find out.
struct DeploymentCheck {
    let deployment: Deployment
    /// Where the server listens.
    let address: ServerAddress
    let session: Session

    private var template: ServerTemplate { deployment.template }
    private var title: String { template.title }
    private var isRoot: Bool { geteuid() == 0 }
    /// The command that prints the steps.
    private var plan: String { "acme-agent deploy \(deployment.kind.rawValue) \(deployment.certificate.name)" }
    private var restart: String { "systemctl daemon-reload && systemctl restart \(template.unit)" }
    private static let asRoot = "run the check as root"

    func findings() async throws -> [DeploymentFinding] {
        let environment = try await environment()
        let provider = try await provider(environment)
        let connection = await connection()
        var findings = [provider, connection.finding]
        findings += try await agentFindings(connection.agent)
        await connection.agent?.close()
        findings.append(certificate())
        let keyFile = try await keyFile(environment, provider)
        findings.append(keyFile.state == .failed ? keyFile : otherSocket(environment) ?? keyFile)
        findings.append(try await served())
        return findings
    }

    // MARK: Provider

    private static let module = "tls-acme-agent.so"
    private static let variable = "OPENSSL_CONF"

    /// The server's variables that OpenSSL reads.
    private struct OpenSSLEnvironment {
        /// `nil` if they cannot be seen.
        var configuration: String?
        var modules: String?
        /// Where they come from, in a sentence.
        var source: String

        var entries: [String] {
            [("OPENSSL_CONF", configuration), ("OPENSSL_MODULES", modules)].compactMap { name, value in
                value.flatMap { $0.isEmpty ? nil : "\(name)=\($0)" }
            }
        }
    }

    private func environment() async throws -> OpenSSLEnvironment {
        if case .setting(let name, _, _) = template.environment {
            let words = deployment.environmentSetting.map { $0.split(separator: " ") }
            func value(_ variable: String) -> String? {
                words.map { words in words.first { $0.hasPrefix(variable + "=") }.map { String($0.dropFirst(variable.count + 1)) } ?? "" }
            }
            return OpenSSLEnvironment(
                configuration: value(Self.variable), modules: value("OPENSSL_MODULES").flatMap { $0.isEmpty ? nil : $0 }, source: name)
        }
        if let main = deployment.processes?.main, isTrusted(main), let configuration = main.variable(Self.variable) {
            return OpenSSLEnvironment(
                configuration: configuration, modules: main.variable("OPENSSL_MODULES").flatMap { $0.isEmpty ? nil : $0 },
                source: "the environment of process \(main.id)")
        }
        // The process does not run, or has overwritten its variables.
        let shown = try await SystemProgram.line(of: ["systemctl", "show", "--property=Environment", "--value", template.unit + ".service"])
        guard let words = shown?.split(separator: " ") else { return OpenSSLEnvironment(source: "the unit") }
        func value(_ variable: String) -> String? {
            words.first { $0.hasPrefix(variable + "=") }.map { String($0.dropFirst(variable.count + 1)) }
        }
        return OpenSSLEnvironment(
            configuration: value(Self.variable) ?? "", modules: value("OPENSSL_MODULES"), source: "the unit \(template.unit).service")
    }

    /// Whether OpenSSL may be run with a process's environment, which can name a module: not as root with a user's.
    private func isTrusted(_ process: ServerProcess) -> Bool { process.isRoots || !isRoot }

    /// What keeps root from running OpenSSL with these files: it can be changed by other users, and so can what OpenSSL
    /// then does. A server in a container may also see other files at these paths than root does here. What does not
    /// exist is not loaded.
    static func distrusted(_ configuration: String?, _ modules: String?) -> OwnershipError? {
        do throws(OwnershipError) {
            if let configuration, !configuration.isEmpty { _ = try File.open(configuration, as: .configuration) }
        } catch { if !error.isMissing { return error } }
        do throws(OwnershipError) {
            if let modules, !modules.isEmpty { _ = try Folder.open(modules, as: .configuration) }
        } catch { if !error.isMissing { return error } }
        return nil
    }

    /// Before each run of OpenSSL with an environment that is not this command's own.
    private func untried(_ subject: DeploymentFinding.Condition, _ environment: OpenSSLEnvironment) -> DeploymentFinding? {
        guard isRoot, let error = Self.distrusted(environment.configuration, environment.modules) else { return nil }
        return .unknown(
            subject,
            "OpenSSL is not tried as root with what \(environment.source) has: \(TerminalText.safe(error.description, limit: 300))",
            hint: "\(title) loads code from there as root: only root may be able to write the file and every folder on its path")
    }

    private func provider(_ environment: OpenSSLEnvironment) async throws -> DeploymentFinding {
        let main = deployment.processes?.main
        if case .unit = template.environment, let main, let path = main.loaded(module: Self.module), !path.isEmpty {
            return .ok(.provider, "\(title), process \(main.id), has loaded \(path)")
        }
        if case .unit = template.environment, !isRoot, main?.isVisible != true {
            return .unknown(.provider, "this user may not see what \(title) has loaded", hint: Self.asRoot)
        }
        if let untried = untried(.provider, environment) { return untried }
        guard let openssl = SystemProgram("openssl", environment: environment.entries) else {
            return .unknown(.provider, "there is no openssl(1) to ask", hint: "install the package openssl")
        }
        let modules = try await modulesFolder(environment)
        let listed = try await openssl.run(["list", "-providers"])?.output.contains("tls-acme-agent") ?? false
        if !listed {
            if let modules, access("\(modules)/\(Self.module)", F_OK) != 0 {
                return .failed(
                    .provider, "OpenSSL's modules folder, \(modules), has no \(Self.module)",
                    hint: "`make install` of acme-agent puts it there; OPENSSL_MODULES names another folder")
            }
            if let configuration = environment.configuration, !configuration.isEmpty {
                guard access(configuration, R_OK) == 0 else {
                    return .failed(
                        .provider, "the OpenSSL configuration \(configuration), which \(environment.source) names, cannot be read",
                        hint: "\(plan) prints where it is; then \(restart)")
                }
                return .failed(
                    .provider, "OpenSSL does not load the provider with the configuration \(configuration)",
                    hint: "OPENSSL_CONF=\(configuration) openssl list -providers shows what it loads; compare it with "
                        + deployment.configuration)
            }
            if environment.configuration != nil {
                return .failed(
                    .provider, "\(environment.source) has no \(Self.variable), so \(title) does not load the provider",
                    hint: "\(plan) prints how to set it; then \(restart)")
            }
            if case .setting(let name, let read, _) = template.environment {
                return .unknown(.provider, "`\(read.joined(separator: " "))` does not print \(name)", hint: "\(plan) prints how to set it")
            }
        }
        guard case .unit = template.environment else {
            return .ok(.provider, "\(environment.source) has \(Self.variable), with which OpenSSL loads the provider")
        }
        guard let main else { return .unknown(.provider, "\(title) does not run", hint: "systemctl restart \(template.unit)") }
        return .failed(
            .provider, "\(title), process \(main.id), runs without the provider",
            hint: "\(plan) prints how it is loaded; a reload is not enough: \(restart)")
    }

    private func modulesFolder(_ environment: OpenSSLEnvironment) async throws -> String? {
        if let own = environment.modules { return own }
        let prefix = "MODULESDIR: \""
        guard let line = try await SystemProgram.line(of: ["openssl", "version", "-m"]), line.hasPrefix(prefix) else { return nil }
        return String(line.dropFirst(prefix.count).dropLast())
    }

    // MARK: Agent

    /// Connects as the server's processes do.
    private func connection() async -> (finding: DeploymentFinding, agent: AgentClient?) {
        let worker = deployment.worker, user = deployment.user, socket = deployment.serverSocket
        do {
            let agent: AgentClient
            if isRoot {
                agent = try await AgentClient.connect(
                    over: try descriptor(for: worker), socket: socket, as: worker?.user ?? user.id)
            } else if geteuid() == user.id, deployment.chroot == nil {
                agent = try await AgentClient.connect(socket: socket)
            } else {
                return (.unknown(.socket, "only root can try the socket \(socket) as the user \(user.name)", hint: Self.asRoot), nil)
            }
            let source = worker.map { "process \($0.id) of \(title)" } ?? "\(title) when it starts"
            return (.ok(.socket, "the user \(user.name), with the groups of \(source), reaches the agent at \(socket)"), agent)
        } catch let error as AgentConnectionError {
            return (socketFinding(error, worker), nil)
        } catch {
            return (.unknown(.socket, "the socket \(socket) cannot be tried as the user \(user.name): \(Failure(error).message)"), nil)
        }
    }

    private func socketFinding(_ error: AgentConnectionError, _ worker: ServerProcess?) -> DeploymentFinding {
        let user = deployment.user, message = "\(error.description), as the user \(user.name)"
        guard error.description.contains("permission"),
            let folder = FileAccess.closedFolder(
                on: deployment.socket, root: deployment.chroot, user: worker?.user ?? user.id,
                groups: [worker?.group ?? user.group] + groups(of: worker)),
            // The agent's own folder is for the group that the steps give to the user.
            folder.group != deployment.agentGroup || folder.mode & 0o010 == 0
        else { return .failed(.socket, message, hint: hint(error)) }
        return .failed(
            .socket, "\(message), who may not enter the folder \(folder)",
            hint: "chmod o+x \(GivenOptions.quoted(folder.path)) lets every user enter it; or give it a group that \(user.name) has")
    }

    /// The groups of the server's worker or, if none runs, of one that would be started.
    private func groups(of worker: ServerProcess?) -> [UInt32] {
        if let worker { return worker.groups }
        if case .ownSocket = template.access { return [deployment.user.group] }
        return deployment.user.groups
    }

    private func hint(_ error: AgentConnectionError) -> String {
        let socket = deployment.serverSocket
        if access(socket, F_OK) != 0 {
            return deployment.chroot == nil
                ? "systemctl status acme-agentd says whether it runs; its log says why not" : "\(plan) prints the socket that it needs"
        }
        guard error.description.contains("permission") else { return error.hint ?? "systemctl status acme-agentd" }
        return "\(plan) prints how the user gets the socket's group; groups count only after systemctl restart \(template.unit)"
    }

    /// The agent's socket, connected as the server's worker or, if none runs, as one that would be started.
    private func descriptor(for worker: ServerProcess?) throws -> Int32 {
        let user = deployment.user, path = deployment.socket
        let groups = groups(of: worker)
        var descriptor: Int32 = -1, isConnecting: Int32 = 0
        let code = groups.withUnsafeBufferPointer { groups in
            func connect(_ root: UnsafePointer<CChar>?) -> Int32 {
                var identity = clinux_user(
                    user: worker?.user ?? user.id, group: worker?.group ?? user.group, groups: groups.baseAddress,
                    group_count: groups.count, root: root)
                return clinux_connect_as(&identity, path, &descriptor, &isConnecting)
            }
            return deployment.chroot.map { $0.withCString { connect($0) } } ?? connect(nil)
        }
        guard code == 0 else {
            if isConnecting != 0 { throw AgentConnectionError(socket: deployment.serverSocket, code: code) }
            throw Failure("failed", .failed, String(cString: strerror(code)))
        }
        return descriptor
    }

    /// Whether the grant is there, and the key signs: the agent is asked for a handshake's signature, as that user.
    private func agentFindings(_ agent: AgentClient?) async throws -> [DeploymentFinding] {
        let key = deployment.keyName, user = deployment.user.name
        guard let agent else {
            return [
                .unknown(.grant, "needs a connection to the agent as the user \(user)"),
                .unknown(.key, "needs a connection to the agent as the user \(user)"),
            ]
        }
        let status: AgentStatus
        do { status = try await agent.status() } catch {
            let failure = Failure(error)
            return [
                .failed(.grant, failure.message, hint: failure.hint ?? "the agent's log says more"),
                .unknown(.key, "needs an answer of the agent"),
            ]
        }
        let operation = Operation.signHandshake.rawValue
        let covering = status.grants.filter { $0.covers(key) }
        guard let grant = covering.first(where: { $0.operations.contains(operation) }) else {
            return [grantFinding(status, covering), .unknown(.key, "needs a grant")]
        }
        let granted = DeploymentFinding.ok(.grant, "grant \"\(grant.name)\" lets the user \(user) sign handshakes with the key \(key)")
        return [granted, try await keyFinding(agent)]
    }

    private func grantFinding(_ status: AgentStatus, _ covering: [GrantStatus]) -> DeploymentFinding {
        let key = deployment.keyName, user = deployment.user.name, operation = Operation.signHandshake.rawValue
        let hint = "\(plan) prints the grant; systemctl reload acme-agentd applies it"
        if let grant = covering.first {
            return .failed(.grant, "grant \"\(grant.name)\" covers the key \(key), but its operations lack \(operation)", hint: hint)
        }
        if let problem = status.problems.first(where: { $0.what == "grant" || $0.what == "grants" }) {
            return .failed(
                .grant, "no grant that is on gives the user \(user) the key \(key), and \(Status.line(problem))",
                hint: "acme-agentd --check-config says what is off, and why")
        }
        if let grant = status.grants.first {
            return .failed(
                .grant,
                "grant \"\(grant.name)\" names the user \(user), but does not cover the key \(key): it has "
                    + Wording.list(grant.keys), hint: hint)
        }
        return .failed(.grant, "no grant names the user \(user)", hint: hint)
    }

    /// The form of a CertificateVerify's content (RFC 8446 §4.4.3), with random bytes in place of a transcript's hash:
    /// nobody's handshake.
    private static var content: [UInt8] {
        [UInt8](repeating: 0x20, count: 64) + Array("TLS 1.3, server CertificateVerify".utf8) + [0]
            + (0..<32).map { _ in UInt8.random(in: .min ... .max) }
    }

    private func keyFinding(_ agent: AgentClient) async throws -> DeploymentFinding {
        let key = deployment.keyName, name = deployment.certificate.name
        guard let algorithm = deployment.certificate.keyAlgorithm else {
            return .unknown(.key, "the certificate's key is of a kind that this version does not know")
        }
        do {
            _ = try await agent.handshake(key: key, content: Self.content, scheme: algorithm.serverScheme)
            return .ok(.key, "the agent signs a handshake with the key \(key) for this user")
        } catch AgentError.invalidRequest(parameter: "key", let message, _) where message.contains("retired") {
            return .failed(
                .key, "the key \(key) is retired",
                hint: "acme-agent renew \(name) makes another one; its deploy hook, or a reload, has \(title) take it into use")
        } catch {
            let failure = Failure(error)
            return .failed(
                .key, "the agent does not sign with the key \(key): \(failure.message)", hint: failure.hint ?? "its log says why")
        }
    }

    // MARK: Files

    /// Whether the key file is that of the certificate's key.
    private func certificate() -> DeploymentFinding {
        let name = deployment.certificate.name
        let remedy = deployment.isCopy ? "acme-agent root-deploy \(name) makes root's copy, which servers use" : nil
        guard let spki = deployment.certificate.chain.spki else {
            return .unknown(.certificate, "the certificate's key cannot be read")
        }
        let bytes: [UInt8]
        do { bytes = try DurableFile.read(deployment.keyFile, limit: Self.keyFileLimit) } catch {
            guard error.code == EACCES else {
                return .failed(
                    .certificate, "\(deployment.keyFile): \(error.reason)",
                    hint: remedy ?? "acme-agent renew \(name) --force writes it again")
            }
            return .unknown(.certificate, "this user may not read \(deployment.keyFile)", hint: Self.asRoot)
        }
        guard (try? KeyFile(pem: bytes))?.publicKey.spki == spki else {
            return .failed(
                .certificate, "the key file \(deployment.keyFile) is not for the key of its certificate",
                hint: remedy ?? "acme-agent renew \(name) --force writes both again")
        }
        if deployment.isCopy, let unchecked = unchecked(ConfiguredPath.first(below: deployment.storedFolder, in: template.folders)) {
            return unchecked
        }
        return .ok(.certificate, "certificate and key file belong together")
    }

    /// Of a server that reads what the user who is not trusted has written.
    private func unchecked(_ place: ConfiguredPath?) -> DeploymentFinding? {
        place.map {
            Self.unchecked($0, stored: deployment.storedFolder, copy: deployment.folder, reload: "systemctl reload \(template.unit)")
        }
    }

    static func unchecked(_ place: ConfiguredPath, stored: String, copy: String, reload: String) -> DeploymentFinding {
        .failed(
            .certificate,
            "\(TerminalText.safe(place.file)), line \(place.line), names files of \(TerminalText.safe(stored)), which the user who renews "
                + "can change; root's checked copy is in \(TerminalText.safe(copy))",
            hint: "replace the path there, then \(reload)")
    }

    private static let keyFileLimit = 64 * 1024

    /// That the provider looks for the agent at another socket, if it does.
    private func otherSocket(_ environment: OpenSSLEnvironment) -> DeploymentFinding? {
        guard let bytes = try? DurableFile.read(deployment.keyFile, limit: Self.keyFileLimit), let file = try? KeyFile(pem: bytes) else {
            return nil
        }
        let agent = deployment.socket, renewal = "acme-agent renew \(deployment.certificate.name) --force"
        func isAgents(_ socket: String) -> Bool { Deployment.resolved(socket) == Deployment.resolved(agent) }
        if let named = file.socket {
            guard !isAgents(named) else { return nil }
            return .failed(
                .keyFile, "key.pem names the socket \(TerminalText.safe(named)), the agent is at \(TerminalText.safe(agent))",
                hint: renewal)
        }
        let configuration = environment.configuration.flatMap { $0.isEmpty ? nil : $0 } ?? deployment.configuration
        let configured = Self.socket(inConfiguration: configuration), used = configured ?? AgentClient.defaultSocket
        guard !isAgents(used) else { return nil }
        return .failed(
            .keyFile,
            "key.pem names no socket, so the provider takes \(TerminalText.safe(used)); the agent is at \(TerminalText.safe(agent))",
            hint: configured == nil ? renewal : "correct `socket` in \(configuration); then \(restart)")
    }

    /// The socket for key files that name none, in the provider's section of an OpenSSL configuration.
    private static func socket(inConfiguration path: String) -> String? {
        guard let bytes = try? DurableFile.read(path, limit: keyFileLimit) else { return nil }
        for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
            let words = line.split { $0 == " " || $0 == "\t" || $0 == "=" }
            if words.count > 1, words[0] == "socket" { return String(words[1]) }
        }
        return nil
    }

    /// Whether the server's main process can read the key file, and OpenSSL takes it.
    private func keyFile(_ environment: OpenSSLEnvironment, _ provider: DeploymentFinding) async throws -> DeploymentFinding {
        let path = deployment.keyFile
        // Servers read keys before they give up root.
        let reader = deployment.processes?.main
        if let reader, reader.user != 0 {
            guard let obstacle = FileAccess.obstacle(to: path, user: reader.user, groups: [reader.group] + reader.groups) else {
                return .ok(.keyFile, "\(title), which runs as uid \(reader.user), may read \(path)")
            }
            return .failed(
                .keyFile, "\(title), which runs as uid \(reader.user), may not read \(path) because of \(obstacle)",
                hint: "start \(title) as root, or give it the group of these files")
        }
        guard isRoot else { return .unknown(.keyFile, "only root can read \(path) as \(title) does", hint: Self.asRoot) }
        guard provider.state == .ok else { return .unknown(.keyFile, "needs the provider") }
        var environment = environment
        var arguments = ["pkey", "-in", path, "-pubout"]
        // nginx loads the provider, and hides with which configuration.
        let isHidden = environment.configuration?.isEmpty ?? true
        if isHidden { environment.configuration = deployment.configuration }
        if environment.modules == nil, let reader, isTrusted(reader), case let path? = reader.loaded(module: Self.module),
            path.hasSuffix("/" + Self.module), !isRoot || Self.distrusted(nil, DurableFile.parent(of: path)) == nil
        {
            environment.modules = DurableFile.parent(of: path)
            // The configuration tried in its place may not be there.
            if isHidden { arguments += ["-provider", "tls-acme-agent", "-provider", "default"] }
        }
        if let untried = untried(.keyFile, environment) { return untried }
        guard let openssl = SystemProgram("openssl", environment: environment.entries), let answer = try await openssl.run(arguments) else {
            return .unknown(.keyFile, "there is no openssl(1) to try it with", hint: "install the package openssl")
        }
        guard answer.isSuccess else {
            let reason = OpenSSLReason(output: answer.output)?.text ?? "no reason"
            // No provider reads the file: another file would not help.
            let isUnread = reason.contains("unsupported")
            let isSeen = reader?.variable(Self.variable) != nil
            // The server may have another configuration than the one tried.
            if let reader, isHidden || (isUnread && !isSeen) {
                let what = isSeen ? "has no \(Self.variable)" : "cannot be seen"
                return .unknown(
                    .keyFile, "the environment of process \(reader.id) \(what), so \(path) cannot be tried as \(title) loads it",
                    hint: "\(plan) prints how its unit names the OpenSSL configuration; then \(restart)")
            }
            let list = "OPENSSL_CONF=\(environment.configuration ?? "") openssl list -providers"
            return .failed(
                .keyFile, "OpenSSL does not load \(path): \(reason)",
                hint: isUnread ? "\(list) must show tls-acme-agent" : "acme-agent renew \(deployment.certificate.name) --force")
        }
        return .ok(.keyFile, "OpenSSL loads \(path)")
    }

    // MARK: Port

    /// That the server is not at the address, as far as this machine's processes show it.
    private var elsewhere: DeploymentFinding? {
        guard address.isLocal, !(deployment.processes?.isListening ?? false) else { return nil }
        let hint = "--connect HOST:PORT names where \(title) listens"
        if let other = ServerProcess.listening(on: address.port) {
            guard !template.processes.contains(other.name) else { return nil }
            return .failed(
                .served, "\(address) belongs to another program: \(TerminalText.safe(other.name, limit: 40)), process \(other.id)",
                hint: hint)
        }
        guard let main = deployment.processes?.main, !ServerProcess.isTaken(address.port) else { return nil }
        return .failed(.served, "\(title), process \(main.id), does not listen at \(address)", hint: hint)
    }

    private func served() async throws -> DeploymentFinding {
        let certificate = deployment.certificate
        let answer = try await ServedCertificate.fetch(
            from: address, startTLS: template.startTLS, for: certificate.metadata.identifiers.first)
        if answer != .noProgram, answer != .certificate(certificate.chain.leafDER), let elsewhere { return elsewhere }
        switch answer {
        case .noProgram: return .unknown(.served, "there is no openssl(1) to connect with", hint: "install the package openssl")
        case .refused(let why):
            return .failed(
                .served, "no TLS server answers at \(address): \(why)",
                hint: "journalctl -u \(template.unit) says why; --connect HOST:PORT names another address")
        case .unfinished(let why):
            return .failed(
                .served, "the TLS handshake with \(address) fails: \(why)",
                hint: "the log of \(title) has the provider's reason: journalctl -u \(template.unit)")
        case .certificate(let der) where der == certificate.chain.leafDER:
            return .ok(.served, "\(address) serves the stored certificate, serial \(certificate.metadata.serial)")
        case .certificate(let der):
            let serial = (try? CertificateChain(der: [der]))?.serialNumber
            let other = serial.map { "serial \(Hexadecimal.encode($0))" } ?? "one that cannot be read"
            return .failed(
                .served, "\(address) serves another certificate, \(other); the stored one has serial \(certificate.metadata.serial)",
                hint: template.hookWritesFile
                    ? "\(deployment.hook) \(certificate.name) \(deployment.folder) writes HAProxy's file and reloads it"
                    : "systemctl reload \(template.unit); if it stays, another file is configured: \(plan)")
        }
    }
}

extension KeyAlgorithm {
    /// A SignatureScheme of RFC 8446 §4.2.3 for a server's CertificateVerify.
    fileprivate var serverScheme: String {
        switch self {
        case .p256: "ecdsa_secp256r1_sha256"
        case .p384: "ecdsa_secp384r1_sha384"
        case .rsa2048, .rsa3072, .rsa4096: "rsa_pss_rsae_sha256"
        case .ed25519: "ed25519"
        }
    }
}
