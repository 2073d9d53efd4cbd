import ACME
import CertificateStore
import ConfigurationFile
import Issuance
import JOSE
import TestSupport
import Testing

@testable import acme_agent

/// What `apply` finds to do. No agent listens: exit status 3 means that it would have ordered.
@Suite struct ApplyTests {
    private static let now = CommandLineSession.now

    private func settings(_ toml: String, _ arguments: [String] = []) throws -> Settings {
        var environment = Environment()
        environment.home = "/home/u"
        let file = try SettingsFile(ConfigurationFile.parse(Array(toml.utf8), file: "t.toml"))
        return try Settings(try GlobalOptions.parse(arguments), environment: environment, configured: file, file: nil)
    }

    private func state(
        _ toml: String, _ stored: StoredCertificate?, _ journal: OrderJournal? = nil,
        remembered: CertificateSettings = CertificateSettings(),
        arguments: [String] = [], fault: CertificateReport.KeyFault? = nil, window: RenewalRecord.Window? = nil
    ) throws -> DeclarationState {
        let settings = try settings(toml, arguments), declared = try #require(settings.declared.first)
        return DeclarationState(
            declared, as: declared.name, stored, journal,
            settings: settings.certificate(named: declared.name.rawValue, given: declared.settings, remembered: remembered),
            remembered: remembered, cas: settings.cas(of: declared.name.rawValue),
            isCANamed: declared.settings.ca != nil || settings.isDirectoryGiven, fault: fault, window: window, now: Self.now)
    }

    private static let cas = """
        [[ca]]
        name = "first"
        directory = "https://ca.example/directory"
        [[ca]]
        name = "other"
        directory = "https://other.example/directory"
        [[certificate]]

        """
    private static let names = "names = [\"www.example.org\", \"example.org\"]\n"

    private func stored(_ names: [String] = ["www.example.org", "example.org"], age: Int64 = 0) async throws -> StoredCertificate {
        try await CommandLineSession().install(names[0], more: Array(names.dropFirst()), age: age)
    }

    @Test func whatIsMissingIsIssued() throws {
        let state = try state(Self.cas + Self.names + "ca = \"other\"\nkey-type = \"P-384\"\nmust-staple = true\nprofile = \"tls\"", nil)
        #expect(state.action == .issue && state.words == ["missing"] && state.name.rawValue == "www.example.org")
        #expect(state.directory.text == "https://other.example/directory")
        #expect(state.request.identifiers.map(\.value) == ["www.example.org", "example.org"])
        #expect(state.request.keyAlgorithm == .p384 && state.request.mustStaple && state.request.profile == "tls" && !state.request.newKey)
    }

    /// What `renew --all` has asked for counts here too: the CA wants it replaced, or later than its age says.
    @Test func theCAsWindowDecidesWhatIsDue() async throws {
        let past = RenewalRecord.Window(start: Self.now - 7_200, end: Self.now - 3_600, moment: Self.now - 5_000)
        let young = try await stored()
        let due = try state(Self.cas + Self.names, young, window: past)
        #expect(due.action == .renew && due.isWanted(young, nil, now: Self.now))
        let old = try await stored(age: 62)
        let later = RenewalRecord.Window(start: Self.now + 7_200, end: Self.now + 9_000, moment: Self.now + 8_000)
        #expect(try state(Self.cas + Self.names, old).action == .renew)
        #expect(try state(Self.cas + Self.names, old, window: later).action == .none)
    }

