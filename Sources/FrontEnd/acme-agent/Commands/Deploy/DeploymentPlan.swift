import ACME
import CertificateStore
import Glibc
import JOSE
import StrictJSON

/// The steps after which a server serves with the agent's key.
struct DeploymentPlan {
    private static let agentConfiguration = "/etc/acme-agent/acme-agentd.toml"
    /// Settings after a table's header belong to that table.
    private static let top = agentConfiguration + ", above its first table, unless it is there"
    private static let table = agentConfiguration + ", unless it is there already"
    private static let rootGroup = "root"

    let deployment: Deployment
    /// The options with which commands in the steps must be run.
    let given: GivenOptions
    /// Whether this user can reload servers.
    let isRoot: Bool

    private var template: ServerTemplate { deployment.template }
    private var title: String { template.title }
    /// Names of further files of these steps.
    private var label: String { "acme-agent-\(template.unit)" }

    var steps: [DeploymentStep] { [provider, socket, grant, server, hook, effect, check] }

    private var provider: DeploymentStep {
        switch template.environment {
        case .unit:
            return DeploymentStep(
                name: "provider", title: "The unit of \(title) names an OpenSSL configuration that loads the provider",
                files: [
                    .init(
                        change: .write, place: "/etc/systemd/system/\(template.unit).service.d/acme-agent.conf",
                        text: "[Service]\nEnvironment=OPENSSL_CONF=\(configuration)")
                ])
        case .setting(let name, _, let change):
            let variable = "OPENSSL_CONF=\(configuration)"
            var step = DeploymentStep(
                name: "provider", title: "\(title) gives its processes an OpenSSL configuration that loads the provider")
            switch change {
            case .command(let command, let standard):
                let words = (deployment.environmentSetting ?? standard).split(separator: " ").filter { !$0.hasPrefix("OPENSSL_CONF=") }
                let value = "\(name)=" + (words + [variable[...]]).joined(separator: " ")
                step.commands = [command.replacing("{value}", with: GivenOptions.quoted(value))]
            case .line(let line, let file):
                step.files = [.init(change: .add, place: file, text: line.replacing("{value}", with: variable))]
            }
            return step
        }
    }

    private var configuration: String { deployment.configuration }

    private var hasOwnSocket: Bool {
        guard case .ownSocket = template.access else { return false }
        return deployment.chroot != nil
    }

    private var socket: DeploymentStep {
        if hasOwnSocket { return socketInRoot }
        let user = deployment.user, agentGroup = deployment.agentGroup
        if case .ownSocket = template.access {
            // Without another root, the group alone decides.
            var step = DeploymentStep(
                name: "socket", title: "The processes of \(title) keep only one group: the agent's socket is for the group \(agentGroup)")
            if deployment.groupName == agentGroup {
                step.note = "they run in this group, so there is nothing to do"
            } else {
                step.note = "\(title) must run in the group \(agentGroup), or get a socket of its own: see servers.md"
            }
            return step
        }
        var step = DeploymentStep(name: "socket", title: "The user of its processes, \(user.name), may connect to the agent's socket")
        if agentGroup == Self.rootGroup {
            // Nobody joins root's group because of a socket.
            step.files = [
                .init(
                    change: .add, place: Self.top,
                    text: "socket-mode = \"0660\"\nsocket-group = \(toml(deployment.groupName))")
            ]
        } else if let group = LocalUser.groupID(agentGroup), user.groups.contains(group) || user.group == group {
            step.note = "\(user.name) is in the group \(agentGroup), so there is nothing to do"
        } else {
            step.commands = ["usermod --append --groups \(GivenOptions.quoted(agentGroup)) \(GivenOptions.quoted(user.name))"]
        }
        return step
    }

