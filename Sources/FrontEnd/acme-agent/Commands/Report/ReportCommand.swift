import ACME
import ArgumentParser
import DurableFile
import Glibc
import Report

struct ReportCommand: AgentCommand {
    static let stateUse = StateUse.read
    static let configuration = CommandConfiguration(
        commandName: "report", abstract: "Show keys, certificates, signatures, refusals and grants on one page.",
        discussion: """
            Without --html it prints a summary. The page is one HTML file that loads and runs nothing, for the screen \
            or for paper. It shows what the agent's policy lets you see: with read-audit also the last \
            250,000 records of the audit trail, with --audit-file the whole trail, which is then verified. It says which \
            records it covers, and names what it cannot show, with the reason.

            The exit status is 3 if the agent is not reachable, and 1 if the trail is broken; the page is written in \
            both cases.

            Example: acme-agent report --html report.html
            """)

    @Option(help: ArgumentHelp("Write the page to this file (mode 0600); - is standard output.", valueName: "file"), completion: .file())
    var html: String?

    @Option(
        help: ArgumentHelp("Read the whole audit trail from its current file, and verify it.", valueName: "file"), completion: .file())
    var auditFile: String?

    @Flag(help: "Replace a file that is not a page of this command.")
    var force = false

    @OptionGroup var options: GlobalOptions

    func validate() throws {
        if force, html == nil { throw ValidationError("--force has no effect without --html") }
    }

    func run(_ session: Session) async throws -> ExitStatus {
        let isStandardOutput = try html.map { try $0 == "-" || DurableFile.ownDescriptor(named: $0) == STDOUT_FILENO } ?? false
        if isStandardOutput, session.output.isJSON {
            throw Failure.usage("--json and --html to standard output cannot be combined", hint: "--json alone has what the page shows")
        }
        if let html, !isStandardOutput { try ReportCommand.check(html, force: force) }
        let sources = try await ReportSources(session, auditFile: auditFile)
        let facts = sources.facts(session)
        if isStandardOutput {
            try session.output.write(ReportPage.html(facts))
        } else if let html {
            let page = ReportPage.html(facts)
            try DurableFile.write(page, toNamed: html, mode: 0o600)
            try session.output.result("wrote \(TerminalText.safe(html)) (\(Wording.count(page.count, "byte")))") {
                sources.write(session, to: &$0)
                $0.member("file", html)
            }
        } else {
            try session.output.result(sources.text(facts)) { sources.write(session, to: &$0) }
        }
        // A part that policy does not let this user see is no failure: the page says so.
        for failure in sources.failures { session.output.report(failure, json: false) }
        for (part, failure) in sources.withheld { session.output.note("\(part): \(failure.message)") }
        return sources.failures.first?.exitStatus ?? .success
    }

    /// Before anything is read: whether the page may take the place of what is there.
    private static func check(_ path: String, force: Bool) throws {
        guard !force, !mayReplace(path) else { return }
        throw Failure.usage(
            "\"\(TerminalText.safe(path))\" exists and is not a page of acme-agent report; nothing was written",
            hint: "name another file, or replace it with --force")
    }

    /// Whether nothing is lost: there is no file, or an empty one, or a page. A link is followed; a device or a FIFO is
    /// written into. What cannot be read is not known to be a page.
    private static func mayReplace(_ path: String) -> Bool {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size > 0 else { return true }
        let beginning = ReportPage.beginning
        return (try? File(reading: path).read(at: 0, count: beginning.count)) == beginning
    }
}
