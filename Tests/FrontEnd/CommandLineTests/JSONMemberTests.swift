import Foundation
import Testing

/// Docs/cli.md and the code have the same members of `--json`.
@Suite struct JSONMemberTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path

    /// Sources that write files and not results, or what goes to a hook.
    private static let files = [
        "Settings/RememberedSettings.swift": "a file in the state directory",
        "Settings/SettingsFile.swift": "the configuration's settings",
        "Commands/Certificates/Session+FailureHook.swift": "what a failure hook gets",
        "Session/Timings/Timings.swift": "the file of --timings, which the page describes",
    ]

    /// Of the file of HookRecord, whose runs `show` prints.
    private static let stored: Set = ["oldKey", "runs"]

    private static func matches(_ pattern: String, in text: String) throws -> [String] {
        let expression = try NSRegularExpression(pattern: pattern)
        return expression.matches(in: text, range: NSRange(text.startIndex..., in: text)).compactMap {
            Range($0.range(at: 1), in: text).map { String(text[$0]) }
        }
    }

    /// The members that the code writes, each with its first file.
    private static func written() throws -> [String: String] {
        var members: [String: String] = [:]
        let folders = [
            "Sources/FrontEnd/acme-agent", "Sources/FrontEnd/Report", "Sources/Protocols/PolicyInquiry", "Sources/Protocols/AgentInterface",
        ]
        for folder in folders {
            for name in try #require(FileManager.default.enumerator(atPath: root + "/" + folder)?.allObjects as? [String]).sorted()
            where name.hasSuffix(".swift") && files[name] == nil {
                // Of the interface, the types that commands print as they are; the rest are its calls.
                let printed = [
                    "AgentStatus.swift", "KeyDescription.swift", "ProblemStatus.swift", "AssignedGrant.swift", "DecisionExplanation.swift",
                    "GrantStatus.swift", "RateLimit.swift", "RateStatus.swift",
                ]
                guard folder != "Sources/Protocols/AgentInterface" || printed.contains(name) else { continue }
                let text = try String(contentsOfFile: "\(root)/\(folder)/\(name)", encoding: .utf8)
                for member in try matches(#"(?:\.member|\.name|list)\("([A-Za-z-]+)""#, in: text) where members[member] == nil {
                    members[member] = folder + "/" + name
                }
            }
        }
        return members
    }

    private static func section() throws -> String {
        let page = try String(contentsOfFile: root + "/Docs/cli.md", encoding: .utf8)
        let begin = try #require(page.components(separatedBy: "\n## --json\n").dropFirst().first)
        return begin.components(separatedBy: "\nCodes: ")[0]
    }

    @Test func everyMemberIsDocumented() throws {
        let section = try Self.section(), written = try Self.written()
        #expect(written.count > 150)
        let words = Set(try Self.matches(#"[`"]([A-Za-z-]+)[`"]"#, in: section))
        for (member, file) in written.sorted(by: { $0.key < $1.key }) where !Self.stored.contains(member) {
            #expect(words.contains(member), "\(file) writes \"\(member)\", which Docs/cli.md does not have")
        }
    }

    /// What the page names as a member, in an object of the table or at the beginning of a type, is written somewhere.
    @Test func everyDocumentedMemberExists() throws {
        let section = try Self.section()
        var written = Set(try Self.written().keys)
        // Of `--version --json`, and of the records of the trail, which are printed as they are.
        written.formUnion(["program", "version", "commit", "compiler", "dependencies", "date"])
        // A string after a colon, or after another such string, is a value.
        var members: Set<String> = []
        for line in section.split(separator: "\n") where line.hasPrefix("| ") {
            let values = #""[A-Za-z-]+"(?:(?:, | or )"[A-Za-z-]+")* or "[A-Za-z-]+""#
            let plain = String(line).replacingOccurrences(of: #": \#(values)"#, with: ": x", options: .regularExpression)
                .replacingOccurrences(of: #": "[A-Za-z-]+""#, with: ": x", options: .regularExpression)
            members.formUnion(try Self.matches(#""([A-Za-z]+)""#, in: plain))
        }
        #expect(members.count > 100)
        for member in members.subtracting(written).sorted() { Issue.record("Docs/cli.md has \"\(member)\", which no source writes") }
    }

    /// lowerCamelCase; kinds of a trail's records and names of figures are values.
    @Test func membersAreInLowerCamelCase() throws {
        for (member, file) in try Self.written() {
            #expect(member.wholeMatch(of: /[a-z]+([A-Z]+[a-z0-9]*)*/) != nil, "\(file): \(member)")
        }
    }
}
