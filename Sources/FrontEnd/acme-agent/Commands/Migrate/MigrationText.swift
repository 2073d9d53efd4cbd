import ACME
import CertificateStore
import JOSE

/// An installation as parts of acme-agent.toml, with comments. Nothing of another tool's texts stands in it other than
/// as a TOML string or in a comment of one line.
struct MigrationText {
    /// A certificate as it is written.
    struct Entry {
        var certificate: ForeignCertificate
        /// Each once.
        var name: CertificateName
        /// Of the CA; `nil` if it is not known, or that of the configuration's own `directory`.
        var ca: String?
        /// Whether the configuration's own `directory` is that of its CA.
        var usesGeneralCA = false
        /// `[[challenge]]` parts, if its names are proven in several ways.
        var rules: [ForeignCertificate.Way] = []
        var isComplete: Bool { certificate.decisions.isEmpty }
    }

    private(set) var entries: [Entry] = []
    /// `[[ca]]` parts for CAs that have no name yet.
    private(set) var newCAs: [(name: String, directory: ACMEURL)] = []
    let tool: ForeignTool
    let folder: String
    let installation: ForeignInstallation
    /// Those of the configuration to which the parts are added.
    let settings: Settings
    let user: RenewingUser
    /// What the commands that are printed must name.
    let given: GivenOptions

    init(
        _ installation: ForeignInstallation, of tool: ForeignTool, in folder: String, settings: Settings, user: RenewingUser,
        given: GivenOptions = GivenOptions()
    ) {
        self.given = given
        self.installation = installation
        self.tool = tool
        self.folder = folder
        self.settings = settings
        self.user = user
        var ways: [(name: Identifier, settings: [ForeignCertificate.Setting])] = []
        for certificate in installation.certificates {
            var certificate = certificate
            let ca = caName(&certificate, settings.cas)
            let name = freeName(certificate.name ?? CertificateName(certificate.names[0]))
            if let twin = entries.first(where: { Set($0.certificate.names) == Set(certificate.names) }) {
                certificate.notes.append("It has the same names as \(twin.name).")
            }
            // The first part that covers a name counts: a wildcard covers the names of others.
            let several = certificate.ways.count > 1 ? certificate.ways : []
            let rules =
                several.filter { !$0.names.contains(where: \.isWildcard) } + several.filter { $0.names.contains(where: \.isWildcard) }
            for rule in rules {
                for name in rule.names {
                    let first = ways.first { $0.name == name || (try? IdentifierPattern($0.name.value).covers(name)) ?? false }
                    if let first, first.settings != rule.settings {
                        let verb = first.name == name ? "has" : "covers \(name) with"
                        certificate.decisions.append(
                            "\(first.name) in a [[challenge]] part above \(verb) other settings, and "
                                + "the first part counts: keep one of them, or write the wildcard's below.")
                    }
                    ways.append((name, rule.settings))
                }
            }
            var entry = Entry(certificate: certificate, name: name, ca: ca, rules: rules)
            if ca == nil, case .directory = certificate.ca { entry.usesGeneralCA = true }
            entries.append(entry)
        }
    }

    private mutating func caName(_ certificate: inout ForeignCertificate, _ cas: NamedCAs) -> String? {
        switch certificate.ca {
        case .unknown:
            certificate.decisions.append("\(tool.rawValue) does not say at which CA it was ordered: set ca.")
            return nil
        case .unlisted(let host):
            certificate.decisions.append("It was ordered at a CA at \(host), whose directory is not known: make a [[ca]] part, and set ca.")
            return nil
        case .directory(let directory):
            if let known = cas.at(directory)?.name { return known }
            // Without a name: what has no `ca` is ordered there.
            if directory == settings.generalDirectory { return nil }
            if let known = newCAs.first(where: { $0.directory == directory }) { return known.name }
            let base = directory.port == 443 ? directory.host : "\(directory.host)-\(directory.port)"
            let plain = NamedCAs.isName(base) ? base : "ca"
            func isTaken(_ name: String) -> Bool { cas.named(name) != nil || newCAs.contains { $0.name == name } }
            var name = plain, number = 2
            while isTaken(name) {
                name = "\(plain.prefix(56))-\(number)"
                number += 1
            }
            newCAs.append((name, directory))
            return name
        }
    }

    /// The name, or with a number if it is taken.
    private func freeName(_ name: CertificateName) -> CertificateName {
        var free = name, number = 2
        while entries.contains(where: { $0.name == free }) {
            free = (try? CertificateName("\(name.rawValue.prefix(120))-\(number)")) ?? free
            number += 1
        }
        return free
    }

