import ACME
import AgentClient
import CertificateStore
import DurableFile
import Glibc
import Issuance
import JOSE

/// A certificate, a server and what this machine has for both.
struct Deployment: Sendable {
    /// What the command line says instead of what was found.
    struct Choices {
        var user: String?
        var group: String?
        var chroot: String?
        var address: ServerAddress
    }

    let kind: ServerKind
    let template: ServerTemplate
    let certificate: StoredCertificate
    /// Where the server's files of the certificate are: in the store, or root's copy.
    let folder: String
    /// Where they are in the store.
    let storedFolder: String
    /// Whether they are root's copy: the store belongs to a user from whom the server must not read unchecked files.
    let isCopy: Bool
    /// The agent's socket, absolute.
    let socket: String
    /// Owner and group of the socket.
    let agentUser: String
    let agentGroup: String
    /// The user of the server's processes that sign, and the groups that they have.
    let user: LocalUser
    /// The root of these processes, if it is not "/".
    let chroot: String?
    /// The server's processes, if it runs.
    let processes: ServerProcesses?
    /// One of them that has this user.
    let worker: ServerProcess?
    /// The OpenSSL configuration that loads the provider.
    let configuration: String
    /// The deploy hook for this server.
    let hook: String
    /// Root's hooks for the certificate; `nil` if the store belongs to root, whose own deploy hooks may reload servers.
    let rootHooks: [String]?
    /// The hook that the certificate has.
    let registeredHooks: [String]
    /// The value of `environment`'s own setting.
    let environmentSetting: String?

    /// - Throws: `Failure` if the machine has no such server, or the certificate no key file.
    init(_ kind: ServerKind, _ certificate: StoredCertificate, _ choices: Choices, _ session: Session) async throws {
        self.kind = kind
        let template = kind.template
        self.template = template
        self.certificate = certificate
        guard let folder = certificate.folder else { throw IssuanceError.notFound(certificate.name) }
        let owner = StoreOwner.status(of: session.settings.stateDirectory)?.owner ?? 0
        rootHooks = owner == 0 ? nil : session.settings.rootDeployHooks(of: certificate.name)
        isCopy = rootHooks.map { geteuid() == 0 || !$0.isEmpty } ?? false
        let stored = try AbsolutePath.of(folder)
        storedFolder = stored
        self.folder = isCopy ? "\(session.settings.rootDeployDirectory)/certificates/\(certificate.name)" : stored
        guard access(stored + "/key.pem", F_OK) == 0 else {
            throw Failure(
                "key-file-missing", .failed,
                "the certificate \(certificate.name) has no key file, \(TerminalText.safe(stored))/key.pem: an earlier version of this "
                    + "program wrote none",
                hint: "acme-agent renew \(certificate.name) --force writes it")
        }
        socket = try AbsolutePath.of(session.settings.socket)
        var status = stat()
        let isSocketThere = stat(socket, &status) == 0
        agentGroup = isSocketThere ? LocalUser.group(status.st_gid) : Deployment.standardName
        agentUser = isSocketThere ? LocalUser(id: status.st_uid)?.name ?? "\(status.st_uid)" : Deployment.standardName
        processes = ServerProcesses(named: template.processes, port: choices.address.port)
        // One that is still root may become another user later.
        let worker = processes.flatMap { $0.worker.user == 0 ? nil : $0.worker }
        let user = try Deployment.user(template, choices, worker)
        self.user = user
        self.worker = worker?.user == user.id ? worker : nil
        chroot = try await Deployment.chroot(template, choices, worker)
        if let chroot, !Deployment.isPlain(chroot) {
            let shown = TerminalText.safe(chroot, limit: 200)
            throw Failure.usage("the server's root \"\(shown)\" has characters that mean something else in units and configurations")
        }
        let shared = Deployment.sharedFolder
        configuration = shared + "/doc/acme-agent/openssl-acme-agent.cnf"
        hook = shared + "/acme-agent/deploy-hooks/" + template.hook
        let memory = RememberedSettings(stateDirectory: session.settings.stateDirectory)
        let remembered = (try? memory.read(certificate.name)) ?? CertificateSettings()
        registeredHooks =
            session.settings.certificate(named: certificate.name.rawValue, given: CertificateSettings(), remembered: remembered)
            .deployHooks ?? []
        if case .setting(_, let read, _) = template.environment {
            environmentSetting = try await SystemProgram.line(of: read)
        } else {
            environmentSetting = nil
        }
    }

