import ACME
import DurableFile
import JOSE

/// What a user does after a migration was printed.
struct MigrationStep {
    var text: String
    /// For a shell, one a line.
    var commands: [String] = []
}

extension MigrationText {
    /// An account that the certificates need.
    struct Account: Equatable {
        /// Of the CA; `nil` for the configuration's own.
        var ca: String?
        var needsExternalAccount: Bool
    }

    /// Each once, in the order of the certificates.
    var accounts: [Account] {
        entries.reduce(into: []) { accounts, entry in
            guard case .directory(let directory) = entry.certificate.ca else { return }
            let known = settings.knownCA(at: directory)
            let needsBinding = known.preset?.needsExternalAccount == true && known.settings.externalAccount == nil
            let account = Account(ca: entry.ca, needsExternalAccount: needsBinding)
            if !accounts.contains(account) { accounts.append(account) }
        }
    }

    /// The folders into which challenges are written, each once.
    private var webroots: [String] {
        entries.flatMap { $0.certificate.ways.flatMap(\.settings) }.reduce(into: []) { folders, setting in
            guard setting.key == "webroot", case .text(let folder) = setting.value else { return }
            let place = (folder.hasSuffix("/") ? String(folder.dropLast()) : folder) + "/.well-known/acme-challenge"
            if !folders.contains(place) { folders.append(place) }
        }
    }

    private var hasReloadingHook: Bool { !installation.hooks.isEmpty || entries.contains { !$0.certificate.hooks.isEmpty } }

    var steps: [MigrationStep] {
        let unclear = entries.filter { !$0.isComplete }.count
        var steps = [
            MigrationStep(
                text: "Look at each part, and add it to acme-agent.toml."
                    + (unclear == 0 ? "" : " \(unclear == 1 ? "1 part is" : "\(unclear) parts are") commented out until you have decided.")),
            MigrationStep(
                text: "As root, grant \(user.name) these names and keys; --grant prints a grant for them. Leave out what other grants of "
                    + "acme-agentd.toml cover already. The file is replaced only if its copy is right.",
                commands: grantCommands),
        ]
        if !accounts.isEmpty {
            steps.append(
                MigrationStep(
                    text: "Register an account at \(accounts.count == 1 ? "the CA" : "each CA").",
                    commands: accounts.map { account in
                        command(
                            "acme-agent account register --agree-tos" + (account.ca.map { " --ca \($0)" } ?? "")
                                + (account.needsExternalAccount ? " --eab NAME" : ""))
                    }))
        }
        if let step = webrootStep { steps.append(step) }
        if hasReloadingHook, user.hasUnits {
            steps.append(
                MigrationStep(
                    text:
                        "\(user.name) may not reload servers, so root does: uncomment root-deploy-hook where a part has it, and put other "
                        + "commands into a program of root's. operations.md, \"Root's deploy hooks\", says more.",
                    commands: ["systemctl enable --now acme-agent-deploy.path acme-agent-deploy.timer"]))
        }
        steps += [
            MigrationStep(text: "Order the certificates.", commands: [command("acme-agent apply --dry-run"), command("acme-agent apply")]),
            renewalStep,
            MigrationStep(text: command("`acme-agent deploy SERVER NAME` prints how a server uses the new key.")),
            MigrationStep(text: "When the servers have the new certificates, end the old renewals: \(tool.farewell)."),
        ]
        return steps
    }

    /// A wrong file would keep the daemon from its next start, also if it is not loaded now.
    private var grantCommands: [String] {
        let file = "/etc/acme-agent/acme-agentd.toml", new = file + ".new"
        return [
            "cp -p \(file) \(new)",
            command("acme-agent migrate \(tool.rawValue) \(GivenOptions.quoted(folder)) --grant", isRoots: true) + " >>\(new)",
            "acme-agentd --config \(new) --check-config && mv \(new) \(file) && systemctl reload acme-agentd",
        ]
    }

    /// A text whose commands of acme-agent work on this store.
    /// - Parameter isRoots: whether root runs it, whoever renews.
    private func command(_ text: String, isRoots: Bool = false) -> String {
        let option = "--state-directory"
        var given = given
        given.others.removeAll { $0.name == option }
        if isRoots || settings.stateDirectory != Environment.rootStateDirectory {
            given.others.append((option, settings.stateDirectory))
        }
        return given.added(to: text)
    }

    /// The user's right to write there, and that of its unit.
    private var webrootStep: MigrationStep? {
        guard !webroots.isEmpty, !user.isRoot || user.hasUnits else { return nil }
        // install follows links, and what runs in the webroot may have made one that leads to a folder of root's.
        var commands = webroots.map { place in
            let name = GivenOptions.quoted(place), above = GivenOptions.quoted(DurableFile.parent(of: place))
            return "[ ! -L \(above) ] && [ ! -L \(name) ] && install -d -o \(GivenOptions.quoted(user.name)) \(name)"
        }
        var text = "As root, let \(user.name) write challenges into the webroot\(webroots.count == 1 ? "" : "s")"
        if user.hasUnits {
            let unit = "acme-agent-renew.service", folder = "/etc/systemd/system/\(unit).d"
            let lines = webroots.map { GivenOptions.quoted("ReadWritePaths=\(MigrationText.unitPath("-" + $0))") }
            commands += [
                "mkdir -p \(folder)", "printf '%s\\n' '[Service]' \(lines.joined(separator: " ")) >\(folder)/\(dropIn)",
                "systemctl daemon-reload",
            ]
            text += ", in its unit as well."
        } else {
            text +=
                "; a unit that renews needs them in ReadWritePaths=, after a \"-\": without it, the unit does not start when one is gone."
        }
        text += " A webroot with a link in place of a folder is left alone: look where it leads."
        return MigrationStep(text: text, commands: commands)
    }

    /// The name of this installation's file: another one keeps its own. No two folders have the same.
    private var dropIn: String {
        let name = folder.utf8.drop { $0 == UInt8(ascii: "/") }.map { byte in
            switch byte {
            case UInt8(ascii: "/"): "-"
            case _ where Base64URL.isLetter(byte) && !"-_".utf8.contains(byte), UInt8(ascii: "."): String(UnicodeScalar(byte))
            default: "_" + Hexadecimal.encode([byte])
            }
        }
        return "webroot-\(tool.rawValue)-\(name.joined()).conf"
    }

    /// A path as a unit takes it (systemd.syntax(7), systemd.unit(5)).
    static func unitPath(_ path: String) -> String {
        guard !Deployment.isPlain(path) else { return path }
        return "\"" + path.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("%", with: "%%") + "\""
    }

    private var renewalStep: MigrationStep {
        if user.hasUnits {
            return MigrationStep(text: "Renew every hour.", commands: ["systemctl enable --now acme-agent-renew.timer"])
        }
        return MigrationStep(
            text: user.isRoot
                ? "Renew every hour. The store belongs to root: operations.md, \"From root to acme-agent-client\", says how "
                    + "acme-agent-renew.timer renews instead."
                : "Have \(user.name) run `acme-agent renew --all` every hour: operations.md, \"Port 80\" and \"Without systemd\", has a timer "
                    + "and a line for cron.")
    }
}
