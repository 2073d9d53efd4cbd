import ArgumentParser
import Testing

@testable import acme_agent

/// What the command line accepts and refuses.
@Suite struct CommandLineTests {
    private func parse(_ line: String) throws -> any ParsableCommand {
        try AcmeAgent.parseAsRoot(line.split(separator: " ").map(String.init))
    }

    private func refusal(_ line: String) -> Failure? {
        do {
            _ = try parse(line)
            return nil
        } catch {
            return CommandLineFailure.failure(error, arguments: line.split(separator: " ").map(String.init))
        }
    }

    @Test(arguments: [
        "account register --agree-tos --email a@example.org --eab zerossl --key account-x",
        "account show", "account update --email b@example.org", "account update --no-contact", "account deactivate --yes",
        "issue -d www.example.org -d 192.0.2.1 -d 2001:db8::1 --name web --http01-address 127.0.0.1:5002 --http01-address [::1]:5002",
        "issue -d www.example.org --tls-alpn01-address *:443 --tls-alpn01-address [::1]:5003 --http01-address *:80",
        "issue -d *.example.org --dns-persist --dns-resolver ::1",
        "persist example.org www.example.org --wildcard --until 2027-12-31 --json",
        "persist *.example.org --issuer ca.example --set --dns-update ns1.example.org --dns-key update.key --dns-resolver ::1",
        "issue -d *.example.org --dns-update auto --dns-key update.key --dns-resolver 127.0.0.1:5353 --dns-wait 90",
        "challenge test www.example.org 192.0.2.1 --webroot /var/www --json", "challenge test a.example --dns-update auto --dns-wait 90",
        "issue -d *.example.org --dns-hook /etc/hook --hook-protocol lego-raw --dns-challenge dns-account-01",
        "renew a.example --dns-hook /etc/hook --hook-protocol certbot --dns-cleanup-hook /etc/undo",
        "issue -d *.example.org --dns-hook /etc/hook --dns-wait 30 --deploy-hook reload --key-type rsa-2048 --new-key --old-key keep",
        "issue -d www.example.org --webroot /var/www --profile shortlived --preferred-chain Root --must-staple --token hsm",
        "issue -d www.example.org --force --expand --no-must-staple --reset-settings", "issue -d www.example.org --replace-names",
        "renew www.example.org other.example.org --force", "renew --all --new-key",
        "revoke www.example.org --reason keyCompromise --by-certificate-key", "list --json", "forget www.example.org --yes",
        "show www.example.org --format p7b --out /tmp/x", "keys create web --usage certificate --algorithm P-384",
        "keys create web --key-type P-384", "keys adopt pkcs11:object=web --name web", "keys list", "keys show web --format jwk",
        "keys retire web --yes", "keys delete web --yes --force", "audit verify /var/log/audit --expect 1:ab --partial",
        "audit tail -n 5 -f", "audit tail -n 10000", "audit show --correlation 4711-12-3",
        "audit show --correlation 4711-12 /var/log/audit",
        "status --quiet",
    ]) func takes(line: String) throws {
        let command = try parse(line)
        #expect(command is any AgentCommand, "\(line)")
    }

    @Test func globalOptionsStandBeforeOrBehindTheCommand() throws {
        for line in ["--json --socket /a list", "list --json --socket /a", "--json list --socket /a"] {
            let command = try #require(try parse(line) as? List)
            #expect(command.options.json, "\(line)")
            #expect(command.options.socket == "/a", "\(line)")
        }
        let nested = try #require(try parse("--verbose keys --socket /a list") as? KeysList)
        #expect(nested.options.verbose)
        #expect(nested.options.socket == "/a")
    }

    private static let notACorrelation = "--correlation must be two or three numbers with - between them, such as 4711-12-3"

