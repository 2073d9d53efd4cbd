import Foundation
import Testing

/// Options that mean the same have the same name, the same name for their value and the same help, in all commands of
/// all programs, as the argument parser itself describes them.
@Suite struct OptionNameTests {
    private struct Argument: Decodable {
        struct Name: Decodable {
            var kind: String
            var name: String
        }
        var kind: String
        var names: [Name]?
        var valueName: String?
        var abstract: String?

        /// Without dashes; for an argument that is not an option, the name of its value.
        var name: String { (names ?? []).first { $0.kind == "long" }?.name ?? valueName ?? "" }
    }

    private struct Command: Decodable {
        var commandName: String
        var subcommands: [Command]?
        var arguments: [Argument]?
    }

    private struct Dump: Decodable { var command: Command }

    /// Every command by its words.
    private static func commands(of program: String) async throws -> [(words: String, command: Command)] {
        let dump = try await Program.run(
            Program.folder + "/" + program, ["--experimental-dump-help"], environment: Program.environment)
        func all(_ command: Command, _ before: String) -> [(words: String, command: Command)] {
            let words = before.isEmpty ? command.commandName : before + " " + command.commandName
            return [(words, command)] + (command.subcommands ?? []).filter { $0.commandName != "help" }.flatMap { all($0, words) }
        }
        return all(try JSONDecoder().decode(Dump.self, from: Data(dump.output.utf8)).command, "")
    }

    private static func everything() async throws -> [(words: String, command: Command)] {
        try await commands(of: "acme-agent") + commands(of: "acme-agentd")
    }

    /// Names of values, and what such a value is.
    private static let values = [
        "address": "a mail address", "certificate": "a certificate's name", "cn": "a common name", "count": "a number",
        "domain": "a domain name", "fate": "what becomes of a key", "file": "a path of a file",
        "folder": "a path of a folder", "format": "a form of output", "group": "a group of this machine", "hex": "hexadecimal digits",
        "host:port": "a server", "id": "a call's correlation", "ip:port": "an address of this machine", "ip[:port]": "a server's address",
        "key": "a key's name",
        "key> <name": "a key's name, then names", "level": "a level of the log", "name": "a name", "path": "a path of a socket",
        "profile": "a profile's name", "program": "a path of a program", "protocol": "a way to call a program",
        "reason": "a reason of RFC 5280", "seconds": "a number of seconds", "sequence:hash": "a head of the audit trail",
        "server": "a kind of server", "server[:port]": "a server", "time": "a day or a time (RFC 3339)", "token": "a token's name",
        "tool": "another client", "type": "a type of key or challenge", "uri": "RFC 7512", "url": "a URL", "usage": "a key's usage",
        "user": "a user of this machine",
    ]

    /// Of what kind the values of options are whose names end so.
    private static let endings = [
        "-address": "ip:port", "-hook": "program", "-directory": "folder", "-certificate": "file", "-file": "file",
        "-resolver": "ip[:port]", "-update": "server[:port]", "-wait": "seconds", "-grace": "seconds", "-type": "type", "-level": "level",
    ]

    /// Names that an option does not have, since another one has its meaning.
    private static let synonyms = [
        "output": "out", "output-file": "out", "assume-yes": "yes", "no-confirm": "yes", "dir": "state-directory",
        "cafile": "ca-certificate",
        "domains": "domain", "names": "domain", "account-key": "account", "server": "ca", "silent": "quiet", "debug": "verbose",
        "all-certificates": "all", "reuse-key": "new-key", "keytype": "key-type", "algorithm": "key-type", "group-id": "group",
        "config-file": "config", "external-account": "eab", "log": "log-level", "number": "last", "lines": "last",
        "port": "connect", "target": "connect",
    ]

    /// Options whose help differs, with the reason.
    private static let ownHelp = [
        "check": "looks at what the command is about",
        "dns-update": "one way to answer among others, or the server alone",
        "dry-run": "tries what the command does", "force": "goes on where the command stops",
        "all": "of all certificates, those that the command is about",
        "key": "names the key that the command is about", "name": "names what the command is about",
        "order": "a flag of forget, and a question", "usage": "the usage of a key, or of the key in a question",
    ]

    /// Options whose values differ, with the reason.
    private static let ownValues = [
        "name": "of a certificate, or of a key", "order": "a flag of forget, and a question",
    ]

