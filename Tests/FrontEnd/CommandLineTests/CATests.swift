import ACME
import CertificateStore
import ConfigurationFile
import Issuance
import Testing

@testable import acme_agent

/// CAs by name: the public ones, and those of the configuration.
@Suite struct CATests {
    private func settings(_ arguments: [String] = [], _ toml: String = "", _ change: (inout Environment) -> Void = { _ in }) throws
        -> Settings
    {
        var environment = Environment()
        environment.home = "/home/u"
        change(&environment)
        let file = try SettingsFile(ConfigurationFile.parse(Array(toml.utf8), file: "t.toml"))
        return try Settings(try GlobalOptions.parse(arguments), environment: environment, configured: file, file: nil)
    }

    private static let toml = """
        default-ca = "internal"
        second-ca = "letsencrypt"
        contact = ["general@example.org"]
        [[ca]]
        name = "internal"
        directory = "https://ca.internal.example/acme"
        staging-directory = "https://test.internal.example/acme"
        ca-certificate = "/internal.pem"
        account-key = "account-internal"
        [[ca]]
        name = "zerossl"
        external-account = "zero"
        contact = ["zero@example.org"]
        [[certificate]]
        name = "www.example.org"
        ca = "zerossl"
        second-ca = "google"
        [[certificate]]
        name = "mail.example.org"
        ca = "letsencrypt"
        """

