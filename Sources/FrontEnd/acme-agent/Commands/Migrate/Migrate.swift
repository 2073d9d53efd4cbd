import ACME
import ArgumentParser
import DurableFile
import Glibc
import StrictJSON

extension ForeignTool: ExpressibleByArgument {}

struct Migrate: AgentCommand {
    static let stateUse = StateUse.none
    static let configuration = CommandConfiguration(
        abstract: "Print the certificates of certbot, lego, acme.sh or Caddy as parts of acme-agent.toml.",
        discussion: """
            The tool's files are only read: nothing in them is run or changed. acme-agent registers new accounts and \
            makes new keys, in the token. Credentials are not copied, and hooks are commented out. So is a part that \
            needs a decision of yours; the exit status is 6 if there is one.

            Example: acme-agent migrate certbot
            """)

    @Argument(help: ArgumentHelp("certbot, lego, acme.sh or caddy.", valueName: "tool"))
    var tool: ForeignTool

    @Argument(
        help: ArgumentHelp(
            "The tool's folder. (default: /etc/letsencrypt, .lego, ~/.acme.sh or /var/lib/caddy/.local/share/caddy)", valueName: "folder"),
        completion: .directory)
    var folder: String?

    @Option(help: ArgumentHelp("Write to this file, which must not exist yet.", valueName: "file"), completion: .file())
    var out: String?

    @Flag(help: "Print the grant that the agent needs for these names and keys, for acme-agentd.toml.")
    var grant = false

    @OptionGroup var options: GlobalOptions

    func validate() throws {
        if grant, out != nil { throw ValidationError("--grant and --out cannot be combined") }
    }

    func run(_ session: Session) async throws -> ExitStatus {
        let home = try Environment.current().home
        var path = try AbsolutePath.of(try folder ?? tool.defaultFolder(home: home))
        while path.utf8.count > 1, path.hasSuffix("/") { path.removeLast() }
        let installation = try tool.read(try ForeignFolder(path, of: tool.rawValue))
        // The printed commands are run by others, in other folders.
        var settings = session.settings, given = session.output.given
        settings.stateDirectory = try AbsolutePath.of(settings.stateDirectory)
        given.others = try given.others.map { (name: $0.name, value: try AbsolutePath.of($0.value)) }
        let text = MigrationText(installation, of: tool, in: path, settings: settings, user: RenewingUser(settings), given: given)
        if let out { try Migrate.write(text.text, to: out) }
        for (name, fault) in installation.damaged {
            session.output.report(
                Failure("file", .failed, "\(TerminalText.safe(name)) is left out: \(TerminalText.safe(fault.reason))"), json: false)
        }
        let shown = grant ? text.grant : text.text
        try session.output.result(out.map { "wrote \(TerminalText.safe($0))" } ?? shown) { json in
            write(text, installation, path, to: &json)
        }
        let unclear = grant ? [] : text.entries.filter { !$0.isComplete }
        for entry in unclear {
            session.output.warning("\(entry.name): commented out", hint: entry.certificate.decisions.first.map { TerminalText.safe($0) })
        }
        if text.entries.isEmpty, installation.damaged.isEmpty {
            session.output.note("\(TerminalText.safe(path)) has no certificates of \(tool.rawValue)")
        }
        if !installation.damaged.isEmpty { return .failed }
        return unclear.isEmpty ? .success : .attention
    }

    private static func write(_ text: String, to path: String) throws {
        let (folder, name) = DurableFile.split(path)
        do throws(FileError) {
            let folder = try Folder(folder), file = try folder.create(name, mode: 0o644)
            try file.write(Array(text.utf8))
            try file.synchronize()
            try folder.synchronize()
        } catch {
            guard error.code == EEXIST else { throw error }
            throw Failure.usage("\"\(TerminalText.safe(path))\" exists; nothing was written", hint: "--out takes a new file")
        }
    }

    private func write(_ text: MigrationText, _ installation: ForeignInstallation, _ path: String, to json: inout JSONWriter) {
        json.member("tool", tool.rawValue)
        json.member("folder", path)
        json.member("file", ifPresent: out)
        json.member("configuration", text.text)
        json.member("grant", text.grant)
        json.name("certificates")
        json.beginArray()
        for entry in text.entries {
            let certificate = entry.certificate
            json.beginObject()
            json.member("name", entry.name.rawValue)
            json.member("names", certificate.names.map(\.value))
            json.member("source", certificate.source)
            json.member("ca", ifPresent: entry.ca)
            if case .directory(let directory) = certificate.ca { json.member("directory", directory.text) }
            json.member("keyType", ifPresent: certificate.keyType?.rawValue)
            json.member("complete", entry.isComplete)
            json.member("decisions", certificate.decisions)
            json.member("notes", certificate.notes)
            Migrate.write(certificate.hooks, to: &json)
            json.endObject()
        }
        json.endArray()
        Migrate.write(installation.hooks, to: &json)
        json.name("damaged")
        json.beginArray()
        for (name, fault) in installation.damaged {
            json.beginObject()
            json.member("name", name)
            json.member("message", fault.reason)
            json.endObject()
        }
        json.endArray()
    }

    private static func write(_ hooks: [ForeignHook], to json: inout JSONWriter) {
        json.name("hooks")
        json.beginArray()
        for hook in hooks {
            json.beginObject()
            json.member("kind", hook.kind)
            json.member("command", hook.command)
            json.member("readsKey", hook.readsKey)
            json.endObject()
        }
        json.endArray()
    }
}