    @Test(arguments: [
        ("issue", "a certificate needs a name: -d NAME"),
        ("issue -d a.example --expand --replace-names", "--expand and --replace-names cannot be combined"),
        ("renew", "which certificates? NAME or --all"),
        ("renew --all www.example.org", "--all and names cannot be combined"),
        ("account update", "--email ADDRESS, --no-contact or --agree-tos is needed"),
        ("list --quiet --verbose", "--quiet and --verbose cannot be combined"),
        ("audit tail -n 10001", "-n must be from 0 to 10000"), ("audit show --correlation 5", notACorrelation),
        ("audit show --correlation 5--3", notACorrelation), ("audit show --correlation 5-+3", notACorrelation),
        ("audit show --correlation 1-2-3-4", notACorrelation),
        ("--bogus", "unknown option '--bogus'"),
        ("revoke", "missing expected argument '<name>'"),
    ]) func refuses(line: String, message: String) throws {
        let failure = try #require(refusal(line))
        #expect(failure.message == message)
        #expect(failure.exitStatus == .usage)
        #expect(failure.hint?.hasPrefix("usage: acme-agent") == true)
    }

    @Test(arguments: [
        ("isue -d www.example.org", "there is no command \"acme-agent isue\"", "did you mean `acme-agent issue`?"),
        ("--json stauts", "there is no command \"acme-agent stauts\"", "did you mean `acme-agent status`?"),
        ("keys lst", "there is no command \"acme-agent keys lst\"", "did you mean `acme-agent keys list`?"),
        (
            "account registr --agree-tos", "there is no command \"acme-agent account registr\"",
            "did you mean `acme-agent account register`?"
        ),
        ("frobnicate", "there is no command \"acme-agent frobnicate\"", "commands: issue, renew"),
        ("issue --domains www.example.org", "unknown option '--domains'", "did you mean `--domain` (-d)?"),
        ("issue -d www.example.org --domian b.example.org", "unknown option '--domian'", "did you mean `--domain`?"),
        ("issue -d www.example.org --email a@example.org", "unknown option '--email'", "acme-agent account register --email"),
        ("revoke www.example.org --dry-run", "unknown option '--dry-run'", "there is no dry run"),
        ("list --webrot /a", "unknown option '--webrot'", "usage: acme-agent list"),
        ("revok www.example.org", "there is no command \"acme-agent revok\"", "did you mean `acme-agent revoke`?"),
        ("revok www.example.org other.example.org", "there is no command \"acme-agent revok\"", "did you mean `acme-agent revoke`?"),
        ("keys delet x", "there is no command \"acme-agent keys delet\"", "did you mean `acme-agent keys delete`?"),
        ("renew --al", "unknown option '--al'", "did you mean `--all`?"),
        ("renew www.example.org --forc", "unknown option '--forc'", "did you mean `--force`?"),
        ("list --state /a", "unknown option '--state'", "did you mean `--state-directory`?"),
        ("show www.example.org --fromat=pem", "unknown option '--fromat'", "did you mean `--format`?"),
        ("list --all", "unknown option '--all'", "did you mean `acme-agent renew --all`?"),
        ("issue www.example.org", "\"www.example.org\" needs -d", "did you mean `acme-agent issue -d www.example.org`?"),
        ("issue a.example b.example", "each name needs -d", "did you mean `acme-agent issue -d a.example -d b.example`?"),
        ("issue -d a.example b.example --quiet", "\"b.example\" needs -d", "did you mean `acme-agent issue -d a.example -d b.example`?"),
        ("issue --key web --quiet a.example", "\"a.example\" needs -d", "did you mean `acme-agent issue -d a.example`?"),
        ("renew -d www.example.org", "unknown option '-d'", "did you mean `acme-agent renew www.example.org`?"),
        ("renew a.example --domain b.example", "unknown option '--domain'", "did you mean `acme-agent renew b.example a.example`?"),
        ("revoke -d www.example.org", "unknown option '-d'", "did you mean `acme-agent revoke www.example.org`?"),
        ("show -d www.example.org --json", "unknown option '-d'", "did you mean `acme-agent show www.example.org`?"),
        ("forget --yes -d www.example.org", "unknown option '-d'", "did you mean `acme-agent forget www.example.org`?"),
        ("list www.example.org", "unexpected argument 'www.example.org'", "did you mean `acme-agent show www.example.org`?"),
    ]) func whatWasMeantIsSuggested(line: String, message: String, hint: String) throws {
        let failure = try #require(refusal(line))
        #expect(failure.message == message)
        #expect(failure.hint?.contains(hint) == true, "\(failure)")
        #expect(failure.exitStatus == .usage)
    }

