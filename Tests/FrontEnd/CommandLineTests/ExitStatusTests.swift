import Foundation
import SilentServer
import TestSupport
import Testing

@testable import acme_agent

/// The exit statuses are those of the documents, and each is tried by a test.
@Suite struct ExitStatusTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path

    private static func text(_ file: String) throws -> String { try String(contentsOfFile: root + "/" + file, encoding: .utf8) }

    /// The numbers in the first column of the table below a heading.
    private static func documented(_ file: String) throws -> [Int32] {
        let section = try #require(try text(file).components(separatedBy: "\n## Exit status\n").dropFirst().first)
        return section.components(separatedBy: "\n## ")[0].split(separator: "\n").filter { $0.hasPrefix("| ") }.flatMap { line in
            (line.split(separator: "|").first ?? "").split(separator: ",").compactMap { Int32($0.trimmingCharacters(in: .whitespaces)) }
        }
    }

    @Test(arguments: ["Docs/cli.md", "Docs/operations.md"]) func documentsHaveEachStatusOnce(_ file: String) throws {
        #expect(try Self.documented(file) == ExitStatus.allCases.map(\.rawValue))
    }

    @Test func helpAndManualNameEachStatus() throws {
        let help = AcmeAgent.configuration.discussion, manual = try Self.text("Docs/man/acme-agent.1")
        let sentence = try #require(help.components(separatedBy: "Exit status: ").dropFirst().first).prefix { $0 != "." }
        let numbers = sentence.split { !$0.isNumber }.compactMap { Int32($0) }
        #expect(numbers == ExitStatus.allCases.map(\.rawValue))
        let section = try #require(manual.components(separatedBy: ".SH EXIT STATUS\n").dropFirst().first).components(separatedBy: ".SH ")[0]
        for status in ExitStatus.allCases {
            #expect(section.range(of: "\\b\(status.rawValue)\\b", options: .regularExpression) != nil, "\(status.rawValue)")
        }
    }

    /// A session expects it (`? 4`), or a test compares with it.
    @Test func eachStatusIsTried() throws {
        var tried: Set<Int32> = []
        let folder = Self.root + "/Tests"
        for name in try #require(FileManager.default.enumerator(atPath: folder)?.allObjects as? [String]) {
            let isSession = name.contains("/Sessions/") && name.hasSuffix(".txt")
            guard isSession || name.hasSuffix(".swift"), let text = try? String(contentsOfFile: folder + "/" + name, encoding: .utf8) else {
                continue
            }
            for line in text.split(separator: "\n") {
                if isSession, line.hasPrefix("? "), let status = Int32(line.dropFirst(2)) { tried.insert(status) }
                guard !isSession, let place = line.range(of: "status == ") else { continue }
                if let status = Int32(line[place.upperBound...].prefix(while: \.isNumber)) { tried.insert(status) }
            }
        }
        #expect(tried.isSuperset(of: ExitStatus.allCases.map(\.rawValue)), "\(ExitStatus.allCases.filter { !tried.contains($0.rawValue) })")
    }

    @Test func signalsEndWithTheirNumbers() async throws {
        let session = try CommandLineSession()
        let server = try SilentServer(path: session.folder.file("agent.sock"))
        defer { server.close() }
        func ended(by signal: String) async throws -> ShellOutcome {
            try await session.run("timeout --preserve-status -s \(signal) 2 acme-agent doctor --json; exit $?")
        }
        let interrupted = try await ended(by: "INT"), terminated = try await ended(by: "TERM")
        #expect(interrupted.status == 130, "\(interrupted)")
        #expect(terminated.status == 143, "\(terminated)")
        #expect(terminated.output.contains(#""code":"interrupted""#) && terminated.output.contains(#""exitStatus":143"#))
    }

    /// Also commands that have nothing to remove, and wait for an agent that does not answer.
    @Test func aSignalEndsEveryCommandWithAnObject() async throws {
        let session = try CommandLineSession()
        let server = try SilentServer(path: session.folder.file("agent.sock"))
        defer { server.close() }
        let lines = [
            "audit tail", "audit tail --follow", "csr intranet -d www.example.org", "keys adopt pkcs11:object=x", "keys create x",
            "keys list", "keys show x", "metrics", "policy check --read-audit", "policy matrix", "report", "status", "status --watch 1",
        ]
        let script = lines.enumerated().map { number, line in
            "{ timeout --preserve-status -s INT -k 20 10 acme-agent \(line) --json; echo \"= $?\"; } >of-\(number) 2>/dev/null &"
        }
        let numbers = lines.indices.map { "of-\($0)" }.joined(separator: " ")
        let outcome = try await session.run((script + ["wait", "cat \(numbers)"]).joined(separator: "\n"))
        let said = outcome.output.split(separator: "\n").map(String.init)
        try #require(said.count == 2 * lines.count, "\(outcome)")
        for (number, line) in lines.enumerated() {
            let object = said[2 * number], status = said[2 * number + 1]
            #expect(object.hasPrefix(#"{"error":{"code":"interrupted""#) && status == "= 130", "acme-agent \(line): \(object) \(status)")
        }
    }

    /// An object of `--watch` is whole, and the signal adds none.
    @Test func aSignalAddsNoObjectToResults() async throws {
        let session = try CommandLineSession()
        let outcome = try await session.run(
            """
            acme-agent status --watch 1 --json >said 2>/dev/null & watch=$!
            for _ in $(seq 600); do [ "$(wc -l <said)" -lt 2 ] || break; sleep 0.1; done
            kill -TERM $watch; status=0; wait $watch || status=$?; cat said; exit $status
            """)
        #expect(outcome.status == 143, "\(outcome)")
        let objects = outcome.output.split(separator: "\n")
        #expect(objects.count > 1 && objects.allSatisfy { $0.hasPrefix(#"{"error":{"code":"agent-unreachable""#) }, "\(outcome)")
    }
}
