import ACME
import CertificateStore
import Foundation
import Issuance
import Testing

@testable import acme_agent

/// Deploy hooks in their order, each until it has succeeded for a generation, and the failure hook.
@Suite struct HookTests {
    private func script(_ session: CommandLineSession, _ name: String, _ text: String) throws -> String {
        let path = session.folder.file(name)
        try session.folder.write(name, "#!/bin/sh\ncd '\(session.folder.path)'\n\(text)\n")
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
        return path
    }

    private func log(_ session: CommandLineSession) -> String {
        (try? String(contentsOfFile: session.folder.file("log"), encoding: .utf8)) ?? ""
    }

    @Test func onlyTheRestRunsAgain() async throws {
        let session = try CommandLineSession(), state = session.store.folder
        let stored = try await session.install("www.example.org")
        let first = try script(session, "first", "echo first $1 >>log; echo one; echo two")
        let second = try script(session, "second", "echo second >>log; echo no reload; test -e ready")
        let third = try script(session, "third", "echo third >>log")
        let deploy = Hooks.deploy([first, second, third], stateDirectory: state)
        await #expect(throws: ExternalProgramError.self) { try await deploy(stored) }
        #expect(log(session) == "first www.example.org\nsecond\n")
        let record = try #require(HookRecord.read(stored.name, stateDirectory: state))
        #expect(record.generation == 1 && record.runs.map(\.program) == [first, second] && record.runs.first?.output == ["one", "two"])
        #expect(record.runs.last?.failure?.hasSuffix("second ended with exit code 1") == true && record.runs.last?.output == ["no reload"])
        let shown = try await session.run("acme-agent show www.example.org --verbose; acme-agent show www.example.org")
        #expect(
            shown.output.components(separatedBy: "  | no reload").count == 2 && shown.output.contains("ended with exit code 1"), "\(shown)")
        try session.folder.write("ready", "")
        try await deploy(stored)
        #expect(log(session) == "first www.example.org\nsecond\nsecond\nthird\n")
        // Nothing is left to run for this generation, and everything for the next.
        try await deploy(stored)
        #expect(log(session).hasSuffix("second\nthird\n"))
        var next = stored
        next.metadata.generation = 2
        try await Hooks.deploy([third], stateDirectory: state)(next)
        #expect(log(session).hasSuffix("third\nthird\n"))
        #expect(HookRecord.read(stored.name, stateDirectory: state)?.runs.map(\.program) == [third])
        let json = try await session.run("acme-agent show www.example.org --json")
        #expect(json.output.contains(#""deployHooks":[{"program":"#), "\(json)")
        let forgotten = try await session.run("acme-agent forget www.example.org --yes >forgot; ls state/hooks")
        #expect(forgotten.status == 0 && !forgotten.output.contains("www"), "\(forgotten)")
    }

    /// What happens to the old key, for a run with these arguments.
    private func choice(_ session: CommandLineSession, _ arguments: [String] = []) async throws -> IssuanceRequest.OldKey {
        let options = try GlobalOptions.parse(["--state-directory", session.store.folder])
        let commandLine = acme_agent.Session(
            settings: try Settings(options, environment: Environment()), output: Output(try GlobalOptions.parse([])))
        let stored = try await session.store.certificate(named: try CertificateName("www.example.org"))
        return try CertificateOptions.parse(arguments).oldKeyChoice(of: stored, commandLine)
    }

    /// The next run finds it, until the certificate is deployed.
    @Test func theOldKeysFateIsRememberedOverAFailure() async throws {
        let session = try CommandLineSession(), state = session.store.folder
        let stored = try await session.install("www.example.org", isDeployed: false), hook = try script(session, "hook", "test -e ready")
        #expect(try await choice(session) == .retire)
        let deploy = Hooks.deploy([hook], stateDirectory: state, oldKey: try await choice(session, ["--old-key", "keep"]))
        await #expect(throws: ExternalProgramError.self) { try await deploy(stored) }
        #expect(try await choice(session) == .keep)
        for fate in ["delete", "retire"] { #expect(try await choice(session, ["--old-key", fate]).rawValue == fate) }
        // As the next run calls it.
        let again = Hooks.deploy([hook], stateDirectory: state, oldKey: try await choice(session))
        await #expect(throws: ExternalProgramError.self) { try await again(stored) }
        #expect(try await choice(session) == .keep)
        try session.folder.write("ready", "")
        try await Hooks.deploy([hook], stateDirectory: state, oldKey: try await choice(session))(stored)
        // Cut off before the store has it.
        #expect(try await choice(session) == .keep)
        try await session.store.markDeployed(stored.name, generation: 1)
        #expect(try await choice(session) == .retire)
        await #expect(throws: Failure.self) { try await choice(session, ["--old-key", "lose"]) }
    }

    /// Its hook is removed from the settings; what was said of that key says nothing of later ones.
    @Test func aForgottenFateIsNotThatOfALaterKey() async throws {
        let session = try CommandLineSession(), state = session.store.folder
        let stored = try await session.install("www.example.org", isDeployed: false)
        let first = try script(session, "first", "true"), second = try script(session, "second", "exit 1")
        await #expect(throws: ExternalProgramError.self) {
            try await Hooks.deploy([first, second], stateDirectory: state, oldKey: .delete)(stored)
        }
        #expect(try await choice(session) == .delete)
        try await Hooks.deploy([first], stateDirectory: state, oldKey: try await choice(session))(stored)
        #expect(HookRecord.read(stored.name, stateDirectory: state)?.runs.map(\.program) == [first])
        try await session.store.markDeployed(stored.name, generation: 1)
        #expect(try await choice(session) == .retire)
        // Without any hook nothing writes the record again.
        #expect(HookRecord.read(stored.name, stateDirectory: state)?.oldKey == .delete)
        try await session.install("www.example.org", isDeployed: false)
        #expect(try await choice(session) == .retire)
    }

    /// Ctrl-C, or a power failure: no failure is recorded.
    @Test func theOldKeysFateIsRememberedWhereAHookIsCutOff() async throws {
        let session = try CommandLineSession(), state = session.store.folder
        let stored = try await session.install("www.example.org", isDeployed: false)
        let hook = try script(session, "hook", "echo began >>log; sleep 60")
        let run = Task { try await Hooks.deploy([hook], stateDirectory: state, oldKey: .keep)(stored) }
        for _ in 0..<1_000 where log(session).isEmpty { try await Task.sleep(for: .milliseconds(20)) }
        #expect(log(session) == "began\n")
        run.cancel()
        await #expect(throws: CancellationError.self) { try await run.value }
        #expect(HookRecord.read(stored.name, stateDirectory: state)?.runs.isEmpty == true)
        #expect(try await choice(session) == .keep)
    }

    @Test func aDamagedRecordMakesEveryHookRunAgain() async throws {
        let session = try CommandLineSession(), stored = try await session.install("www.example.org")
        let deploy = Hooks.deploy([try script(session, "hook", "echo ran >>log")], stateDirectory: session.store.folder)
        try await deploy(stored)
        for text in ["", "{}", "{\"version\":9}", "{\"version\":1,\"generation\":1,\"runs\":[{}]}"] {
            try session.folder.write("state/hooks/www.example.org.json", text)
            try await deploy(stored)
        }
        #expect(log(session) == String(repeating: "ran\n", count: 5))
    }

    @Test func theFailureHookIsToldOnce() async throws {
        let session = try CommandLineSession()
        try await session.install("www.example.org", age: 80)
        let hook = try script(session, "failed", "echo $1 $2 $ACME_AGENT_ERROR $ACME_AGENT_DAYS_LEFT >>log; cat >input; exit 3")
        let given = Session(settings: try settings(session), output: Output(json: false, verbosity: .quiet))
        var certificate = CertificateSettings()
        certificate.failureHook = hook
        let name = try CertificateName("www.example.org")
        let failure = Failure("rate-limited", .temporary, "the CA says no", hint: "wait")
        await #expect(throws: Failure.self) {
            try await given.callingFailureHook(of: name, certificate) { () async throws -> Void in throw failure }
        }
        #expect(log(session) == "www.example.org rate-limited rate-limited 9\n")
        let input = try String(contentsOfFile: session.folder.file("input"), encoding: .utf8)
        #expect(input.hasPrefix(#"{"name":"www.example.org","daysLeft":9,"error":{"code":"rate-limited""#), "\(input)")
        // Another run that works on the certificate is none.
        let locked = StoreError(.locked, message: "locked")
        await #expect(throws: StoreError.self) {
            try await given.callingFailureHook(of: name, certificate) { () async throws -> Void in throw locked }
        }
        #expect(log(session).split(separator: "\n").count == 1)
    }

    private func settings(_ session: CommandLineSession) throws -> Settings {
        var environment = Environment()
        environment.home = session.folder.path
        var file = SettingsFile()
        file.stateDirectory = session.store.folder
        return try Settings(.unset, environment: environment, configured: file, file: nil)
    }
}
