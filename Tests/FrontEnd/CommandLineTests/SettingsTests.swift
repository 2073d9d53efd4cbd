import ACME
import ACMEClient
import ConfigurationFile
import Glibc
import Issuance
import JOSE
import Testing

@testable import acme_agent

/// Command line before environment before file before default.
@Suite struct SettingsTests {
    private func settings(_ arguments: [String] = [], _ toml: String = "", _ change: (inout Environment) -> Void = { _ in }) throws
        -> Settings
    {
        var environment = Environment()
        environment.home = "/home/u"
        change(&environment)
        let file = try SettingsFile(ConfigurationFile.parse(Array(toml.utf8), file: "t.toml"))
        return try Settings(
            try GlobalOptions.parse(arguments), environment: environment, configured: file, file: toml.isEmpty ? nil : "t.toml")
    }

    private func error(_ toml: String) -> String? {
        do {
            _ = try SettingsFile(ConfigurationFile.parse(Array(toml.utf8), file: "t.toml"))
            return nil
        } catch { return "\(error)" }
    }

    @Test func defaults() throws {
        let settings = try settings()
        #expect(settings.socket == "/run/acme-agent/agent.sock")
        #expect(settings.directory.text == "https://acme-v02.api.letsencrypt.org/directory")
        #expect(settings.ca.name == "letsencrypt" && settings.ca.limits.orders?.count == 300)
        #expect(settings.stateDirectory == "/home/u/.local/state/acme-agent")
        #expect(settings.trustRoots(for: settings.directory) == .system)
        #expect(!settings.isDirectoryGiven)
    }

    @Test func theGroupOfKeyFilesIsANameOrANumber() throws {
        #expect(try settings().keyFileGroup == nil)
        #expect(try settings([], "key-file-group = \"root\"").keyFileGroup?.get() == 0)
        for number in ["\"12345\"", "12345"] where geteuid() == 0 {
            #expect(try settings([], "key-file-group = \(number)").keyFileGroup?.get() == 12_345)
        }
        for group in ["\"no-such-group\"", "\"4294967295\"", "4294967295", "\"-1\"", "-1"] {
            // Only commands that write key files look at it.
            let settings = try settings([], "key-file-group = \(group)")
            let error = #expect(throws: ConfigurationError.self, "\(group)") { try settings.checkKeyFileGroup() }
            #expect(error?.description.hasPrefix("t.toml:1: ") == true && error?.hint != nil, "\(group)")
            #expect(error?.description.contains("a group that does not exist") == true, "\(group)")
        }
        #expect(error("key-file-group = true")?.contains("must be a name or a number") == true)
    }

    /// A group that was removed keeps nobody from looking at certificates.
    @Test func aGroupThatWasRemovedConcernsOnlyCommandsThatWriteKeyFiles() async throws {
        let session = try CommandLineSession()
        try await session.install("www.example.org")
        let made = try await session.run("echo 'key-file-group = \"removed-group\"' | cat - acme-agent.toml >new && mv new acme-agent.toml")
        #expect(made.status == 0)
        let same = "issue -d www.example.org --directory https://ca.example/directory"
        for command in ["list", "show www.example.org", "renew --all", same] {
            let outcome = try await session.run("acme-agent \(command)")
            // No agent listens, which `renew --all` tells.
            let status: Int32 = command == "renew --all" ? 3 : 0
            #expect(outcome.status == status && !outcome.error.contains("removed-group"), "\(command): \(outcome)")
        }
        for command in ["renew www.example.org --force", "issue -d www.example.org --force", "issue -d new.example.org"] {
            let outcome = try await session.run("acme-agent \(command)")
            #expect(outcome.status == 78 && outcome.error.contains("does not exist: \"removed-group\""), "\(command): \(outcome)")
            #expect(outcome.error.contains("nothing was ordered") && outcome.error.contains("hint: make the group"), "\(outcome)")
        }
    }