    /// The file.
    var text: String { (header + newCAs.flatMap(lines) + entries.flatMap(lines)).joined(separator: "\n") + "\n" }

    private var header: [String] {
        var lines = [TOMLText.line("Certificates of \(tool.rawValue) in \(folder), which is unchanged.")]
        if entries.isEmpty {
            lines += TOMLText.comment("There are none.")
        } else {
            let text =
                "Accounts and keys are not taken over: acme-agent makes new ones, in the token. Credentials are not copied. Hooks are "
                + "commented out; acme-agent calls a deploy hook as PROGRAM NAME FOLDER, without a shell, and gives it no private key."
            lines += ["#"] + TOMLText.comment(text) + ["#"] + TOMLText.comment("What to do:")
            for (index, step) in steps.enumerated() {
                lines += TOMLText.comment("\(index + 1). \(step.text)") + step.commands.map { TOMLText.line("     \($0)") }
            }
        }
        if !installation.notes.isEmpty { lines += ["#"] + installation.notes.flatMap { TOMLText.comment($0) } }
        if !installation.hooks.isEmpty {
            lines += ["#"] + TOMLText.comment("Programs that \(tool.rawValue) ran for every certificate:")
            lines += installation.hooks.flatMap { self.lines($0) }
        }
        for (name, fault) in installation.damaged {
            lines += TOMLText.comment("Left out: \(name): \(fault.reason)")
        }
        return lines
    }

    private func lines(_ ca: (name: String, directory: ACMEURL)) -> [String] {
        var lines = ["", "[[ca]]", "name = \(TOMLText.string(ca.name))", "directory = \(TOMLText.string(ca.directory.text))"]
        // The general settings that hold for it do not hold for a CA with a part of its own.
        let own = settings.ca(at: ca.directory)
        if let file = own.caCertificate {
            lines.append("ca-certificate = \(TOMLText.string(file))")
        } else {
            lines += TOMLText.comment("Needed if the CA's own HTTPS certificate is not by a CA that this system trusts:")
            lines.append("#ca-certificate = \"/etc/acme-agent/ca.pem\"")
        }
        if let key = own.accountKey { lines.append("account-key = \(TOMLText.string(key.rawValue))") }
        if let account = own.externalAccount { lines.append("external-account = \(TOMLText.string(account.rawValue))") }
        return lines
    }

    private func lines(_ entry: Entry) -> [String] {
        let certificate = entry.certificate
        var comments = [TOMLText.line("From \(certificate.source)")]
        comments += certificate.decisions.flatMap { TOMLText.comment("To do: \($0)") }
        comments += certificate.notes.flatMap { TOMLText.comment($0) }
        var settings: [String] = []
        for rule in entry.rules {
            settings += ["[[challenge]]", "names = \(TOMLText.strings(rule.names.map(\.value)))"] + rule.settings.map(\.line)
        }
        settings += ["[[certificate]]"]
        if entry.name != CertificateName(certificate.names[0]) { settings.append("name = \(TOMLText.string(entry.name.rawValue))") }
        settings.append("names = \(TOMLText.strings(certificate.names.map(\.value)))")
        if !entry.usesGeneralCA { settings.append(entry.ca.map { "ca = \(TOMLText.string($0))" } ?? "ca = \"NAME\"") }
        if let type = certificate.keyType { settings.append("key-type = \(TOMLText.string(type.rawValue))") }
        if entry.rules.isEmpty { settings += certificate.ways.flatMap { $0.settings.map(\.line) } }
        settings += certificate.settings.map(\.line)
        if !entry.isComplete { settings = settings.map { $0.hasPrefix("#") ? $0 : "#" + $0 } }
        let hasDeployHook = certificate.hooks.contains { $0.kind != "pre" && $0.kind != "post" }
        return [""] + comments + settings + certificate.hooks.flatMap { lines($0, isOnly: !hasDeployHook) }
    }

    /// - Parameter isOnly: whether no other hook runs after a renewal: then what ran after every attempt is what reloads.
    private func lines(_ hook: ForeignHook, isOnly: Bool = false) -> [String] {
        var text = "Hook (\(hook.kind)): \(TOMLText.string(hook.command))."
        if hook.readsKey { text += " It reads the private key's file, and there is none any more: the key stays in the token." }
        let program = hook.replacement ?? (hook.isProgram ? hook.command : "/etc/acme-agent/reload")
        let lines = TOMLText.comment(text)
        return hook.kind == "pre" || hook.kind == "post" && !isOnly
            ? lines : lines + ["#\(user.hasUnits ? "root-deploy-hook" : "deploy-hook") = \(TOMLText.string(program))"]
    }
}
