import ConfigurationFile
import Foundation
import SigningPolicy
import Testing

@testable import AgentService

@Suite struct ConfigurationTests {
    private static let token = """
        [[token]]
        name = "t"
        module = "/m.so"
        uri = "pkcs11:token=t"

        """

    private func read(_ text: String) throws(ConfigurationError) -> AgentConfiguration {
        try AgentConfiguration(ConfigurationFile.parse(Array(text.utf8), file: "acme-agentd.toml"))
    }

    /// The annotated file states the defaults in comments; the code must agree.
    @Test func theAnnotatedFileIsValidAndItsDefaultsAreTheCodes() throws {
        let path =
            URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().path
            + "/Config/acme-agentd.toml"
        let annotated = try AgentConfiguration(file: path)
        #expect(annotated.tokens.map(\.name) == ["hsm"])
        #expect(annotated.grants.map(\.name) == ["web"])
        let defaults = try read(ConfigurationTests.token)
        // Every commented-out setting before the first token, uncommented.
        var text = ""
        for line in try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n", omittingEmptySubsequences: false) {
            if line.hasPrefix("[[") { break }
            if line.hasPrefix("[") {
                text += line + "\n"
            } else if line.hasPrefix("#"), line.dropFirst().prefix(while: { $0.isLowercase || $0 == "-" }).count > 1, line.contains(" = ") {
                text += line.dropFirst() + "\n"
            }
        }
        let written = try read(text + ConfigurationTests.token)
        #expect(written.listeners.map(\.path) == defaults.listeners.map(\.path))
        #expect(written.listeners.map(\.mode) == defaults.listeners.map(\.mode))
        #expect(written.stateDirectory == defaults.stateDirectory)
        #expect(written.auditFile == defaults.auditFile)
        #expect(written.verification == defaults.verification)
        #expect(written.connectionsPerUser == defaults.connectionsPerUser)
        #expect(written.connections == defaults.connections)
        #expect(written.signingDeadline == defaults.signingDeadline)
        for setting in ["socket", "socket-mode", "state-directory", "verify-signatures", "connections", "signing-deadline-seconds", "file"]
        {
            #expect(text.contains("\(setting) = "), "the annotated file does not show \(setting)")
        }
        #expect(annotated.grants.first?.wildcards == false)
    }

    @Test(arguments: [
        ("socket = 1\n", 1, "must be a string"),
        ("sokcet = \"/x\"\n", 1, "is not a setting here"),
        ("\nsocket = \"relative\"\n", 2, "absolute"),
        ("socket = \"/\(String(repeating: "x", count: 200))\"\n", 1, "too long"),
        ("connections = 0\n", 1, "must be from"),
        ("socket-mode = \"0999\"\n", 1, "octal"),
        ("verify-signatures = \"none\"\n", 1, "fault-sensitive"),
        ("socket = \"/run/a.sock\\u0007b\"\n", 1, "control character"),
        ("socket = \"/x\nstate-directory = 1\n", 1, "is not closed"),
        ("socket = \"/a\"\nsocket = \"/b\"\n", 2, "twice"),
    ])
    func aFaultHasItsLine(_ text: String, _ line: Int, _ words: String) {
        do {
            _ = try read(text + ConfigurationTests.token)
            Issue.record("\(text) was taken")
        } catch {
            #expect(error.line == line, "\(error)")
            #expect(error.description.hasPrefix("acme-agentd.toml:\(line):"), "\(error)")
            #expect(error.message.contains(words), "\(error)")
        }
    }

    @Test(arguments: [
        ("name = \"g\"\noperations = [\"issue\"]\n", "neither users nor groups"),
        ("name = \"g\"\nusers = [0]\noperations = [\"everything\"]\n", "no such operation"),
        ("name = \"g\"\nusers = [\"root\\u0007x\"]\noperations = [\"issue\"]\n", "control characters"),
        ("name = \"g\"\nusers = [\"\"]\noperations = [\"issue\"]\n", "empty"),
        ("name = \"g\"\nusers = [4294967295]\noperations = [\"issue\"]\n", "cannot be a uid"),
        ("name = \"g\"\ngroups = [\"99999999999\"]\noperations = [\"issue\"]\n", "cannot be a uid"),
        ("name = \"g\"\nusers = [0]\noperations = [\"issue\"]\nidentifiers = [\"a*.example.org\"]\n", "identifiers"),
        ("name = \"g\"\nusers = [0]\noperations = [\"issue\"]\ncas = [\"http://ca.example\"]\n", "cas"),
        ("name = \"g\"\nusers = [0]\noperations = [\"issue\"]\nkeys = [\"*-web\"]\n", "keys"),
        (
            "name = \"g\"\nusers = [0]\noperations = [\"issue\", \"deactivate-authorization\"]\n",
            "gives \"deactivate-authorization\" without \"deactivate-account\""
        ),
        ("name = \"g\"\nusers = [0]\noperations = [\"account\"]\nexternal-accounts = [\"zero\"]\n", "not configured: \"zero\""),
    ])
    func aGrantThatMeansNothingIsAnError(_ grant: String, _ words: String) {
        do throws(ConfigurationError) {
            let configuration = try read(ConfigurationTests.token + "[[grant]]\n" + grant)
            var off: [OffEntry] = []
            _ = try SigningPolicy.Policy(configuration.grants, answers: [:], off: &off)
            Issue.record("\(grant) was taken")
        } catch {
            #expect(error.description.contains(words), "\(error)")
            #expect((error.line ?? 0) >= 5, "\(error)")
        }
    }

    @Test func theWeakerOfTwoOperationsOfOnePayloadIsAnErrorInItsLineWithAHint() throws {
        let grant = "[[grant]]\nname = \"g\"\nusers = [0]\noperations = [\"issue\", \"deactivate-authorization\"]\n"
        let lines = ConfigurationTests.token.split(separator: "\n", omittingEmptySubsequences: false).count - 1
        do throws(ConfigurationError) {
            var off: [OffEntry] = []
            _ = try SigningPolicy.Policy(read(ConfigurationTests.token + grant).grants, answers: [:], off: &off)
            Issue.record("it was taken")
        } catch {
            #expect(error.line == lines + 4, "\(error)")
            #expect(error.hint?.contains("grant both or neither") == true)
        }
    }

    @Test(arguments: [
        ("cas = [\"https://acme.example/directory\"]", "leave out the path: \"https://acme.example\"", nil),
        ("identifiers = [\"https://www.example.org/\"]", "identifiers", "an identifier is only the name: \"www.example.org\""),
        ("identifiers = [\"www.example.org:443\"]", "identifiers", "an identifier is only the name: \"www.example.org\""),
    ])
    func aURLInThePlaceOfANameIsAnsweredWithTheName(_ line: String, _ words: String, _ hint: String?) throws {
        let grant = "[[grant]]\nname = \"g\"\nusers = [0]\noperations = [\"issue\"]\n\(line)\n"
        do throws(ConfigurationError) {
            var off: [OffEntry] = []
            _ = try SigningPolicy.Policy(read(ConfigurationTests.token + grant).grants, answers: [:], off: &off)
            Issue.record("it was taken")
        } catch {
            #expect(error.message.contains(words), "\(error)")
            #expect(error.hint == hint)
        }
    }

    @Test func aFileThatIsNotThereIsSaidNotToBeThere() throws {
        let path = FileManager.default.temporaryDirectory.path + "/none-\(UUID().uuidString)"
        for path in [path, path + "/acme-agentd.toml"] {
            let error = #expect(throws: ConfigurationError.self) { try AgentConfiguration.bytes(ofProtectedFile: path) }
            #expect(error?.description == "\(path): there is no such file")
            #expect(error?.hint?.hasPrefix("write it after acme-agentd.toml in the documentation, an annotated example,") == true)
        }
    }

    @Test func grantsThatAllowNothingAreWarnedOf() throws {
        let grants = """
            [[grant]]
            name = "keyless"
            users = [0]
            operations = ["issue"]
            [[grant]]
            name = "no-ca"
            users = [0]
            keys = ["*"]
            operations = ["issue"]
            identifiers = ["*"]
            """
        let lines = ConfigurationTests.token.split(separator: "\n", omittingEmptySubsequences: false).count - 1
        let warnings = GrantWarning.all(try read(ConfigurationTests.token + grants).grants)
        #expect(
            warnings.map(\.description) == [
                "grant \"keyless\" (line \(lines + 4)) allows nothing: it has no \"keys\"",
                "grant \"no-ca\" (line \(lines + 9)) does not allow finalize, new-order, post-as-get, respond-to-challenge: it has no \"cas\"",
            ])
        #expect(warnings.map(\.lack.isAll) == [true, false])
    }

    @Test func checkConfigSaysInPlainWordsWhatAGrantAllows() throws {
        let grants = """
            [[grant]]
            name = "web"
            users = ["root", 1000]
            groups = ["acme-issuers"]
            keys = ["account-*", "www.example.org*", "fixed"]
            operations = ["finalize", "new-order", "read-audit", "revoke-certificate", "sign-certificate-request"]
            identifiers = ["www.example.org", "mail.example.org", "*.example.net", "192.0.2.0/24", "192.0.3.1"]
            wildcards = true
            cas = ["https://ca.example", "https://localhost:*"]
            [[grant]]
            name = "all"
            users = [0]
            keys = ["*"]
            operations = ["sign-handshake", "sign-server-key-exchange", "sign-client-handshake"]
            identifiers = ["*"]
            [[grant]]
            name = "accounts"
            users = [0]
            keys = ["web-*"]
            operations = ["new-account"]
            cas = ["https://ca.example"]
            rate = { handshakes-per-second = 5, handshake-burst = 9, orders-per-day = 1, new-keys-per-day = 2 }
            """
        let names =
            "www.example.org, mail.example.org, names with one label before example.net, addresses in 192.0.2.0/24, 192.0.3.1; wildcards too"
        let line = ConfigurationTests.token.split(separator: "\n", omittingEmptySubsequences: false).count + 1
        #expect(
            GrantSummary.all(try read(ConfigurationTests.token + grants).grants) == [
                """
                grant "web" (line \(line))
                  lets user root, user 1000, everybody in group acme-issuers
                  read the whole audit trail
                  with keys whose names begin with "account-", keys whose names begin with "www.example.org", the key fixed
                    sign certificate requests outside of orders
                      for \(names)
                    revoke certificates
                      at https://ca.example, https://localhost:*
                    order certificates, finalize orders
                      for \(names)
                      at https://ca.example, https://localhost:*
                  note: a certificate for mail.example.org needs --key: this grant does not cover its key "mail.example.org"
                  note: a certificate for *.example.net needs --key: this grant does not cover its key "wildcard_.example.net"
                  note: a certificate for an address in 192.0.2.0/24 needs --key: this grant does not cover its key "192.0.2.0"
                  note: a certificate for 192.0.3.1 needs --key: this grant does not cover its key "192.0.3.1"
                """,
                """
                grant "all" (line \(line + 9))
                  lets user 0
                  with every key
                    sign TLS 1.3 handshakes as the server, sign TLS 1.3 handshakes as a client, sign TLS 1.2 handshakes as the server
                """,
                """
                grant "accounts" (line \(line + 15))
                  lets user 0
                  with keys whose names begin with "web-"
                    register accounts
                      at https://ca.example
                  at most 5 handshakes a second, 9 at once; 1 order in 24 hours; 2 new keys in 24 hours
                  note: registering an account needs --key: this grant covers no key whose name begins with "account-"
                """,
            ])
    }

    @Test(arguments: [
        ("*.example.org", "wildcard_.example.org", nil), ("*.example.org", "wildcard_*", nil), ("*.example.org", "*", nil),
        ("*.example.org", "www*", "wildcard_.example.org"), ("*.example.org", "example.org*", "wildcard_.example.org"),
        ("2001:db8::1", "ipv6_.2001-db8--1", nil), ("2001:db8::1", "2001*", "ipv6_.2001-db8--1"),
        ("192.0.2.0/24", "192.0.2.*", nil), ("192.0.2.0/24", "192.0.2.1*", "192.0.2.0"), ("192.0.2.0/24", "192.0.2.0", "192.0.2.255"),
        ("192.0.2.128/25", "192.0.2.1*", "192.0.2.255"), ("2001:db8::/32", "ipv6_.2001-db8*", nil),
        ("2001:db8::/32", "web", "ipv6_.2001-db8--"), ("192.0.2.1/32", "192.0.2.1", nil), ("0.0.0.0/0", "web", "0.0.0.0"),
    ])
    func aKeyThatIsNotCoveredIsNamed(identifier: String, key: String, missing: String?) throws {
        let grant = """
            [[grant]]
            name = "web"
            users = [0]
            keys = ["\(key)"]
            operations = ["issue"]
            identifiers = ["\(identifier)"]
            wildcards = true
            """
        let summary = try #require(GrantSummary.all(try read(ConfigurationTests.token + grant).grants).first)
        #expect(summary.contains("needs --key") == (missing != nil), "\(summary)")
        if let missing { #expect(summary.contains("does not cover its key \"\(missing)\""), "\(summary)") }
    }

    /// A mistyped setting is reported, not the one that is missing because of it.
    @Test(arguments: [
        ("[[grant]]\nnmae = \"web\"\nusers = [0]\noperations = [\"issue\"]\n", "\"nmae\" is not a setting here", "\"name\""),
        ("[[grant]]\nname = \"web\"\nuser = [0]\noperations = [\"issue\"]\n", "\"user\" is not a setting here", "\"users\""),
        ("[[token]]\nname = \"u\"\nmodul = \"/m.so\"\nuri = \"pkcs11:token=u\"\n", "\"modul\" is not a setting here", "\"module\""),
        ("[[listen]]\npth = \"/s\"\n", "\"pth\" is not a setting here", "\"path\""),
        ("[[external-account]]\nnam = \"e\"\n", "\"nam\" is not a setting here", "\"name\""),
        ("[audit]\nfiel = \"x\"\n", "\"fiel\" is not a setting here", "\"file\""),
    ])
    func aMistypedSettingComesFirst(text: String, message: String, meant: String) {
        do {
            _ = try read(ConfigurationTests.token + text)
            Issue.record("\(text) was taken")
        } catch {
            #expect(error.message == message && error.hint?.contains(meant) == true, "\(error)")
        }
    }

    @Test func aMistypedTableComesBeforeTheMissingOne() {
        do {
            _ = try read(ConfigurationTests.token.replacing("[[token]]", with: "[[tokn]]"))
            Issue.record("it was taken")
        } catch { #expect(error.message == "\"tokn\" is not a setting here" && error.hint == "did you mean \"token\"?", "\(error)") }
    }

    /// They would bring code into the process that has the PIN, past the check of the module's own path.
    @Test(arguments: [
        "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "LD_DEBUG_OUTPUT", "LD_ANYTHING", "GLIBC_TUNABLES", "GCONV_PATH", "GETCONF_DIR",
        "HOSTALIASES", "LOCALDOMAIN", "LOCPATH", "MALLOC_TRACE", "NIS_PATH", "NLSPATH", "RESOLV_HOST_CONF", "RES_OPTIONS", "TMPDIR",
        "TZDIR",
    ])
    func aVariableThatLoadsForeignCodeIntoTheHelperIsAnErrorInItsLine(_ name: String) {
        do {
            _ = try read(ConfigurationTests.token + "[token.environment]\nSOFTHSM2_CONF = \"/s.conf\"\n\(name) = \"/tmp/evil.so\"\n")
            Issue.record("\(name) was taken")
        } catch {
            #expect(error.message.hasPrefix("\"\(name)\" decides what the C library"), "\(error)")
            #expect(error.line == 7 && error.hint?.contains("SOFTHSM2_CONF") == true, "\(error)")
        }
    }

    @Test(arguments: ["", "X=LD_PRELOAD", "A B", "1X", "Ä", "LD_PRELOAD=/tmp/evil.so"])
    func whatIsNoNameOfAVariableIsRefused(_ name: String) {
        do {
            _ = try read(ConfigurationTests.token + "environment = { \"\(name)\" = \"x\" }\n")
            Issue.record("\(name) was taken")
        } catch { #expect(error.message == "\"\(name)\" is not the name of an environment variable", "\(error)") }
    }

    @Test func aModulesOwnVariablesAreTaken() throws {
        let variables = ["SOFTHSM2_CONF": "/s.conf", "TPM2_PKCS11_STORE": "/s", "P11_KIT_SERVER_ADDRESS": "unix:path=/s", "_x1": "1"]
        let text = variables.map { "\($0.key) = \"\($0.value)\"" }.joined(separator: ", ")
        #expect(try read(ConfigurationTests.token + "environment = { \(text) }\n").tokens.first?.environment == variables)
    }

    @Test func aTokensNameIsCalledSo() {
        do {
            _ = try read(ConfigurationTests.token.replacing("\"t\"", with: "\"HSM\""))
            Issue.record("it was taken")
        } catch {
            #expect(error.message.hasPrefix("\"name\" is not a token's name: \"HSM\": it begins with"), "\(error)")
            #expect(error.hint == "did you mean \"hsm\"?")
        }
    }

    @Test func aURLAmongIdentifiersIsCalledSo() {
        let grant = "[[grant]]\nname = \"g\"\nusers = [0]\noperations = [\"issue\"]\nidentifiers = [\"https://www.example.org/\"]\n"
        do {
            var off: [OffEntry] = []
            _ = try SigningPolicy.Policy(read(ConfigurationTests.token + grant).grants, answers: [:], off: &off)
            Issue.record("it was taken")
        } catch {
            #expect("\(error)".contains("it is a URL, not a DNS name or an IP address"), "\(error)")
            #expect(error.hint == "an identifier is only the name: \"www.example.org\"")
        }
    }

    /// The names of the example can be ordered with the keys that `acme-agent` makes for them.
    @Test func theAnnotatedGrantCoversTheKeysOfItsNames() throws {
        let file =
            URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().path + "/Config/acme-agentd.toml"
        let settings = try AgentConfiguration(file: file).grants
        #expect(settings.count == 1 && settings[0].identifiers.allSatisfy { !$0.contains("*") })
        #expect(GrantSummary.all(settings).allSatisfy { !$0.contains("note:") })
    }

    @Test func aFolderThatCannotBeUsedIsNamed() throws {
        let folder = "/tmp/check-\(UUID().uuidString)"
        try #require(mkdir(folder, 0o700) == 0)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        #expect(FolderCheck.fault(folder) == nil && FolderCheck.fault(folder + "/not/there/yet") == nil)
        #expect(chmod(folder, 0o777) == 0)
        #expect(FolderCheck.fault(folder + "/below") == "\"\(folder)\" can be written by users other than its owner")
        #expect(chmod(folder, 0o700) == 0)
        try Data().write(to: URL(fileURLWithPath: folder + "/file"))
        #expect(FolderCheck.fault(folder + "/file") == "\"\(folder)/file\" is not a folder")
        #expect(FolderCheck.fault(folder + "/file/below")?.hasPrefix("\"\(folder)/file/below\" cannot be used") == true)
    }

    @Test func twoTokensOrGrantsOfOneNameAreAnError() {
        #expect(throws: ConfigurationError.self) { try read(ConfigurationTests.token + ConfigurationTests.token) }
        let grant = "[[grant]]\nname = \"g\"\nusers = [0]\noperations = [\"issue\"]\n"
        #expect(throws: ConfigurationError.self) { try read(ConfigurationTests.token + grant + grant) }
        #expect(throws: ConfigurationError.self) { try read("") }
    }

    @Test func aFileThatCannotHangTheStart() throws {
        let path = FileManager.default.temporaryDirectory.path + "/fifo-\(UUID().uuidString)"
        try #require(mkfifo(path, 0o600) == 0)
        defer { unlink(path) }
        #expect(throws: ConfigurationError.self) { try AgentConfiguration(file: path) }
    }
}