    @Test func stateDirectoryFollowsRootAndXDG() throws {
        #expect(try settings([], "") { $0.isRoot = true }.stateDirectory == "/var/lib/acme-agent")
        #expect(try settings([], "") { $0.stateHome = "/state" }.stateDirectory == "/state/acme-agent")
        #expect(try settings([], "") { $0.stateHome = "relative" }.stateDirectory == "/home/u/.local/state/acme-agent")
        #expect(throws: Failure.self) { try settings([], "") { $0.home = nil } }
    }

    @Test func precedence() throws {
        let toml = "socket = \"/file\"\ndirectory = \"https://file.example/dir\""
        #expect(try settings([], toml).socket == "/file")
        #expect(try settings([], toml) { $0.socket = "/environment" }.socket == "/environment")
        #expect(try settings(["--socket", "/option"], toml) { $0.socket = "/environment" }.socket == "/option")
        #expect(try settings([], toml).directory.host == "file.example")
        #expect(try settings([], toml) { $0.directory = "https://env.example/dir" }.directory.host == "env.example")
        let given = try settings(["--directory", "https://option.example/dir"], toml) { $0.directory = "https://env.example/dir" }
        #expect(given.directory.host == "option.example")
        #expect(given.isDirectoryGiven)
    }

    @Test func plainHTTPIsRefused() throws {
        #expect { try settings(["--directory", "http://ca.example/dir"]) } throws: { ($0 as? Failure)?.exitStatus == .usage }
        #expect { try settings([], "") { $0.directory = "http://ca.example/dir" } } throws: {
            ($0 as? Failure)?.exitStatus == .configuration
        }
        #expect(error("directory = \"http://ca.example/dir\"")?.hasPrefix("t.toml:1: \"directory\" is refused") == true)
    }

    @Test func whatIsSaidOfOneCACountsForNoOther() throws {
        let toml = """
            directory = "https://ca.example/dir"
            ca-certificate = "/ca.pem"
            account-key = "mine"
            external-account = "eab"
            contact = ["a@example.org"]
            """
        let own = try settings([], toml)
        #expect(own.trustRoots(for: own.directory) == .file("/ca.pem"))
        #expect(own.ca(at: own.directory).accountKey == "mine")
        #expect(own.ca(at: own.directory).contact?.map(\.text) == ["mailto:a@example.org"])
        let other = try settings(["--directory", "https://other.example/dir"], toml)
        #expect(other.trustRoots(for: other.directory) == .system)
        #expect(other.ca(at: other.directory).accountKey == nil)
        #expect(other.ca(at: other.directory).externalAccount == nil)
        let given = try settings(["--directory", "https://other.example/dir", "--ca-certificate", "/o.pem"], toml)
        #expect(given.trustRoots(for: given.directory) == .file("/o.pem"))
    }

    @Test func oneCertificateMayDiffer() throws {
        let toml = """
            webroot = "/general"
            key-type = "P-384"
            deploy-hook = "/general-hook"
            [[certificate]]
            name = "www.example.org"
            http01-address = "127.0.0.1:5002"
            """
        let settings = try settings([], toml)
        var remembered = CertificateSettings()
        remembered.challenges = [.dnsHook("/remembered")]
        remembered.deployHooks = ["/remembered-hook"]
        let own = settings.certificate(named: "www.example.org", given: CertificateSettings(), remembered: remembered)
        #expect(own.challenges == [.listener([try ListenEndpoint("127.0.0.1:5002")])])
        #expect(own.deployHooks == ["/remembered-hook"])
        #expect(own.keyType == .p384)
        let other = settings.certificate(named: "other", given: CertificateSettings(), remembered: CertificateSettings())
        #expect(other.challenges == nil && other.generalChallenges == [.webroot("/general")])
        var given = CertificateSettings()
        given.challenges = [.webroot("/given")]
        #expect(settings.certificate(named: "www.example.org", given: given, remembered: remembered).challenges == [.webroot("/given")])
    }

    @Test func recordsThatStayAreSetAndLookedUpWithTheSettingsOfTheirNames() throws {
        let toml = """
            dns-update = "192.0.2.1"
            dns-key = "/general.key"
            [[challenge]]
            names = ["www.internal.example"]
            dns-update = "192.0.2.2"
            dns-key = "/internal.key"
            dns-resolver = "192.0.2.53"
            dns-persist = true
            """
        let settings = try settings([], toml)
        func update(_ name: String, server: String? = nil, key: String? = nil, resolver: String? = nil) throws -> [String?] {
            let found = try Persist.updateSettings(
                for: try DNSName(name), settings, server: server, keyFile: key, resolver: resolver)
            return [found.serverText, found.keyFile, found.resolverText]
        }
        #expect(try update("example.org") == ["192.0.2.1", "/general.key", nil])
        #expect(try update("www.internal.example") == ["192.0.2.2", "/internal.key", "192.0.2.53"])
        #expect(try update("*.www.internal.example") == ["192.0.2.2", "/internal.key", "192.0.2.53"])
        #expect(try update("www.internal.example", key: "/k") == ["192.0.2.2", "/k", "192.0.2.53"])
        #expect(try update("example.org", server: "auto", resolver: "192.0.2.54") == ["auto", "/general.key", "192.0.2.54"])
        let certificate = settings.certificate(named: "x", given: CertificateSettings(), remembered: CertificateSettings())
        #expect(certificate.persistSettings(for: try DNSName("www.internal.example"))?.resolverText == "192.0.2.53")
        #expect(certificate.persistSettings(for: try DNSName("example.org")) == nil)
    }

    /// The first rule that covers a name has its ways alone; what no rule covers has the general ones.
    @Test func challengesAreChosenByName() throws {
        let toml = """
            webroot = "/general"
            dns-hook = "/general-hook"
            [[challenge]]
            names = ["www.internal.example"]
            http01-address = "127.0.0.1:5002"
            tls-alpn01-address = ["127.0.0.1:5004", "[::1]:5004"]
            [[challenge]]
            names = ["*.internal.example", "192.0.2.0/24"]
            dns-hook = "/internal-hook"
            http01-address = "127.0.0.1:5003"
            """
        let settings = try settings([], toml).certificate(named: "x", given: CertificateSettings(), remembered: CertificateSettings())
        let solvers = settings.solvers(for: nil)
        func chosen(_ name: String) throws -> [Int] {
            let identifier = try Identifier(argument: name)
            return solvers.indices.filter { solvers[$0].canSolve(identifier) }
        }
        #expect(solvers.map(\.type) == [.http01, .tlsALPN01, .http01, .dns01, .http01, .dns01])
        #expect(try chosen("www.internal.example") == [0, 1])
        #expect(try chosen("a.internal.example") == [2, 3])
        #expect(try chosen("*.internal.example") == [3])
        #expect(try chosen("192.0.2.7") == [2])
        #expect(try chosen("www.example.org") == [4, 5])
        #expect(try chosen("*.example.org") == [5])
        #expect(try chosen("a.b.internal.example") == [4, 5])
        #expect(settings.canWaitForDNS)
    }

    /// A part with an address, and the default for all addresses, are prepared for one order.
    @Test func listenersWithTheSamePortDoNotExcludeEachOther() async throws {
        for _ in 0..<3 {
            let port = Int.random(in: 20_000..<30_000)
            let toml = """
                http01-address = "*:\(port)"
                tls-alpn01-address = "*:\(port + 10_000)"
                [[challenge]]
                names = ["www.internal.example"]
                http01-address = "127.0.0.1:\(port)"
                tls-alpn01-address = "127.0.0.1:\(port + 10_000)"
                """
            let settings = try settings([], toml).certificate(named: "x", given: CertificateSettings(), remembered: CertificateSettings())
            let solvers = settings.solvers(for: nil)
            #expect(solvers.count == 4)
            var isTaken = false
            for solver in solvers {
                // Another program may have the port.
                do { try await solver.prepare() } catch IssuanceError.busy { isTaken = true }
            }
            for solver in solvers { await solver.finish() }
            guard isTaken else { return }
        }
        Issue.record("they exclude each other")
    }

    /// dns-account-01 has the account in the record's name.
    @Test func theChallengeWithATXTRecordIsChosen() throws {
        let toml = """
            dns-hook = "/hook"
            dns-challenge = "dns-account-01"
            [[challenge]]
            names = ["*.internal.example"]
            dns-hook = "/internal-hook"
            dns-challenge = "dns-01"
            """
        let settings = try settings([], toml).certificate(named: "x", given: CertificateSettings(), remembered: CertificateSettings())
        let solvers = settings.solvers(for: try ACMEURL("https://example.com/acme/acct/ExampleAccount"))
        #expect(solvers.map(\.type) == [.dns01, .dnsAccount01])
        let name = try Identifier(argument: "*.example.org"), keyAuthorization = KeyAuthorization(token: "t", thumbprint: "t")
        #expect(solvers[0].target(of: name, keyAuthorization) == "_acme-challenge.example.org")
        #expect(solvers[1].target(of: name, keyAuthorization) == "_ujmmovf2vn55tgye._acme-challenge.example.org")
        // What the command line says comes before the part that covers the name.
        var given = CertificateSettings()
        given.dnsChallenge = .dnsAccount01
        given.dnsWait = 7
        let chosen = try self.settings([], toml).certificate(named: "x", given: given, remembered: CertificateSettings())
        #expect(chosen.challengeRules.map(\.dnsWait) == [7])
        let account = try ACMEURL("https://example.com/acme/acct/ExampleAccount")
        #expect(chosen.solvers(for: account).map(\.type) == [.dnsAccount01, .dnsAccount01])
    }

    @Test(arguments: [
        ("\nsokket = \"/x\"", "t.toml:2: \"sokket\" is not a setting here"),
        ("webroot = \"www\"", "t.toml:1: \"webroot\" must be an absolute path"),
        ("\n\nwebroot = \"/a\"\nhttp01-address = \"*:80\"", "t.toml:4: http01-address and webroot cannot be combined"),
        ("[[challenge]]\nwebroot = \"/a\"", "t.toml:1: \"names\" is missing: it lists the names that this part is for"),
        ("[[challenge]]\nnames = [\"*.a.example\"]", "t.toml:2: \"names\" has no way to answer challenges"),
        (
            "[[challenge]]\nnames = [\"*.*.example\"]\nwebroot = \"/a\"",
            "t.toml:2: \"names\" is refused: \"*.*.example\": a star stands for one label, before a DNS name without another star"
        ),
        ("dns-hook = \"/a\"\nhook-protocol = \"Lego\"", "t.toml:2: hook-protocol \"Lego\" is unknown"),
        ("hook-protocol = \"lego\"", "t.toml:1: hook-protocol has no effect without dns-hook"),
        ("dns-cleanup-hook = \"/a\"", "t.toml:1: dns-cleanup-hook has no effect without dns-hook"),
        (
            "dns-hook = \"/a\"\ndns-cleanup-hook = \"/a\"\nhook-protocol = \"lego\"",
            "t.toml:3: dns-cleanup-hook is for the hook protocol certbot"
        ),
        ("dns-challenge = \"http-01\"", "t.toml:1: \"dns-challenge\" must be dns-01 or dns-account-01"),
        ("key-type = \"P-512\"", "t.toml:1: \"key-type\" is refused: \"P-512\" is not a key type"),
        ("http01-address = \"80\"", "t.toml:1: \"80\" is not an address and port"),
        ("dns-update = \"a b\"", "t.toml:1: \"a b\" is not a DNS server"),
        ("dns-update = \"auto\"\ndns-resolver = \"ns1.example.org\"", "t.toml:2: \"ns1.example.org\" is not the address of a resolver"),
        ("dns-update = \"auto\"\ndns-hook = \"/hook\"", "t.toml:2: dns-hook and dns-update cannot be combined"),
        ("dns-key = \"/key\"", "t.toml:1: dns-key has no effect without dns-update"),
        ("dns-resolver = \"::1\"", "t.toml:1: dns-resolver has no effect without dns-update or dns-persist"),
        ("dns-update = \"auto\"\ndns-key = \"key\"", "t.toml:2: \"dns-key\" must be an absolute path"),
        ("tls-alpn01-address = \"443\"", "t.toml:1: \"443\" is not an address and port"),
        ("http01-address = [1]", "t.toml:1: \"http01-address\" must contain strings, not an integer"),
        (
            "account-key = \"../x\"",
            "t.toml:1: \"account-key\" is refused: \"../x\" is not a key name: it begins with neither a lower-case letter nor a digit"
        ),
        ("dns-wait-seconds = 100000", "t.toml:1: \"dns-wait-seconds\" must be from 0 to 3600"),
        ("[[certificate]]\nwebroot = \"/a\"", "t.toml:1: the setting \"name\" is missing"),
        ("[[certificate]]\nname = \"a\"\n[[certificate]]\nname = \"a\"", "t.toml:4: \"name\" occurs twice: a"),
    ]) func errorsHaveAFileAndALine(toml: String, message: String) { #expect(error(toml) == message) }

    @Test func everyAddress() throws {
        let addresses = try ChallengeMethod.endpoints("*:5002")
        #expect(addresses.map(\.description).contains("0.0.0.0:5002"))
        for text in [
            "*:0", "*:", "127.0.0.1:0", "127.0.0.1", "::1:80x", "[::1:80", "*:70000", "localhost:80", "fd:", "fd:a b", "fd:a:b", "fd",
        ] {
            #expect(throws: Failure.self, "\(text)") { try ChallengeMethod.endpoints(text) }
        }
        #expect(try ChallengeMethod.endpoints("fd:http") == [.inherited("http")])
        let failure = #expect(throws: Failure.self) { try ChallengeMethod.endpoints("x", port: ChallengeMethod.standardTLSPort) }
        #expect(failure?.hint?.contains("*:443") == true)
    }

    @Test(arguments: [("p256", KeyAlgorithm.p256), ("P-384", .p384), ("RSA4096", .rsa4096), ("rsa-2048", .rsa2048), ("ed25519", .ed25519)])
    func keyTypesInAnySpelling(text: String, type: KeyAlgorithm) throws { #expect(try KeyAlgorithm(argument: text) == type) }

    @Test func theProxyIsTheFilesOrTheEnvironments() throws {
        var environment = Environment()
        environment.home = "/home/user"
        let directory = try ACMEURL("https://ca.test/dir")
        func proxy(_ text: String) throws -> String? {
            let file = try SettingsFile(ConfigurationFile.parse(Array(text.utf8), file: "f.toml"))
            return try Settings(.unset, environment: environment, configured: file, file: nil).proxy(for: directory)?.description
        }
        #expect(try proxy("") == nil)
        environment.proxy = Environment.Variable(name: "https_proxy", value: "http://variable.test:1")
        #expect(try proxy("") == "variable.test:1")
        #expect(try proxy("proxy = \"socks5://file.test:2\"") == "file.test:2")
        #expect(try proxy("proxy = \"none\"") == nil)
        environment.proxyExceptions = ".test"
        #expect(try proxy("") == nil)
        #expect(try proxy("proxy = \"socks5://file.test:2\"") == nil)
        for name in ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
            environment.proxy = Environment.Variable(name: name, value: "https://variable.test")
            let failure = #expect(throws: Failure.self) { try proxy("") }
            #expect(failure?.message.hasPrefix("\(name): ") == true && failure?.hint?.hasPrefix("\(name)=http://") == true)
        }
        #expect(throws: ConfigurationError.self) { try proxy("proxy = \"https://file.test\"") }
    }
}