    @Test func theSameOptionIsTheSameEverywhere() async throws {
        var uses: [String: [(words: String, argument: Argument)]] = [:]
        for (words, command) in try await Self.everything() {
            for argument in command.arguments ?? [] where argument.kind != "positional" {
                uses[argument.name, default: []].append((words, argument))
            }
        }
        #expect(uses.count > 60)
        for (name, uses) in uses.sorted(by: { $0.key < $1.key }) {
            #expect(Self.synonyms[name] == nil, "--\(name) of \(uses.map(\.words)): there is --\(Self.synonyms[name] ?? "")")
            // An exception that is not needed would excuse a later mistake.
            let values = Set(uses.map { "\($0.argument.kind) \($0.argument.valueName ?? "")" })
            #expect(
                (values.count > 1) == (Self.ownValues[name] != nil), "--\(name): \(uses.map { ($0.words, $0.argument.valueName ?? "") })")
            let helps = Set(uses.map { Self.beginning($0.argument.abstract ?? "") })
            #expect((helps.count > 1) == (Self.ownHelp[name] != nil), "--\(name): \(helps) in \(uses.map(\.words))")
            for (ending, value) in Self.endings where name.hasSuffix(ending) {
                for use in uses where use.argument.kind == "option" {
                    #expect(use.argument.valueName == value, "--\(name) of \(use.words)")
                }
            }
        }
    }

    /// The first two words of what an option does, without the condition before it.
    private static func beginning(_ help: String) -> String {
        let sentence = help.hasPrefix("With --") ? help.split(separator: ": ", maxSplits: 1).last.map(String.init) ?? help : help
        return sentence.lowercased().split { !$0.isLetter && $0 != "'" }.prefix(2).joined(separator: " ")
    }

    @Test func valuesHaveNamesOfOneList() async throws {
        var used: Set<String> = []
        for (words, command) in try await Self.everything() {
            for argument in command.arguments ?? [] where argument.kind != "flag" {
                let value = argument.valueName ?? ""
                used.insert(value)
                #expect(Self.values[value] != nil, "<\(value)> of \(words) \(argument.name)")
            }
        }
        #expect(used == Set(Self.values.keys), "\(used.symmetricDifference(Self.values.keys))")
    }

    /// Results can be read by programs, and every command is about the same agent, CA and store.
    @Test func everyCommandHasTheGeneralOptions() async throws {
        let general = [
            "config", "socket", "ca", "directory", "staging", "ca-certificate", "state-directory", "json", "quiet", "verbose", "help",
        ]
        let commands = try await Self.commands(of: "acme-agent")
        #expect(commands.count > 40)
        for (words, command) in commands {
            let names = (command.arguments ?? []).map(\.name)
            for name in general { #expect(names.contains(name), "\(words) lacks --\(name)") }
        }
        for program in ["acme-agent", "acme-agentd", "acme-agent-token"] {
            let version = try await Program.run(Program.folder + "/" + program, ["--version", "--json"], environment: Program.environment)
            #expect(version.json["program"] as? String == program, "\(version)")
        }
    }

    /// The options of commands that a document lacks, as `--name of command`.
    private static func missing(in document: String, _ commands: [(words: String, command: Command)]) throws -> [String] {
        // roff(7) writes the hyphen of an option as \-.
        let text = try String(contentsOfFile: Program.root + "/" + document, encoding: .utf8).replacingOccurrences(of: "\\-", with: "-")
        return commands.flatMap { words, command in
            (command.arguments ?? []).filter { $0.kind != "positional" && $0.name != "help" }.map(\.name).filter { name in
                let pattern = "--\(NSRegularExpression.escapedPattern(for: name))(?![a-z-])"
                return text.range(of: pattern, options: .regularExpression) == nil
            }.map { "--\($0) of \(words)" }
        }
    }

    /// The documents have every option.
    @Test func theManualAndTheCommandLinePageHaveEveryOption() async throws {
        let commands = try await Self.commands(of: "acme-agent")
        for document in ["Docs/cli.md", "Docs/man/acme-agent.1"] {
            let missing = try Self.missing(in: document, commands)
            #expect(missing.isEmpty, "\(document) lacks \(missing)")
        }
        // The page of the daemon names the questions of `policy check`, and not each of them.
        let questions = commands.first { $0.words == "acme-agent policy check" }?.command.arguments ?? []
        try #require(questions.contains { $0.name == "order" })
        let general = ["config", "directory", "json", "version"]
        let asked = Set(questions.map(\.name)).subtracting(general)
        let daemon = try await Self.commands(of: "acme-agentd").map { words, command in
            var own = command
            own.arguments = command.arguments?.filter { !asked.contains($0.name) }
            return (words: words, command: own)
        }
        let missing = try Self.missing(in: "Docs/man/acme-agentd.8", daemon)
        #expect(missing.isEmpty, "Docs/man/acme-agentd.8 lacks \(missing)")
        // It would notice one.
        #expect(try Self.missing(in: "Docs/man/acme-agent-token.8", commands).contains("--order of acme-agent policy check"))
    }
}
