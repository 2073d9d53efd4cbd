import ACME
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
        let (text, _) = try fixture.read(.certbot)
        let numbers = text.text.split(separator: "\n").compactMap { line in
            line.dropFirst(2).split(separator: ". ", maxSplits: 1).first.flatMap { Int($0) }
        }
        #expect(numbers == Array(1...9), "\(text.text)")
        for line in [
            "#      acme-agent migrate certbot \(fixture.folder.path) --grant >>/etc/acme-agent/acme-agentd.toml",
            "#      acme-agent account register --agree-tos --ca letsencrypt",
            "#      acme-agent account register --agree-tos --ca zerossl --eab NAME",
            "#      install -d -o acme-agent-client '/srv/w 100%/.well-known/acme-challenge'",
            "#      printf '%s\\n' '[Service]' 'ReadWritePaths=\"/srv/w 100%%/.well-known/acme-challenge\"' "
                + ">/etc/systemd/system/acme-agent-renew.service.d/webroot.conf",
            "#      systemctl enable --now acme-agent-deploy.path acme-agent-deploy.timer",
            "#      systemctl enable --now acme-agent-renew.timer",
        ] {
            #expect(text.text.contains(line + "\n"), "\(line)\n\(text.text)")
        }
        // A store that is not that of the units.
        let anna = RenewingUser(name: "anna", keyPart: "anna", hasUnits: false)
        let other = try fixture.read(.certbot, user: anna).text
        #expect(!other.text.contains("systemctl enable") && unwrapped(other).contains("Have anna run `acme-agent renew --all` every hour"))
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
                name = "certbot"
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