    @Test(arguments: [
        ("help nope", "there is no command \"acme-agent nope\"", "commands: issue, renew"),
        ("help issu", "there is no command \"acme-agent issu\"", "did you mean `acme-agent issue`?"),
        ("help keys lst", "there is no command \"acme-agent keys lst\"", "did you mean `acme-agent keys list`?"),
        ("issu --help", "there is no command \"acme-agent issu\"", "did you mean `acme-agent issue`?"),
    ]) func helpForWhatIsNotThereIsRefused(line: String, message: String, hint: String) async throws {
        let session = try CommandLineSession()
        let outcome = try await session.run("acme-agent \(line)")
        #expect(outcome.status == 64 && outcome.output.isEmpty, "\(outcome)")
        #expect(outcome.error.contains(message) && outcome.error.contains(hint), "\(outcome)")
    }

    @Test(arguments: ["help", "help issue", "help keys list", "--help", "issue --help", "show www.example.org -h", "keys"])
    func helpIsNoFailure(line: String) async throws {
        let outcome = try await CommandLineSession().run("acme-agent \(line)")
        #expect(outcome.status == 0 && outcome.error.isEmpty, "\(outcome)")
    }

    @Test(arguments: [
        ("http://www.example.org", "is a URL", "-d www.example.org"), ("http://www.example.org/", "is a URL", "-d www.example.org"),
        ("http://www.example.org:80", "is a URL", "-d www.example.org"), ("HTTP://www.example.org/a?b", "is a URL", "-d www.example.org"),
        ("ftp://a@www.example.org", "is a URL", "-d www.example.org"), ("https://[2001:db8::1]:443/", "is a URL", "-d 2001:db8::1"),
        ("[::1]", "is in brackets", "-d ::1"), ("[::1]:80", "has a port", "-d ::1"), ("192.0.2.1:80", "has a port", "-d 192.0.2.1"),
        ("*.example.org:443", "has a port", "-d *.example.org"), ("https://bücher.example/", "is a URL", "-d xn--bcher-kva.example"),
        ("a.example.org b.example.org", "contains a space", "-d a.example.org,b.example.org"),
        ("https://", "cannot be in a certificate", ""), ("a b..c", "cannot be in a certificate", ""),
        ("https://www.example.org/", "is a URL", "-d www.example.org"), ("www.example.org:443", "has a port", "-d www.example.org"),
        ("www.example.org/path", "has a path", "-d www.example.org"), ("a.example,", "a name is missing", "-d NAME"),
        ("2001:db8::zz", "is not an IP address", ""),
    ]) func whatIsNoNameIsCalledByItsName(text: String, what: String, hint: String) {
        do {
            _ = try acme_agent.Issue.identifiers([text])
            Testing.Issue.record("taken")
        } catch {
            #expect(error.message.contains(what), "\(error.message)")
            #expect(hint.isEmpty || error.hint?.contains(hint) == true, "\(error)")
        }
    }