    @Test func whatIsAsDeclaredIsLeftAlone() async throws {
        let stored = try await stored()
        for more in ["", "key-type = \"P-256\"", "ca = \"first\"", "must-staple = false", "webroot = \"/w\"\ndeploy-hook = \"/h\""] {
            let state = try state(Self.cas + Self.names + more, stored)
            #expect(state.action == .none && state.words.isEmpty && !state.isToDo, "\(more): \(state.words)")
            #expect(!state.isWanted(stored, nil, now: Self.now))
        }
        // The order of the names is no difference, and neither is another default CA.
        #expect(
            try state("[[certificate]]\nnames = [\"example.org\", \"www.example.org\"]\nname = \"www.example.org\"", stored).action == .none
        )
        // What the CA decided otherwise is not ordered again and again.
        var remembered = CertificateSettings()
        remembered.profile = "tls"
        remembered.mustStaple = true
        #expect(try state(Self.cas + Self.names + "profile = \"tls\"\nmust-staple = true", stored, remembered: remembered).action == .none)
    }

    @Test(arguments: [
        ("names = [\"www.example.org\"]", ["names"]), ("names = [\"www.example.org\", \"example.org\", \"a.example.org\"]", ["names"]),
        ("names = [\"www.example.org\", \"b.example.org\"]", ["names"]), (names + "key-type = \"RSA-2048\"", ["key-type"]),
        (names + "profile = \"tls\"", ["profile"]), (names + "ca = \"other\"", ["ca"]), (names + "must-staple = true", ["must-staple"]),
        (names + "preferred-chain = \"Other\"", ["preferred-chain"]),
        ("names = [\"www.example.org\"]\nca = \"other\"\nkey-type = \"P-384\"", ["ca", "names", "key-type"]),
    ])
    func whatDiffersIsReplaced(_ declaration: String, _ words: [String]) async throws {
        let stored = try await stored(), state = try state(Self.cas + declaration, stored)
        #expect(state.action == .replace && state.words == words && state.isToDo)
        #expect(state.request.newKey == words.contains("key-type"))
        #expect(state.directory.text == (words.contains("ca") ? "https://other.example/directory" : "https://ca.example/directory"))
        #expect(state.isWanted(stored, nil, now: Self.now))
    }

    @Test func whatIsDueIsRenewedWhereItIs() async throws {
        let stored = try await stored(age: 70)
        var state = try state(Self.cas + Self.names, stored)
        #expect(state.action == .renew && state.words == ["due"] && state.directory == stored.metadata.directory)
        #expect(state.request.isProfileInherited)
        // A certificate of the second CA stays there until it is due.
        let second = "ca = \"other\"\nsecond-ca = \"first\""
        #expect(try self.state(Self.cas + Self.names + second, try await self.stored()).action == .none)
        state = try self.state(Self.cas + Self.names + second, stored)
        #expect(state.action == .renew && state.directory.text == "https://other.example/directory")
    }

    @Test func keysAndOrdersCount() async throws {
        let stored = try await stored()
        let lost = try state(Self.cas + Self.names, stored, fault: .retired)
        #expect(lost.action == .replace && lost.words == ["key-retired"] && lost.isWanted(stored, nil, now: Self.now))
        #expect(try state(Self.cas + Self.names, stored, fault: .gone).action == .none)
        let directory = try #require(stored.metadata.directory)
        func journal(_ steps: [JournalStep]) -> OrderJournal {
            OrderJournal(
                name: stored.name, directory: directory, identifiers: stored.metadata.identifiers,
                accountKey: "account",
                started: Self.now, steps: steps)
        }
        #expect(try state(Self.cas + Self.names, stored, journal([])).action == .resume)
        #expect(try state(Self.cas + Self.names, nil, journal([])).action == .resume)
        #expect(try state(Self.cas + Self.names, stored, journal([])).words == ["interrupted"])
        // What is installed needs its hook only.
        let undeployed = try state(Self.cas + Self.names, stored, journal([.installed(generation: stored.metadata.generation)]))
        #expect(undeployed.action == .resume && undeployed.words == ["hook-failed"])
        #expect(undeployed.text(now: Self.now) == "www.example.org: to be resumed: its deploy hook failed or did not finish")
        // A failed order is tried again only for what is not as declared.
        #expect(try state(Self.cas + Self.names, stored, journal([.failed])).action == .none)
        #expect(try state(Self.cas + Self.names, nil, journal([.failed])).action == .issue)
        var revoked = stored
        revoked.revokedGeneration = stored.metadata.generation
        let left = try state(Self.cas + Self.names, revoked)
        #expect(left.action == .left && !left.isToDo && !left.isWanted(revoked, nil, now: Self.now))
    }

    @Test func aDeclarationWithoutNamesHasOnlySettings() throws {
        let settings = try settings("[[certificate]]\nname = \"a.example\"\nwebroot = \"/w\"\n[[certificate]]\nnames = [\"*.example.org\"]")
        #expect(settings.declared.map(\.name.rawValue) == ["wildcard_.example.org"])
        #expect(settings.certificates.keys.sorted() == ["a.example", "wildcard_.example.org"])
    }

    @Test(arguments: [
        ("[[certificate]]\nnames = []", "t.toml:2: \"names\" is empty"),
        ("[[certificate]]\nnames = [\"a b\"]", "t.toml:2: \"names\" is refused: "),
        ("[[certificate]]\nnames = [\"https://www.example.org/\"]", "t.toml:2: \"names\" is refused: "),
        ("[[certificate]]\nnames = \"www.example.org\"", "t.toml:2: \"names\" must be an array of strings"),
        ("[[certificate]]\nnames = [\"a.example\"]\nname = \"../a\"", "t.toml:3: \"name\" is refused: "),
        (
            "[[certificate]]\nnames = [\"a.example\"]\n[[certificate]]\nnames = [\"a.example\"]",
            "t.toml:3: \"name\" occurs twice: a.example"
        ),
        ("[[certificate]]\nwebroot = \"/w\"", "t.toml:1: the setting \"name\" is missing"),
    ]) func errorsHaveALine(toml: String, message: String) {
        let error = #expect(throws: ConfigurationError.self) { try SettingsFile(ConfigurationFile.parse(Array(toml.utf8), file: "t.toml")) }
        #expect(error?.description.hasPrefix(message) == true, "\(error?.description ?? "")")
    }

    @Test func theCommandContactsNobodyForWhatIsTrue() async throws {
        let session = try CommandLineSession()
        try await session.install("www.example.org", more: ["example.org"])
        try await session.install("old.example.org")
        _ = try await session.run("printf '%s\\n' '[[certificate]]' 'names = [\"www.example.org\", \"example.org\"]' >>acme-agent.toml")
        let applied = try await session.run("acme-agent apply")
        #expect(applied.output.hasPrefix("www.example.org: as declared, not due until ") && !applied.error.contains("error:"), "\(applied)")
        // No agent listens: the next order would fail.
        #expect(applied.status == 3 && applied.error.contains("warning: no certificate can be renewed for now"), "\(applied)")
        let json = try await session.run("acme-agent apply --json --quiet")
        #expect(json.status == 3 && json.output.contains(#""warnings":[{"code":"agent-unreachable""#), "\(json)")
        #expect(applied.error.contains("old.example.org: not declared, left alone"), "\(applied)")
        #expect(applied.error.contains("everything is as declared: nothing was ordered"), "\(applied)")
        _ = try await session.run("sed -i 's/, \"example.org\"//' acme-agent.toml")
        let impossible = try await session.run("acme-agent apply --dry-run")
        #expect(impossible.status == 1 && impossible.output.isEmpty, "\(impossible)")
        #expect(impossible.error.contains("error: www.example.org: there is no account at https://ca.example yet"), "\(impossible)")
        try await session.store.save(StoredAccount(directory: try ACMEURL("https://ca.example/directory"), key: "account"))
        let dry = try await session.run("acme-agent apply --dry-run")
        #expect(dry.status == 0 && dry.output == "www.example.org: to be replaced: it also includes example.org\n", "\(dry)")
        #expect(dry.error.contains("a dry run: no CA was contacted and nothing was changed"), "\(dry)")
        // As `renew` does: better without its hook than expired.
        let hookless = try await session.run(
            "cp acme-agent.toml plain; printf 'deploy-hook = \"/nowhere/hook\"\\n' >>acme-agent.toml; acme-agent apply --dry-run; "
                + "status=$?; mv plain acme-agent.toml; exit $status")
        #expect(hookless.status == 0 && hookless.output == dry.output, "\(hookless)")
        #expect(hookless.error.contains("warning: www.example.org: the deploy hook cannot be used: /nowhere/hook"), "\(hookless)")
        let failed = try await session.run("acme-agent apply --json")
        #expect(failed.error.contains("error: the agent's socket") && !failed.error.contains("warning:"), "\(failed)")
        #expect(failed.status == 3 && failed.output.contains(#""action":"replace","reasons":["names"]"#), "\(failed)")
        let unknown = try await session.run("acme-agent apply old.example.org")
        #expect(unknown.status == 64 && unknown.error.contains("declares no certificate \"old.example.org\""), "\(unknown)")
        let list = try await session.run("cp -r state before; acme-agent apply --dry-run --quiet; diff -r state before")
        #expect(list.status == 0 && list.output.isEmpty, "\(list)")
    }

    /// What cannot work is not promised.
    @Test func aDryRunLooksWhetherAnOrderCouldBePlaced() async throws {
        let session = try CommandLineSession(), directory = try ACMEURL("https://127.0.0.1:1/directory")
        try await session.store.save(StoredAccount(directory: directory, key: "account"))
        let part = "[[certificate]]\\nname = \"wild\"\\nnames = [\"*.example.org\"]\\n[[certificate]]\\nnames = [\"www.example.org\"]\\n"
        _ = try await session.run(
            "{ printf 'directory = \"\(directory)\"\\n'; cat acme-agent.toml; printf '\(part)'; } >new; mv new acme-agent.toml")
        let dry = try await session.run("acme-agent apply --dry-run")
        #expect(dry.status == 5 && dry.output == "www.example.org: to be issued for www.example.org: it does not exist yet\n", "\(dry)")
        #expect(dry.error.contains("error: wild: the chosen challenge cannot validate *.example.org; nothing was ordered"), "\(dry)")
        let hook = try await session.run("echo 'deploy-hook = \"/nowhere/hook\"' >>acme-agent.toml; acme-agent apply --dry-run --json")
        #expect(
            hook.output.contains(#""failed":[{"name":"wild""#) && hook.output.contains(#"{"name":"www.example.org","error""#), "\(hook)")
        try await session.store.save(StoredAccount(directory: directory, key: "account", isDeactivated: true))
        let closed = try await session.run("sed -i '/^deploy-hook/d' acme-agent.toml; acme-agent apply --dry-run www.example.org")
        #expect(closed.status == 4 && closed.error.contains("is permanently deactivated"), "\(closed)")
    }

    /// A certificate of a company's CA is never replaced by one of a public CA unasked.
    @Test func whatWasImportedIsLeftAlone() async throws {
        var stored = try await stored(age: 85)
        stored.metadata.directory = nil
        let state = try state(Self.cas + Self.names, stored)
        #expect(state.action == .left && !state.isToDo && !state.isWanted(stored, nil, now: Self.now))
        #expect(state.text(now: Self.now).contains("imported, left alone (`ca` in its part"), "\(state.text(now: Self.now))")
        #expect(try self.state(Self.cas + Self.names, stored, fault: .retired).action == .left)
        // --ca is for those that are to be ordered.
        #expect(try self.state(Self.cas + Self.names, stored, arguments: ["--ca", "other"]).action == .left)
        let named = try self.state(Self.cas + Self.names + "ca = \"other\"", stored)
        #expect(named.action == .replace && named.isWanted(stored, nil, now: Self.now))
    }
}
