import AgentClient
import ArgumentParser
import Testing

@testable import acme_agent

/// `--help` of every command: an example that works, and the defaults that the code uses.
@Suite struct HelpTests {
    /// Every command by the words that call it, groups included.
    private static func commands() -> [String: any ParsableCommand.Type] {
        var found: [String: any ParsableCommand.Type] = [:]
        func add(_ command: any ParsableCommand.Type, _ words: String) {
            found[words] = command
            for below in command.configuration.subcommands { add(below, words + " " + below._commandName) }
        }
        add(AcmeAgent.self, "acme-agent")
        return found
    }

    private static var names: [String] { commands().keys.sorted() }

    private func help(_ words: String) throws -> String {
        AcmeAgent.helpMessage(for: try #require(Self.commands()[words]), columns: 200)
    }

    @Test func allCommandsAreChecked() {
        #expect(Self.names.count > 20)
        for name in ["issue", "keys adopt", "account register", "audit"] { #expect(Self.names.contains("acme-agent " + name)) }
    }

    @Test(arguments: names) func eachHasAnExampleThatWorks(_ name: String) throws {
        let prefix = "Example: ", text = try help(name)
        let examples = text.split(separator: "\n").map { $0.drop { $0 == " " } }.filter { $0.hasPrefix(prefix) }
            .map { $0.dropFirst(prefix.count) }
        try #require(examples.count == 1, "\(text)")
        // One line in 80 columns, so that it can be copied.
        #expect(prefix.utf8.count + examples[0].utf8.count <= 80)
        #expect("\(examples[0]) ".hasPrefix(name + " "))
        let words = examples[0].split(separator: " ").dropFirst().map { $0.filter { $0 != "\"" } }
        let parsed = try AcmeAgent.parseAsRoot(words), command = try #require(Self.commands()[name])
        #expect(parsed is any AgentCommand)
        // A group's example calls one of its commands.
        if command is any AgentCommand.Type { #expect(type(of: parsed) == command) }
    }

    @Test(arguments: [
        ("status", AgentClient.defaultSocket), ("status", Settings.defaultFile), ("status", PublicCA.standard),
        ("status", Environment.rootStateDirectory), ("account register", Settings.defaultKeyType.rawValue),
        ("keys create", Settings.defaultKeyType.rawValue), ("issue", Settings.defaultKeyType.rawValue),
        ("issue", ChallengeMethod.standardAddress), ("issue", "\(CertificateSettings.defaultDNSWait)"), ("issue", "retire"),
        ("audit verify", Settings.defaultAuditFile), ("audit show", Settings.defaultAuditFile), ("audit tail", "10"),
    ]) func defaultsAreTheCodes(_ name: String, _ value: String) throws {
        let text = try help("acme-agent " + name)
        let ends = ["(default: \(value))", ", or \(value))", ", or \(value) if it exists)", ", or \(value) for root)"]
        #expect(ends.contains { text.contains($0) }, "\(value)")
    }

    @Test func theListenersDefaultIsWhatTheHelpSays() throws {
        #expect(.listener(try ChallengeMethod.endpoints(ChallengeMethod.standardAddress)) == ChallengeMethod.standard)
    }
}