    /// The daemon's user and group as `make install` names them.
    private static let standardName = "acme-agent"

    /// `share` beside the folder of this program, if it is installed there.
    static var sharedFolder: String {
        let standard = "/usr/local/share"
        guard let program = (try? Folder("/proc/self"))?.target(ofLink: "exe") else { return standard }
        let prefix = DurableFile.parent(of: DurableFile.parent(of: program))
        let own = (prefix == "/" ? "" : prefix) + "/share"
        return access(own + "/doc/acme-agent/openssl-acme-agent.cnf", F_OK) == 0 ? own : standard
    }

    private static func user(_ template: ServerTemplate, _ choices: Choices, _ worker: ServerProcess?) throws(Failure) -> LocalUser {
        var user: LocalUser?
        if let given = choices.user {
            user = LocalUser(named: given) ?? UInt32(given).flatMap { LocalUser(id: $0) }
            guard user != nil else { throw .usage("there is no user \"\(TerminalText.safe(given, limit: 40))\"") }
        } else if let worker {
            user = LocalUser(id: worker.user)
            // The process decides, not what the system would give a new one.
            user?.group = worker.group
        } else {
            user = template.users.lazy.compactMap { LocalUser(named: $0) }.first
        }
        guard var user else {
            throw Failure(
                "server-not-found", .failed,
                "this machine has none of the users of \(template.title): \(template.users.joined(separator: ", "))",
                hint: "install \(template.title) first, or name the user of its processes with --user")
        }
        if let given = choices.group {
            guard let group = LocalUser.groupID(given) else {
                throw .usage("there is no group \"\(TerminalText.safe(given, limit: 40))\"")
            }
            user.group = group
        }
        return user
    }

    /// Whether a path can be written into units and configurations as it is.
    static func isPlain(_ path: String) -> Bool {
        path.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "-")...UInt8(ascii: "9"),
                UInt8(ascii: "_"), UInt8(ascii: "+"), UInt8(ascii: "@"):
                true
            default: false
            }
        }
    }

    private static func chroot(_ template: ServerTemplate, _ choices: Choices, _ worker: ServerProcess?) async throws -> String? {
        if let given = choices.chroot { return given == "/" || given == "none" ? nil : try AbsolutePath.of(given) }
        guard case .ownSocket(let source) = template.access else { return nil }
        if let worker, worker.isVisible { return worker.root }
        switch source {
        case .keyword(let keyword, let file, let standard):
            guard let bytes = try? DurableFile.read(file, limit: 1 << 20) else { return standard }
            for line in String(decoding: bytes, as: UTF8.self).split(separator: "\n") {
                let words = line.split { $0 == " " || $0 == "\t" }
                if words.first.map(String.init) == keyword, words.count > 1 { return String(words[1]) }
            }
            return nil
        case .command(let command, let folder, let condition, let standard):
            if let condition {
                let answers = try await SystemProgram.lines(of: condition).filter { $0.contains(" = ") }
                if !answers.isEmpty, !answers.contains(where: { $0.hasSuffix(" = y") }) { return nil }
            }
            return resolved(try await SystemProgram.line(of: command).map { $0 + folder } ?? standard)
        }
    }

    /// A path without symbolic links, such as /var/run; as it is if it does not exist.
    static func resolved(_ path: String) -> String {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        return realpath(path, &buffer).flatMap { String(validatingCString: $0) } ?? path
    }

    var keyName: KeyName { certificate.metadata.key.name }
    var keyFile: String { folder + "/key.pem" }
    var groupName: String { LocalUser.group(user.group) }

    /// The names of this key and of those that renewals with `--new-key` make: `NAME`, `NAME-2`, `NAME-3`.
    var keyPatterns: [String] {
        let name = keyName.rawValue, dash = name.lastIndex(of: "-")
        let isNumbered = dash.map { Int(name[name.index(after: $0)...]) != nil } ?? false
        let first = isNumbered ? name[..<(dash ?? name.endIndex)] : name[...]
        return ["\(first)", "\(first)-*"]
    }

    /// Where the server's processes find the agent, from this process's root.
    var serverSocket: String { chroot.map { $0 + socket } ?? socket }

    /// What the names in a template's texts stand for.
    var values: [(name: String, value: String)] {
        [
            ("{certificate}", folder + "/fullchain.pem"), ("{key}", keyFile), ("{folder}", folder),
            ("{name}", certificate.name.rawValue), ("{hook}", hook),
        ]
    }
}