    @Test func spacesAfterCommasAreFine() throws {
        #expect(
            try acme_agent.Issue.identifiers(["a.example, b.example ,c.example"]).map(\.value) == ["a.example", "b.example", "c.example"])
        #expect(
            Arguments.joined(["issue", "-d", "a.example,", "b.example,", "c.example", "--quiet"]) == [
                "issue", "-d", "a.example,b.example,c.example", "--quiet",
            ])
        #expect(Arguments.joined(["issue", "-d", "a.example,", "--quiet"]) == ["issue", "-d", "a.example,", "--quiet"])
        #expect(Arguments.joined(["show", "a,", "b"]) == ["show", "a,", "b"])
    }

    @Test(arguments: [
        ("show www --out ''", "--out"), ("show www --out=", "--out"), ("--config '' list", "--config"), ("list --config ''", "--config"),
        ("issue -d www.example.org --preferred-chain ''", "--preferred-chain"), ("issue -d ''", "-d"), ("issue --domain=", "--domain"),
        ("issue -d a.example --profile ''", "--profile"), ("issue -d a.example --name ''", "--name"), ("list --socket ''", "--socket"),
        ("issue -d a.example --deploy-hook ''", "--deploy-hook"), ("issue -d a.example --token ''", "--token"),
        ("renew --all --webroot ''", "--webroot"), ("list --state-directory ''", "--state-directory"),
        ("list --directory ''", "--directory"),
        ("list --ca-certificate ''", "--ca-certificate"), ("account register --email ''", "--email"),
        ("account register --eab ''", "--eab"),
        ("keys adopt pkcs11:object=a --name ''", "--name"), ("audit tail -n ''", "-n"), ("revoke www --reason ''", "--reason"),
        ("keys create web --token ''", "--token"), ("issue -d a.example --timings ''", "--timings"),
        ("issue -d a.example --http01-address ''", "--http01-address"), ("issue -d a.example --dns-hook ''", "--dns-hook"),
        ("audit verify --expect ''", "--expect"),
    ]) func anEmptyValueIsRefusedByTheOptionsName(line: String, option: String) async throws {
        let outcome = try await CommandLineSession().run("acme-agent \(line)")
        #expect(outcome.status == 64 && outcome.error.contains("the value of \(option) is empty"), "\(outcome)")
    }

    /// What the parser refuses has no parsed options; the command in its hint needs them all the same.
    @Test(arguments: [
        ("--state-directory /var/tmp/s isue -d a.example", "did you mean `acme-agent issue --state-directory /var/tmp/s`?"),
        ("issue --config='a b.toml' --socket /s www.example.org", "acme-agent issue --config 'a b.toml' --socket /s -d www.example.org"),
        ("renew --directory https://ca.example/dir -d a.example", "did you mean `acme-agent renew a.example`?"),
        ("issue --directory https://ca.example/dir a.example", "acme-agent issue --directory https://ca.example/dir -d a.example"),
        ("renew --socket /s", "usage: acme-agent renew [<options>] [<name> ...]"),
    ]) func hintsForMistypedCommandsRepeatTheGivenOptions(line: String, hint: String) async throws {
        let outcome = try await CommandLineSession().run("acme-agent \(line)")
        #expect(outcome.status == 64 && outcome.error.contains(hint), "\(outcome)")
    }

    @Test(arguments: [["list", "--json", ""], ["show", "a", "--", "--out", ""], ["---completion", "show", "--out", ""], ["show", ""]])
    func whatIsNoEmptyValueIsLeftToOthers(words: [String]) throws { try CommandLineFailure.refuseEmptyValues(words) }

    @Test func unknownFormatsAreNamedWithTheKnownOnes() throws {
        let failure = try #require(refusal("show x --format doc"))
        #expect(failure.message.contains("doc"))
        #expect(!failure.message.hasSuffix("."))
        #expect(!failure.message.contains("\n"))
    }

    @Test(arguments: [
        ("Missing expected argument '<name>'.", "missing expected argument '<name>'"), ("ACME is capitals", "ACME is capitals"),
        ("", "the command line cannot be understood"),
        ("Two\n  lines.", "two lines"),
    ]) func sentences(text: String, expected: String) { #expect(CommandLineFailure.sentence(text) == expected) }

    @Test func identifiersAreCanonicalAndSingle() throws {
        let identifiers = try Issue.identifiers(["WWW.Example.org", "www.example.org,192.0.2.1", "2001:DB8:0::1"])
        #expect(identifiers.map(\.value) == ["www.example.org", "192.0.2.1", "2001:db8::1"])
        #expect(throws: Failure.self) { try Issue.identifiers(["a..b"]) }
        #expect(throws: Failure.self) { try Issue.identifiers(["a.example,"]) }
    }

    @Test func theKeysNameIsTheObjectOfItsURI() {
        #expect(KeysAdopt.object(of: "pkcs11:token=web;object=www;type=private") == "www")
        #expect(KeysAdopt.object(of: "pkcs11:object=a%20b") == nil)
        #expect(KeysAdopt.object(of: "pkcs11:token=web?object=no") == nil)
        #expect(KeysAdopt.object(of: "pkcs11:object=") == nil)
    }
}
