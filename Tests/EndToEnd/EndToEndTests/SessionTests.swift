import Foundation
import Testing

/// Sessions of the command line, as its users type them: `Tests/EndToEnd/Sessions/*.txt`. Each has its own agent, token
/// and CA.
///
/// `ACME_AGENT_REWRITE_SESSIONS=1` rewrites the files with what the programs print now. Look at the difference.
@Suite struct SessionTests {
    private static let folder = Program.root + "/Tests/EndToEnd/Sessions"
    private static let isRewriting = ProcessInfo.processInfo.environment["ACME_AGENT_REWRITE_SESSIONS"] == "1"

    static let names = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
        .filter { $0.hasSuffix(".txt") }.map { String($0.dropLast(4)) }.sorted()

    @Test(arguments: names) func session(name: String) async throws {
        let file = "\(Self.folder)/\(name).txt"
        let text = try String(contentsOfFile: file, encoding: .utf8)
        var session = try Session(text)
        let sandbox = try await Sandbox(pebble: text.contains("$ stop pebble") ? [:] : nil)
        let place = sandbox.folder + "/session"
        try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: false)
        let environment = sandbox.environment.merging([
            "PATH": Program.folder + ":" + (sandbox.environment["PATH"] ?? ""), "HOME": place, "REPOSITORY": Program.root,
        ]) { $1 }
        // The longest first: the folder is in the socket's path.
        let named = [
            ("[SOCKET]", environment["ACME_AGENT_SOCKET"]), ("[DIRECTORY]", environment["ACME_DIRECTORY"]),
            ("[CA]", environment["ACME_DIRECTORY"].map { $0.replacingOccurrences(of: "/dir", with: "") }), ("[SANDBOX]", sandbox.folder),
            (
                "[PORT]",
                environment["ACME_DIRECTORY"].flatMap { $0.split(separator: "/").dropFirst().first?.split(separator: ":").last }.map(
                    String.init)
            ),
        ].compactMap { name, value in value.map { (name: name, value: $0) } }

        for index in session.elements.indices {
            guard case .command(var command) = session.elements[index] else { continue }
            let said = Session.Said(
                try await Program.run(
                    "/bin/bash", ["-c", ". \"$REPOSITORY/Tests/EndToEnd/Sessions/functions\"\n" + command.text], environment: environment,
                    folder: place))
            guard !command.expected.fits(said, names: named) else { continue }
            let now = said.generalised(names: named)
            guard Self.isRewriting else {
                Issue.record(
                    """
                    Sessions/\(name).txt, line \(command.line): $ \(command.text)
                    --- what should follow
                    \(command.expected.lines.joined(separator: "\n"))
                    --- what follows
                    \(now.lines.joined(separator: "\n"))
                    """)
                break
            }
            command.expected = now
            session.elements[index] = .command(command)
        }
        await sandbox.end()
        if Self.isRewriting { try session.text.write(toFile: file, atomically: true, encoding: .utf8) }
    }

    @Test func thereAreSessions() { #expect(Self.names.count >= 10) }
}