    /// A socket at the same path below the server's root.
    private var socketInRoot: DeploymentStep {
        let path = deployment.serverSocket, group = deployment.groupName
        let inside = (deployment.socket.split(separator: "/").dropLast()).map(String.init)
        var folders: [String] = [], folder = deployment.chroot ?? ""
        if folder.hasPrefix("/run/") {
            // Empty after a start of the system, and the agent may start before the server.
            let above = folder.split(separator: "/").dropLast().dropFirst()
            var way = "/run"
            for name in above {
                way += "/" + name
                folders.append("d \(way) 0755 root root")
            }
            folders.append("d \(folder) 0750 root \(group)")
        }
        for (index, name) in inside.enumerated() {
            folder += "/" + name
            let isLast = index == inside.count - 1
            folders.append("d \(folder) \(isLast ? "0750 \(deployment.agentUser) \(group)" : "0755 root root")")
        }
        return DeploymentStep(
            name: "socket",
            title: "The processes of \(title) see \(deployment.chroot ?? "/") as their root and keep only the group \(group), so the agent "
                + "has a socket for them there",
            files: [
                .init(
                    change: .add, place: Self.top,
                    text: "socket = \(toml(deployment.socket))"),
                .init(
                    change: .add, place: Self.table,
                    text: "[[listen]]\npath = \(toml(path))\nmode = \"0660\"\ngroup = \(toml(group))"),
                .init(change: .write, place: "/etc/tmpfiles.d/\(label).conf", text: folders.joined(separator: "\n")),
                .init(
                    change: .write, place: "/etc/systemd/system/acme-agentd.service.d/\(template.unit).conf",
                    text: "[Service]\nReadWritePaths=-\(folder)\nSupplementaryGroups=\(group)"),
            ],
            commands: ["systemd-tmpfiles --create \(label).conf"])
    }

    /// With an Ed25519 key the agent signs no handshake of TLS 1.2.
    private var mayServe12: Bool { deployment.certificate.keyAlgorithm != .ed25519 }

    private var grant: DeploymentStep {
        var step = DeploymentStep(
            name: "grant",
            title: "A grant lets \(deployment.user.name) sign TLS 1.3 handshakes of a server with this key, and nothing else",
            files: [
                .init(
                    change: .add, place: Self.table,
                    text: """
                        [[grant]]
                        name = \(toml("\(template.unit)-\(deployment.certificate.name)"))
                        users = [\(toml(deployment.user.name))]
                        keys = [\(deployment.keyPatterns.map(toml).joined(separator: ", "))]
                        operations = ["\(Operation.signHandshake.rawValue)"]
                        identifiers = []
                        cas = []
                        """)
            ])
        if mayServe12 {
            step.variant = .init(
                purpose: "For TLS 1.2 as well",
                text: "operations = [\"\(Operation.signHandshake.rawValue)\", \"\(Operation.signServerKeyExchange.rawValue)\"]",
                replaced: "operations")
        }
        return step
    }

    private var server: DeploymentStep {
        var step = DeploymentStep(
            name: "server", title: "\(title) serves with the certificate, and with its key file in place of a private key",
            commands: template.commands.map { filled($0) { GivenOptions.quoted($0) } })
        if !template.lines.isEmpty {
            step.files = [.init(change: .add, place: template.file, text: filled(template.lines, Self.configured))]
        }
        let condition: String
        if mayServe12 {
            let purpose = "If the grant has \(Operation.signServerKeyExchange.rawValue), for TLS 1.2 as well"
            switch template.tls12 {
            case .line(let line):
                let text = filled(line, Self.configured)
                step.variant = .init(purpose: purpose, text: text, replaced: text.split(separator: " ").first.map(String.init) ?? text)
            case .command(let command):
                step.variant = .init(purpose: purpose, text: command, replaced: step.commands.last ?? command, isCommand: true)
            }
            condition = "without that operation in the grant, leave \(title) limited to TLS 1.3"
        } else {
            condition = "with an Ed25519 key, leave \(title) limited to TLS 1.3"
        }
        step.note = [template.note, "\(condition): its handshakes of TLS 1.2 would fail"].compactMap(\.self).joined(separator: "; ")
        return step
    }