    @Test func theTableOfPublicCAsIsSound() throws {
        #expect(NamedCAs().all.count == PublicCA.all.count)
        #expect(Set(PublicCA.all.map(\.name)).count == PublicCA.all.count)
        #expect(Set(PublicCA.all.map(\.directory)).count == PublicCA.all.count)
        for ca in PublicCA.all {
            #expect(NamedCAs.isName(ca.name))
            #expect((try? Identifier(argument: ca.issuerDomain)) != nil, "\(ca.name)")
            #expect(ca.terms?.hasPrefix("https://") != false, "\(ca.name)")
            if let staging = ca.staging { #expect(PublicCA.named(staging) != nil, "\(ca.name)") }
        }
    }

    @Test func theCommandLineComesBeforeTheEnvironmentAndThatBeforeTheFile() throws {
        #expect(try settings().ca.name == "letsencrypt")
        #expect(try settings([], Self.toml).ca.name == "internal")
        #expect(try settings([], Self.toml) { $0.ca = "google" }.ca.name == "google")
        let given = try settings(["--ca", "zerossl"], Self.toml) { $0.ca = "google" }
        #expect(given.ca.name == "zerossl" && given.isDirectoryGiven)
        #expect(try settings(["--ca", "zerossl"], Self.toml) { $0.directory = "https://x.example/dir" }.ca.name == "zerossl")
        // A directory that has a name.
        let named = try settings(["--directory", "https://dv.acme-v02.api.pki.goog/directory"])
        #expect(named.ca.name == "google" && named.ca.preset?.needsExternalAccount == true)
        let unnamed = try settings(["--directory", "https://ca.example/dir"])
        #expect(unnamed.ca.name == nil && unnamed.ca.limits == .unknown)
    }

    @Test func eachCAHasItsOwnSettings() throws {
        let settings = try settings([], Self.toml)
        let own = settings.ca.settings
        #expect(own.accountKey == "account-internal" && own.contact?.map(\.text) == ["mailto:general@example.org"])
        #expect(settings.trustRoots(for: settings.directory) == .file("/internal.pem"))
        let refined = try self.settings(["--ca", "zerossl"], Self.toml).ca
        #expect(refined.directory.text == "https://acme.zerossl.com/v2/DV90" && refined.issuerDomain == "sectigo.com")
        #expect(refined.settings.externalAccount == "zero" && refined.settings.contact?.map(\.text) == ["mailto:zero@example.org"])
        // The general settings, since they name no directory.
        let plain = try self.settings(["--ca", "google"], Self.toml).ca
        #expect(plain.settings.externalAccount == nil && plain.settings.contact?.map(\.text) == ["mailto:general@example.org"])
    }

    @Test func stagingIsTheChosenCAs() throws {
        #expect(try settings(["--staging"]).ca.name == "letsencrypt-staging")
        #expect(try settings(["--staging", "--ca", "google"]).ca.name == "google-staging")
        let own = try settings(["--staging"], Self.toml)
        #expect(own.directory.text == "https://test.internal.example/acme" && own.isDirectoryGiven)
        #expect(own.trustRoots(for: own.directory) == .file("/internal.pem") && own.ca.settings.accountKey == nil)
        let failure = #expect(throws: Failure.self) { try settings(["--staging", "--ca", "zerossl"]) }
        #expect(failure?.exitStatus == .usage && failure?.message.contains("no staging environment of zerossl") == true)
    }

    @Test func aCertificateHasItsOwnCAs() throws {
        func names(_ certificate: String, _ arguments: [String] = [], _ change: (inout Environment) -> Void = { _ in }) throws -> [String?]
        {
            let cas = try settings(arguments, Self.toml, change).cas(of: certificate)
            return [cas.first.name, cas.second?.name]
        }
        #expect(try names("www.example.org") == ["zerossl", "google"])
        #expect(try names("other.example.org") == ["internal", "letsencrypt"])
        // A second CA that is the first is none.
        #expect(try names("mail.example.org") == ["letsencrypt", nil])
        #expect(try names("www.example.org", ["--ca", "internal"]) == ["internal", "google"])
        #expect(try names("www.example.org") { $0.ca = "internal" } == ["internal", "google"])
        #expect(try settings([], Self.toml).cas(of: "www.example.org").first.settings.externalAccount == "zero")
    }

    @Test func whatNamesNoCAIsRefused() throws {
        #expect(throws: (any Error).self) { try GlobalOptions.parse(["--ca", "google", "--directory", "https://ca.example/dir"]) }
        let unknown = #expect(throws: Failure.self) { try settings(["--ca", "letsencript"]) }
        #expect(unknown?.exitStatus == .usage && unknown?.hint?.contains("letsencrypt") == true)
        let url = #expect(throws: Failure.self) { try settings(["--ca", "https://ca.example/dir"]) }
        #expect(url?.hint == "--directory takes a CA's URL")
        let name = #expect(throws: Failure.self) { try settings(["--directory", "zerossl"]) }
        #expect(name?.hint == "--ca zerossl")
        let variable = #expect(throws: Failure.self) { try settings { $0.ca = "x" } }
        #expect(variable?.exitStatus == .configuration)
        let both = #expect(throws: Failure.self) {
            try settings {
                $0.ca = "google"
                $0.directory = "https://ca.example/dir"
            }
        }
        #expect(both?.exitStatus == .configuration && both?.message == "ACME_CA and ACME_DIRECTORY both name the CA")
    }

    private func settings(_ change: (inout Environment) -> Void) throws -> Settings { try settings([], "", change) }

