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

    /// The documents have every option.
    @Test func theManualAndTheCommandLinePageHaveEveryOption() async throws {
        let page = try String(contentsOfFile: Program.root + "/Docs/cli.md", encoding: .utf8)
        for (words, command) in try await Self.commands(of: "acme-agent") {
            for argument in command.arguments ?? [] where argument.kind != "positional" && !["help", "version"].contains(argument.name) {
                let isThere = page.range(
                    of: "--\(NSRegularExpression.escapedPattern(for: argument.name))(?![a-z-])", options: .regularExpression)
                #expect(isThere != nil, "Docs/cli.md lacks --\(argument.name) of \(words)")
            }
        }
    }
}