    private var hook: DeploymentStep {
        let certificate = deployment.certificate
        if deployment.isCopy, let hooks = deployment.rootHooks { return rootHook(beside: hooks) }
        var step = DeploymentStep(
            name: "hook", title: "Each renewal reloads \(title), by a deploy hook of the certificate")
        let hooks = deployment.registeredHooks
        guard !hooks.contains(deployment.hook) else {
            step.note = "the certificate has this deploy hook, so there is nothing to do"
            return step
        }
        let names = certificate.metadata.identifiers.map { "-d \(GivenOptions.quoted($0.value))" }.joined(separator: " ")
        let isFirst = certificate.metadata.identifiers.first.map { CertificateName($0) == certificate.name } ?? false
        let name = isFirst ? "" : " --name \(GivenOptions.quoted(certificate.name.rawValue))"
        let options = (hooks + [deployment.hook]).map { " --deploy-hook \(GivenOptions.quoted($0))" }.joined()
        step.commands = [given.added(to: "acme-agent issue \(names)\(name)\(options)")]
        var notes: [String] = []
        if !hooks.isEmpty {
            notes.append("the certificate's other deploy hooks stay; hooks in the configuration are changed there")
        }
        if !isRoot { notes.append("the hook calls systemctl, for which a user other than root needs a rule of polkit(8)") }
        step.note = notes.isEmpty ? nil : notes.joined(separator: "; ")
        return step
    }

    /// For a store whose owner may not reload servers.
    private func rootHook(beside hooks: [String]) -> DeploymentStep {
        var step = DeploymentStep(name: "hook", title: "Each renewal reloads \(title), by a deploy hook of root's")
        // The server's files are the copy that this makes.
        step.commands = [
            "systemctl enable --now acme-agent-deploy.path acme-agent-deploy.timer",
            given.added(to: "acme-agent root-deploy \(GivenOptions.quoted(deployment.certificate.name.rawValue))"),
        ]
        guard !hooks.contains(deployment.hook) else {
            step.note = "the configuration has this hook already"
            return step
        }
        let list = (hooks + [deployment.hook]).map { "\"\($0)\"" }.joined(separator: ", ")
        step.files = [
            .init(
                change: .add, place: Settings.defaultFile,
                text: "[[certificate]]\nname = \"\(deployment.certificate.name)\"\nroot-deploy-hook = [\(list)]")
        ]
        step.note =
            "the user to whom the store belongs may not reload servers; if the file has a [[certificate]] of this name, change that one"
        return step
    }

    private var effect: DeploymentStep {
        var commands = ["systemctl daemon-reload", "acme-agentd --check-config"]
        // A changed unit needs a restart.
        commands.append(hasOwnSocket ? "systemctl restart acme-agentd" : "systemctl reload acme-agentd")
        if template.hookWritesFile {
            commands.append(filled("{hook} {name} {folder}") { GivenOptions.quoted($0) })
        }
        // A server that is running goes on if it would not start again.
        commands.append("OPENSSL_CONF=\(GivenOptions.quoted(configuration)) \(template.test)")
        // A reload keeps the old environment and groups.
        commands.append("systemctl restart \(template.unit)")
        return DeploymentStep(name: "effect", title: "All of this takes effect", commands: commands)
    }

    private var check: DeploymentStep {
        DeploymentStep(
            name: "check", title: "The result is checked, as root",
            commands: [
                given.added(
                    to: "acme-agent deploy \(deployment.kind.rawValue) \(GivenOptions.quoted(deployment.certificate.name.rawValue)) --check"
                )
            ])
    }

    // MARK: Writing values

    private func filled(_ text: String, _ quoted: (String) -> String) -> String {
        deployment.values.reduce(text) { $0.replacing($1.name, with: quoted($1.value)) }
    }

    /// As one word of a server's configuration: all of them take double quotes.
    private static func configured(_ value: String) -> String {
        value.contains { $0 == " " || $0 == "\t" || $0 == ";" || $0 == "#" } ? "\"\(value)\"" : value
    }

    /// A TOML basic string; JSON's strings are a subset of them.
    private func toml(_ text: String) -> String {
        var json = JSONWriter()
        json.string(text)
        return String(decoding: json.bytes, as: UTF8.self)
    }
}