    @Test(arguments: [
        ("default-ca = \"x\"", "t.toml:1: \"default-ca\" names no CA: \"x\""),
        ("second-ca = \"x\"", "t.toml:1: \"second-ca\" names no CA: \"x\""),
        ("[[certificate]]\nname = \"a\"\nca = \"x\"", "t.toml:3: \"ca\" names no CA: \"x\""),
        (
            "default-ca = \"google\"\ndirectory = \"https://ca.example/dir\"",
            "t.toml:1: \"default-ca\" and \"directory\" both name the CA for new certificates"
        ),
        ("[[ca]]\ndirectory = \"https://ca.example/dir\"", "t.toml:1: the setting \"name\" is missing"),
        ("[[ca]]\nname = \"own\"", "t.toml:1: the CA \"own\" has no directory"),
        ("[[ca]]\nname = \"--own\"", "t.toml:2: \"name\" is refused: \"--own\""),
        ("[[ca]]\nname = \"google\"\n[[ca]]\nname = \"google\"", "t.toml:4: \"name\" occurs twice: google"),
        (
            "[[ca]]\nname = \"a\"\ndirectory = \"https://c.example/d\"\n[[ca]]\nname = \"b\"\ndirectory = \"https://c.example/d\"",
            "t.toml:6: \"directory\" is also that of the CA \"a\""
        ),
        ("[[ca]]\nname = \"a\"\ndirectory = \"http://c.example/d\"", "t.toml:3: \"directory\" is refused"),
        ("ca = \"google\"", "t.toml:1: \"ca\" must be written as [[ca]]"),
    ]) func errorsHaveAFileAndALine(toml: String, message: String) {
        let error = #expect(throws: ConfigurationError.self) {
            try SettingsFile(ConfigurationFile.parse(Array(toml.utf8), file: "t.toml"))
        }
        #expect(error?.description.hasPrefix(message) == true, "\(error?.description ?? "")")
    }

    @Test func messagesCallACAByItsName() throws {
        let output = Output(json: false, verbosity: .normal).naming(NamedCAs())
        let failure = Failure(IssuanceError.noAccount(directory: try ACMEURL("https://acme-v02.api.letsencrypt.org/directory")))
        let named = failure.with(output.given)
        #expect(named.message == "there is no account at letsencrypt (https://acme-v02.api.letsencrypt.org) yet")
        #expect(named.hint == "acme-agent account register --agree-tos --ca letsencrypt")
        // A URL that only begins like one, and an origin of two CAs.
        for text in [
            "https://acme-v02.api.letsencrypt.org.example", "https://acme-v02.api.letsencrypt.org:14000",
            "https://acme-v02.api.letsencrypt.org/acme/order/1", "https://acme.ssl.com",
        ] {
            #expect(output.given.named(text) == text)
        }
        #expect(output.given.named("https://acme.ssl.com/sslcom-dv-rsa") == "sslcom-rsa (https://acme.ssl.com/sslcom-dv-rsa)")
        #expect(output.given.named("https://pki.goog: x, https://acme.zerossl.com: y").hasSuffix("zerossl (https://acme.zerossl.com): y"))
        var given = output.given
        given.ca = ["--ca", "google", "--staging"]
        #expect(given.added(to: "acme-agent issue -d a") == "acme-agent issue --ca google --staging -d a")
        #expect(given.added(to: "acme-agent account register --ca zerossl") == "acme-agent account register --ca zerossl")
    }

    @Test func theListShowsAccountsAndLimits() async throws {
        let session = try CommandLineSession()
        try await session.store.save(
            StoredAccount(directory: ACMEURL("https://acme.zerossl.com/v2/DV90"), key: "k", url: ACMEURL("https://acme.zerossl.com/a/1")))
        let listed = try await session.run("acme-agent ca list")
        let lines = listed.output.split(separator: "\n").map(String.init)
        #expect(lines.first?.hasPrefix("NAME ") == true && listed.status == 0, "\(listed)")
        let standard = lines.first { $0.hasPrefix("letsencrypt (default) ") }
        #expect(standard?.contains("300 orders in 3 h, 5 failed validations of a name in 1 h") == true, "\(listed)")
        let other = lines.first { $0.hasPrefix("zerossl ") } ?? ""
        for word in [" yes ", " needed ", " sectigo.com "] { #expect(other.contains(word), "\(listed)") }
        let unnamed = try await session.run("acme-agent ca list --directory https://ca.example/dir")
        #expect(unnamed.output.contains("\n- (default) "), "\(unnamed)")
        let json = try await session.run("acme-agent ca list --json")
        #expect(json.output.contains("\"rateLimits\":{\"orders\":{\"count\":300,\"seconds\":10800}"), "\(json)")
    }
}
