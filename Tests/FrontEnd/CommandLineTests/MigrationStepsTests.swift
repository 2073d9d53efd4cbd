import ACME
import Glibc
import TestSupport
import Testing

@testable import acme_agent

/// What `migrate` says is to be done, and the grant and the CAs that it writes.
@Suite struct MigrationStepsTests {
    /// The comments without their line breaks.
    private func unwrapped(_ text: MigrationText) -> String { text.text.replacing("\n#   ", with: " ") }

    /// The steps are those of this installation and of the user who renews.
    @Test func theStepsAreComplete() throws {
        let fixture = try ForeignFixture()
        try fixture.certbot(
            "www", ["www.example.org"], "authenticator = webroot\nwebroot_path = /srv/w 100%,\nrenew_hook = systemctl reload nginx")
        try fixture.certbot(
            "zero", ["zero.example.org"], "authenticator = standalone\nserver = https://acme.zerossl.com/v2/DV90")
        let (text, _) = try fixture.read(.certbot, folder: "/etc/letsencrypt")
        let numbers = text.text.split(separator: "\n").compactMap { line in
            line.dropFirst(2).split(separator: ". ", maxSplits: 1).first.flatMap { Int($0) }
        }
        #expect(numbers == Array(1...9), "\(text.text)")
        for line in [
            "#      cp -p /etc/acme-agent/acme-agentd.toml /etc/acme-agent/acme-agentd.toml.new",
            "#      acme-agent migrate --state-directory /var/lib/acme-agent certbot /etc/letsencrypt --grant "
                + ">>/etc/acme-agent/acme-agentd.toml.new",
            "#      acme-agentd --config /etc/acme-agent/acme-agentd.toml.new --check-config "
                + "&& mv /etc/acme-agent/acme-agentd.toml.new /etc/acme-agent/acme-agentd.toml && systemctl reload acme-agentd",
            "#      acme-agent account register --agree-tos --ca letsencrypt",
            "#      acme-agent account register --agree-tos --ca zerossl --eab NAME",
            "#      [ ! -L '/srv/w 100%/.well-known' ] && [ ! -L '/srv/w 100%/.well-known/acme-challenge' ] "
                + "&& install -d -o acme-agent-client '/srv/w 100%/.well-known/acme-challenge'",
            "#      printf '%s\\n' '[Service]' 'ReadWritePaths=\"-/srv/w 100%%/.well-known/acme-challenge\"' "
                + ">/etc/systemd/system/acme-agent-renew.service.d/webroot-certbot-etc-letsencrypt.conf",
            "#      acme-agent apply --dry-run",
            "#      systemctl enable --now acme-agent-deploy.path acme-agent-deploy.timer",
            "#      systemctl enable --now acme-agent-renew.timer",
        ] {
            #expect(text.text.contains(line + "\n"), "\(line)\n\(text.text)")
        }
        // A store that is not that of the units.
        let second = try fixture.read(.certbot, folder: "/srv/certs-2/x").text
        #expect(second.text.contains(" >/etc/systemd/system/acme-agent-renew.service.d/webroot-certbot-srv-certs_2d2-x.conf\n"))
        #expect(second.grant.contains("\nname = \"certbot /srv/certs-2/x\"\n"))
        let anna = RenewingUser(name: "anna", keyPart: "anna", hasUnits: false)
        let other = try fixture.read(.certbot, user: anna).text
        #expect(!other.text.contains("systemctl enable") && unwrapped(other).contains("Have anna run `acme-agent renew --all` every hour"))
        let store = try ForeignFixture.settings("").stateDirectory
        for command in ["migrate", "account register", "apply"] {
            #expect(
                store.hasPrefix("/home/u/") && other.text.contains("#      acme-agent \(command) --state-directory \(store)"),
                "\(other.text)")
        }
        #expect(other.text.contains("#deploy-hook = ") && !other.text.contains("root-deploy-hook"), "\(other.text)")
        let root = try fixture.read(.certbot, user: RenewingUser(name: "root", keyPart: "root", hasUnits: false)).text
        #expect(unwrapped(root).contains("From root to acme-agent-client") && !root.text.contains("install -d"), "\(root.text)")
    }

    @Test func theGrantCoversWhatIsMoved() throws {
        let fixture = try ForeignFixture()
        try fixture.certbot("www", ["www.example.org", "192.0.2.1"], "authenticator = standalone")
        try fixture.certbot(
            "wild", ["*.example.net", "www.example.org"], "authenticator = standalone\nserver = https://ca.example:14000/dir")
        try fixture.certbot("none", ["y.example.org"], "authenticator = standalone\nserver = http://ca.example/")
        let text = try fixture.read(.certbot).text
        #expect(
            text.grant == """

                [[grant]]
                name = "certbot \(fixture.folder.path)"
                users = ["acme-agent-client"]
                keys = ["account-998-*", "none", "none-*", "wild", "wild-*", "www", "www-*"]
                operations = ["issue", "account", "create-key", "retire-key", "revoke-certificate"]
                identifiers = ["y.example.org", "*.example.net", "www.example.org", "192.0.2.1"]
                wildcards = true
                # Add the CA of none.
                cas = ["https://ca.example:14000", "https://acme-v02.api.letsencrypt.org"]

                """, "\(text.grant)")
        // What the configuration says of a CA counts, and a user who does not exist yet has no number.
        let unknown = RenewingUser(name: "acme-agent-client", keyPart: nil, hasUnits: true)
        let named = try fixture.read(
            .certbot, configuration: "directory = \"https://ca.example:14000/dir\"\naccount-key = \"account-ours\"\n", user: unknown
        ).text.grant
        #expect(named.contains("keys = [\"account-ours\", \"account-*\", "), "\(named)")
    }

    /// Two grants of one name are refused: what is printed leaves a configuration that was valid as it is.
    @Test func aRefusedGrantLeavesTheConfiguration() async throws {
        let session = try CommandLineSession(), fixture = try ForeignFixture()
        try fixture.certbot("www", ["www.example.org"], "authenticator = standalone")
        try session.folder.write(
            "acme-agentd.toml",
            """
            [[token]]
            name = "t"
            module = "/usr/lib/softhsm/libsofthsm2.so"
            uri = "pkcs11:token=t"
            pin-source = "/etc/acme-agent/hsm.pin"

            """, mode: 0o640)
        let step = """
            acme-agent migrate certbot '\(fixture.folder.path)' | sed -n 's/^#      //p' | grep acme-agentd.toml |
                sed "s#/etc/acme-agent/#$PWD/#g; s/ && systemctl.*//" >step && sh step && stat -c %a acme-agentd.toml
            """
        let first = try await session.run(step)
        #expect(first.status == 0 && first.output.hasSuffix("\n640\n"), "\(first)")
        #expect(first.output.contains("grant \"certbot \(fixture.folder.path)\""), "\(first)")
        #expect(try await session.run("cp acme-agentd.toml before").status == 0)
        let again = try await session.run(step)
        #expect(again.status == 78 && again.error.contains("is used by another grant"), "\(again)")
        #expect(try await session.run("cmp before acme-agentd.toml").status == 0)
    }

    /// Root runs the step for a user who has no store yet.
    @Test(.enabled(if: geteuid() == 0, "needs root")) func rootGrantsTheUserWhoRenews() async throws {
        let session = try CommandLineSession(), fixture = try ForeignFixture()
        try fixture.certbot("www", ["www.example.org"], "authenticator = standalone")
        let grant = try await session.run(
            "mkdir home && chown 41001 home && acme-agent migrate certbot '\(fixture.folder.path)' --grant --state-directory home/.local/acme"
        )
        #expect(grant.status == 0 && grant.output.contains("\nusers = [\"41001\"]\n"), "\(grant)")
        let roots = try await session.run("acme-agent migrate certbot '\(fixture.folder.path)' --grant --state-directory new/acme")
        #expect(roots.output.contains("\nusers = [\"root\"]\n"), "\(roots)")
    }

    /// Debian's packages install under another prefix.
    @Test func theHooksAreThoseThatAreInstalled() async throws {
        let session = try CommandLineSession(), fixture = try ForeignFixture()
        try fixture.certbot(
            "cloud", ["www.example.org"], "authenticator = dns-cloudflare\nrenew_hook = systemctl reload nginx")
        let printed = try await session.run(
            """
            mkdir -p own/bin own/share/doc/acme-agent && cp "$(command -v acme-agent)" own/bin/ &&
                touch own/share/doc/acme-agent/openssl-acme-agent.cnf && own/bin/acme-agent migrate certbot '\(fixture.folder.path)'
            """)
        let hooks = session.folder.file("own/share/acme-agent")
        #expect(printed.status == 6 && printed.output.contains("deploy-hook = \"\(hooks)/deploy-hooks/reload-nginx\"\n"), "\(printed)")
        #expect(printed.error.contains("\(hooks)/dns-hooks/acme-sh"), "\(printed)")
    }

    /// A part of its own would hide the settings that the CA has.
    @Test func aConfiguredCAIsNotWrittenAgain() throws {
        let fixture = try ForeignFixture(), directory = "https://ca.example:14000/dir"
        try fixture.certbot("www", ["www.example.org"], "authenticator = standalone\nserver = \(directory)")
        let general = "directory = \"\(directory)\"\nca-certificate = \"/etc/ca.pem\"\n"
        let text = try fixture.read(.certbot, configuration: general).text
        #expect(!text.text.contains("[[ca]]") && !text.text.contains("\nca = "), "\(text.text)")
        #expect(text.text.contains("#      acme-agent account register --agree-tos\n"), "\(text.text)")
        let all = try ForeignFixture.settings(general + text.text)
        #expect(all.cas(of: "www").first.directory.text == directory && all.cas(of: "www").first.settings.caCertificate == "/etc/ca.pem")
        // General settings that are for every CA go into its part.
        let every = "ca-certificate = \"/etc/ca.pem\"\nexternal-account = \"ours\"\n"
        let own = try ForeignFixture.settings(every + fixture.read(.certbot, configuration: every).text.text).cas(of: "www").first
        #expect(own.directory.text == directory && own.settings.caCertificate == "/etc/ca.pem")
        #expect(own.settings.externalAccount?.rawValue == "ours")
        let known = try fixture.read(.certbot, configuration: "[[ca]]\nname = \"ours\"\n" + general).text
        #expect(!known.text.contains("[[ca]]") && known.text.contains("\nca = \"ours\"\n"), "\(known.text)")
    }

    @Test func nothingToMoveHasNoSteps() throws {
        let fixture = try ForeignFixture()
        let (text, _) = try fixture.read(.acmeShell)
        #expect(text.text == "# Certificates of acme.sh in \(fixture.folder.path), which is unchanged.\n# There are none.\n")
        #expect(text.grant == "")
    }
}
