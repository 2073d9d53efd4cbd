import ACME
import Foundation
import JOSE
import TestSupport
import Testing

@testable import acme_agent

/// What `migrate` makes of the installations of other tools. What it prints is read back as acme-agent.toml.
@Suite struct MigrateTests {
    private func entry(_ text: MigrationText, _ name: String) throws -> MigrationText.Entry {
        try #require(text.entries.first { $0.name.rawValue == name }, "\(text.text)")
    }

    private func settings(_ text: MigrationText, _ name: String) throws -> DeclaredCertificate {
        try #require(try ForeignFixture.settings(text.text).declared.first { $0.name.rawValue == name }, "\(text.text)")
    }

    /// The comments without their line breaks.
    private func unwrapped(_ text: MigrationText) -> String { text.text.replacing("\n#   ", with: " ") }

    @Test func certbotIsTakenOver() throws {
        let fixture = try ForeignFixture()
        let script = try fixture.write("copy", "#!/bin/sh\ncp \"$RENEWED_LINEAGE/privkey.pem\" /etc/haproxy/\n", mode: 0o755)
        try fixture.certbot(
            "www.example.org", ["www.example.org", "example.org"],
            """
            authenticator = webroot
            webroot_path = /var/www/html,
            server = https://acme-v02.api.letsencrypt.org/directory
            key_type = ecdsa
            elliptic_curve = secp384r1
            renew_hook = \(script) --all
            post_hook = "systemctl reload nginx, or not"
            preferred_chain = ISRG Root X1
            [[webroot_map]]
            www.example.org = /var/www/html
            example.org = /var/www/html
            """)
        try fixture.certbot(
            "mail", ["mail.example.org"],
            """
            authenticator = standalone
            http01_port = 8080
            http01_address = 2001:db8::1
            server = https://ca.internal.example:14000/dir
            key_type = rsa
            rsa_key_size = 4096
            must_staple = True
            """)
        try fixture.certbot(
            "two", ["a.example.org", "b.example.org"],
            """
            authenticator = certbot-plugin:webroot
            [[webroot_map]]
            a.example.org = /srv/a
            b.example.org = "/srv/b, too"
            """)
        try fixture.write("renewal-hooks/deploy/10-nginx", "systemctl reload nginx\n", mode: 0o755)
        let (text, installation) = try fixture.read(.certbot)
        #expect(installation.damaged.isEmpty && text.entries.allSatisfy(\.isComplete), "\(text.text)")
        let www = try settings(text, "www.example.org")
        #expect(
            www.identifiers.map(\.value) == ["www.example.org", "example.org"] && www.settings.challenges == [.webroot("/var/www/html")])
        #expect(www.settings.ca == "letsencrypt" && www.settings.keyType == .p384 && www.settings.preferredChain == "ISRG Root X1")
        #expect(www.settings.deployHooks == nil)
        let mail = try settings(text, "mail")
        #expect(try mail.settings.challenges == [.listener(ChallengeMethod.endpoints("[2001:db8::1]:8080"))])
        #expect(mail.settings.ca == "ca.internal.example-14000" && mail.settings.keyType == .rsa4096 && mail.settings.mustStaple == nil)
        let cas = try ForeignFixture.settings(text.text).cas
        #expect(cas.named("ca.internal.example-14000")?.directory.text == "https://ca.internal.example:14000/dir")
        // Two folders are two rules; the certificate says nothing else.
        let all = try ForeignFixture.settings(text.text)
        let two = try settings(text, "two"), own = all.certificate(named: "two", given: two.settings, remembered: CertificateSettings())
        #expect(
            own.methods(for: two.identifiers[0]) == [.webroot("/srv/a")]
                && own.methods(for: two.identifiers[1]) == [.webroot("/srv/b, too")])
        // Not in the file: as the certificate has it.
        #expect(two.settings.keyType == .p256 && two.settings.ca == "letsencrypt")
        // Hooks are named, and commented out; what reads the key is said.
        let hooks = try entry(text, "www.example.org").certificate.hooks
        #expect(hooks.map(\.kind) == ["deploy", "post"] && hooks.map(\.readsKey) == [true, false])
        #expect(hooks[1].command == "systemctl reload nginx, or not")
        #expect(
            unwrapped(text).contains("It reads the private key's file")
                && text.text.contains("#root-deploy-hook = \"/etc/acme-agent/reload\""))
        #expect(installation.hooks.map(\.command) == [fixture.folder.file("renewal-hooks/deploy/10-nginx")])
        #expect(text.text.contains("#must-staple = true") && !text.text.contains(ForeignFixture.secret))
        for line in [
            "the token", "apply --dry-run", "systemctl disable --now certbot.timer", "account register --agree-tos --ca letsencrypt",
        ] {
            #expect(unwrapped(text).contains(line), "\(text.text)")
        }
    }

    @Test func whatCertbotHasAndThisHasNotIsSaid() throws {
        let fixture = try ForeignFixture(), secret = ForeignFixture.secret
        let credentials = try fixture.write("cloudflare.ini", "dns_cloudflare_api_token = \(secret)\n")
        for (name, names, parameters) in [
            ("nginx", ["n.example.org"], "authenticator = nginx\ninstaller = nginx"),
            (
                "cloud", ["*.example.org", "example.org"],
                "authenticator = dns-cloudflare\ndns_cloudflare_credentials = \(credentials)\ndns_cloudflare_propagation_seconds = 90000"
            ),
            ("update", ["u.example.org"], "authenticator = dns-rfc2136\ndns_rfc2136_credentials = /etc/rfc2136.ini"),
            (
                "hook", ["*.h.example.org"],
                "authenticator = manual\npref_challs = dns-01,\nmanual_auth_hook = /etc/auth\nmanual_cleanup_hook = /etc/undo"
            ),
            ("shell", ["*.s.example.org"], "authenticator = manual\npref_challs = dns-01,\nmanual_auth_hook = /etc/auth --now"),
            ("by-hand", ["m.example.org"], "authenticator = manual"),
            ("http", ["p.example.org"], "authenticator = manual\nmanual_auth_hook = /etc/put\npref_challs = http-01,"),
            ("wild", ["*.w.example.org"], "authenticator = standalone"), ("address", ["192.0.2.1"], "authenticator = dns-rfc2136"),
            ("unknown", ["x.example.org"], "authenticator = own-thing"), ("none", ["y.example.org"], "server = http://ca.example/"),
            ("curve", ["c.example.org"], "authenticator = standalone\nkey_type = ecdsa\nelliptic_curve = secp521r1"),
        ] {
            try fixture.certbot(name, names, parameters)
        }
        let (text, installation) = try fixture.read(.certbot)
        #expect(installation.damaged.isEmpty && !text.text.contains(secret) && text.text.contains(credentials), "\(text.text)")
        // All but one are commented out.
        #expect(try ForeignFixture.settings(text.text).declared.map(\.name.rawValue) == ["curve"])
        for (name, words) in [
            ("nginx", "Set webroot to a folder"), ("cloud", "dns-hooks/acme-sh"), ("update", "The TSIG key is in /etc/rfc2136.ini"),
            ("hook", "uncomment the part after you have looked at it"), ("shell", "put the commands into a script"),
            ("by-hand", "proven by hand"), ("http", "acme-agent answers http-01 itself"), ("wild", "Only DNS can prove *.w.example.org"),
            ("address", "DNS cannot prove the address 192.0.2.1"), ("unknown", "nothing like certbot's plugin own-thing"),
            ("none", "no https URL: set ca"),
        ] {
            #expect(try entry(text, name).certificate.decisions.joined().contains(words), "\(name): \(text.text)")
        }
        #expect(try entry(text, "curve").certificate.notes.joined().contains("secp521r1"))
        #expect(try entry(text, "nginx").certificate.notes.joined().contains("`acme-agent deploy`"))
        // Uncommented, they are valid, once the one without a CA has one.
        let free = ForeignFixture.uncommented(text.text).replacing("\"NAME\"", with: "\"letsencrypt\"")
            .replacing("dns-hook = \"/etc/auth --now\"", with: "dns-hook = \"/etc/auth\"")
        let all = try ForeignFixture.settings(free)
        let hook = try #require(all.declared.first { $0.name.rawValue == "hook" })
        #expect(try hook.settings.challenges == [.dnsHook(DNSHook("/etc/auth", cleanup: "/etc/undo", hookProtocol: "certbot"))])
        #expect(all.declared.first { $0.name.rawValue == "cloud" }?.settings.dnsWait == 3600)
    }

    @Test func legoIsTakenOver() throws {
        let fixture = try ForeignFixture()
        // Version 4: the CA is only in the certificate's URL and in the folder of its account.
        try fixture.write("certificates/www.example.org.crt", try fixture.pem(["www.example.org", "example.org"]))
        try fixture.write("certificates/www.example.org.issuer.crt", try fixture.pem(["issuer.example.org"]))
        try fixture.write("certificates/www.example.org.key", ForeignFixture.secret)
        try fixture.write(
            "certificates/www.example.org.json",
            """
            {
            \t"domain": "www.example.org",
            \t"certUrl": "https://acme-v02.api.letsencrypt.org/acme/cert/04ab",
            \t"certStableUrl": "https://acme-v02.api.letsencrypt.org/acme/cert/04ab"
            }
            """)
        // Version 5: more about the certificate, and the CA in the account.
        try fixture.write("certificates/_.example.org.crt", try fixture.pem(["*.example.org"]))
        try fixture.write(
            "certificates/_.example.org.json",
            """
            {"id": "wild", "domains": ["*.example.org"], "keyType": "EC384", "profile": "tls", "preferredChain": "Root",
             "certUrl": "https://ca.example/cert/1", "certStableUrl": "", "origin": "configuration"}
            """)
        try fixture.write(
            "accounts/ca.example/a@example.org/account.json",
            "{\"id\": \"a\", \"email\": \"a@example.org\", \"keyType\": \"EC256\", \"server\": \"https://ca.example/dir\", \"registration\": {}}"
        )
        try fixture.write("certificates/odd.example.org.crt", try fixture.pem(["odd.example.org"]))
        try fixture.write("certificates/odd.example.org.json", "{\"certUrl\": \"https://odd.example:9000/c/1\", \"keyType\": \"RSA8192\"}")
        try fixture.write("certificates/bare.example.org.crt", try fixture.pem(["bare.example.org"]))
        let (text, installation) = try fixture.read(.lego)
        #expect(installation.damaged.isEmpty, "\(text.text)")
        #expect(text.entries.map(\.name.rawValue) == ["wildcard_.example.org", "bare.example.org", "odd.example.org", "www.example.org"])
        let www = try settings(text, "www.example.org")
        #expect(www.settings.ca == "letsencrypt" && www.settings.keyType == .p256 && www.settings.challenges == nil)
        let wild = try entry(text, "wildcard_.example.org")
        #expect(wild.ca == "ca.example" && wild.certificate.keyType == .p384 && !wild.isComplete)
        #expect(wild.certificate.decisions.joined().contains("A wildcard needs a way by DNS"))
        #expect(try entry(text, "odd.example.org").certificate.decisions.joined().contains("at a CA at odd.example:9000"))
        #expect(try entry(text, "bare.example.org").certificate.decisions.joined().contains("does not say at which CA"))
        #expect(text.text.contains("LEGO_CERT_KEY_PATH") && !text.text.contains(ForeignFixture.secret))
    }

    @Test func acmeShellIsTakenOver() throws {
        let fixture = try ForeignFixture(), secret = ForeignFixture.secret
        try fixture.write(
            "account.conf",
            "LOG_FILE='/x/acme.sh.log'\n#LOG_LEVEL=1\n\nSAVED_CF_Token='\(secret)'\nSAVED_CF_Account_ID='\(secret)'\nUSER_PATH='/bin'\n")
        try fixture.acmeShell(
            "www.example.org_ecc", "www.example.org",
            """
            Le_Alt='example.org,shop.example.org'
            Le_Webroot='/var/www/html,,alpn'
            Le_PreHook=''
            Le_PostHook=''
            Le_RenewHook=''
            Le_API='https://acme.zerossl.com/v2/DV90'
            Le_Keylength='ec-384'
            Le_NextRenewTime='1790000000'
            Le_RealKeyPath='/etc/nginx/key.pem'
            Le_ReloadCmd='\(ForeignFixture.base64("cat /etc/nginx/key.pem; systemctl reload nginx"))'
            Le_Preferred_Chain='\(ForeignFixture.base64("ISRG Root X1"))'
            """)
        try fixture.acmeShell(
            "www.example.org", "www.example.org",
            "Le_Alt='no'\nLe_Webroot='no'\nLe_API='https://acme.zerossl.com/v2/DV90'\nLe_Keylength='2048'\nLe_HTTPPort='88'")
        try fixture.acmeShell(
            "*.example.org_ecc", "*.example.org",
            "Le_Alt='no'\nLe_Webroot='dns_cf'\nLe_API='https://acme-v02.api.letsencrypt.org/directory'\nLe_DNSSleep='60'\n"
                + "SAVED_HAPROXY_PASSWORD='\(secret)'\nLe_DeployHook='haproxy'")
        for (name, webroot) in [
            ("by-hand", "dns"), ("nginx", "nginx:"), ("update", "dns_nsupdate"), ("persist", "dns_persist"), ("empty", ""),
        ] {
            try fixture.acmeShell("\(name).example.org_ecc", "\(name).example.org", "Le_Alt='no'\nLe_Webroot='\(webroot)'")
        }
        try fixture.write("dnsapi/dns_cf.sh", "#!/bin/sh\n")
        let (text, installation) = try fixture.read(.acmeShell)
        #expect(installation.damaged.isEmpty && !text.text.contains(secret), "\(text.text)")
        let all = try ForeignFixture.settings(text.text)
        #expect(Set(all.declared.map(\.name.rawValue)) == ["www.example.org", "www.example.org-2"], "\(text.text)")
        // Sorted by folder: the RSA certificate first.
        let rsa = try settings(text, "www.example.org")
        #expect(try rsa.settings.keyType == .rsa2048 && rsa.settings.challenges == [.listener(ChallengeMethod.endpoints("*:88"))])
        let www = try settings(text, "www.example.org-2")
        #expect(www.settings.keyType == .p384 && www.settings.ca == "zerossl" && www.settings.preferredChain == "ISRG Root X1")
        let own = all.certificate(named: "www.example.org-2", given: www.settings, remembered: CertificateSettings())
        #expect(own.methods(for: www.identifiers[1]) == [.webroot("/var/www/html")])
        #expect(try own.methods(for: www.identifiers[2]) == [.tlsListener(ChallengeMethod.endpoints("*:443"))])
        let hooks = try entry(text, "www.example.org-2").certificate.hooks
        #expect(hooks.map(\.command) == ["cat /etc/nginx/key.pem; systemctl reload nginx"] && hooks[0].readsKey)
        #expect(text.text.contains("#root-deploy-hook = \"/usr/local/share/acme-agent/deploy-hooks/reload-nginx\""))
        #expect(text.text.contains("--ca zerossl --eab NAME"))
        let wild = try entry(text, "wildcard_.example.org").certificate
        #expect(wild.decisions.joined().contains("SAVED_CF_Account_ID and SAVED_CF_Token"))
        #expect(wild.notes.joined(separator: " ").contains("haproxy") && wild.notes.joined().contains("SAVED_HAPROXY_PASSWORD"))
        #expect(wild.ways.flatMap(\.settings).map(\.line) == ["dns-hook = \"/etc/acme-agent/dns_cf\"", "dns-wait-seconds = 60"])
        for (name, words) in [
            ("by-hand", "set by hand"), ("nginx", "acme.sh's mode nginx"), ("update", "account.conf has none"),
            ("persist", "acme-agent persist"), ("empty", "does not say how"),
        ] {
            #expect(try entry(text, "\(name).example.org").certificate.decisions.joined().contains(words), "\(name): \(text.text)")
        }
    }

    @Test func damagedOnesHideNoOther() throws {
        let fixture = try ForeignFixture()
        let standalone = "authenticator = standalone"
        for name in ["good", "opened", "outside", "huge", "gone", "broken", "absolute"] {
            try fixture.certbot(name, ["\(name).example.org"], standalone)
        }
        let file = FileManager.default
        try file.setAttributes([.posixPermissions: 0o666], ofItemAtPath: fixture.folder.file("renewal/opened.conf"))
        let live = fixture.folder.file("live/outside/cert.pem")
        let elsewhere = try TemporaryFolder()
        try file.removeItem(atPath: live)
        try file.createSymbolicLink(atPath: live, withDestinationPath: try elsewhere.write("cert.pem", try fixture.pem(["o.example.org"])))
        try fixture.write("renewal/huge.conf", "[renewalparams]\n" + String(repeating: "#", count: 70_000))
        try file.removeItem(atPath: fixture.folder.file("archive/gone/cert3.pem"))
        try fixture.write("renewal/broken.conf", "[renewalparams]\nauthenticator = 'standalone\n")
        try fixture.write("renewal/empty.conf", "")
        try file.removeItem(atPath: fixture.folder.file("live/absolute/cert.pem"))
        try fixture.link("live/absolute/cert.pem", to: fixture.folder.file("archive/absolute/cert3.pem"))
        let (text, installation) = try fixture.read(.certbot)
        #expect(try ForeignFixture.settings(text.text).declared.map(\.name.rawValue) == ["absolute", "good"], "\(text.text)")
        let found = Dictionary(uniqueKeysWithValues: installation.damaged.map { ($0.name, $0.fault.reason) })
        for (name, reason) in [
            ("opened", "can be written by users other than its owner"), ("outside", "is a link that leads out of the folder"),
            ("huge", "larger than"), ("gone", "does not exist"), ("broken", "line 2: the quotes of a value have no end"),
            ("empty", "has no section [renewalparams]"),
        ] {
            #expect(found["renewal/\(name).conf"]?.contains(reason) == true, "\(name): \(found)")
        }
        #expect(found.count == 6 && text.text.contains("# Left out: renewal/broken.conf"))
        // The folder itself, and one on the way.
        try file.setAttributes([.posixPermissions: 0o777], ofItemAtPath: fixture.folder.file("renewal"))
        #expect(throws: Failure.self) { try fixture.read(.certbot) }
        try file.setAttributes([.posixPermissions: 0o777], ofItemAtPath: fixture.folder.path)
        let failure = #expect(throws: Failure.self) { try fixture.read(.certbot) }
        #expect(failure?.message.contains("can be written by users other than its owner") == true)
    }

    /// Whatever stands in the files, the result is a file of settings that are strings, and comments.
    @Test(arguments: [
        "\"\n[[certificate]]\nnames = [\"evil.example.org\"]\n", "'''\n\"\"\"\n", "$(touch /tmp/evil)`id`;&|", "--config=/etc/shadow",
        "\u{1B}]0;evil\u{07}\u{202E}\u{7F}\u{0}\r", "../../../etc/passwd", "\\u0041\\", "#\n#deploy-hook = \"/evil\"\n", "ä\u{1F600}",
    ]) func hostileValuesStayInert(value: String) throws {
        let fixture = try ForeignFixture()
        let plain = value.replacing("'", with: "’")
        try fixture.acmeShell(
            "www.example.org", "www.example.org",
            """
            Le_Alt='no'
            Le_Webroot='no'
            Le_API='https://acme-v02.api.letsencrypt.org/directory'
            Le_ReloadCmd='\(ForeignFixture.base64(value))'
            Le_Preferred_Chain='\(ForeignFixture.base64(value))'
            """)
        if !plain.contains("\n") {
            try fixture.acmeShell(
                "a.example.org", "a.example.org", "Le_Alt='no'\nLe_Webroot='/\(plain)'\nLe_Certificate_Profile='\(plain)'")
            try fixture.acmeShell("b.example.org", "b.example.org", "Le_Alt='\(plain)'")
        }
        let (text, installation) = try fixture.read(.acmeShell)
        let all = try ForeignFixture.settings(text.text)
        #expect(all.declared.first?.settings.preferredChain == value && all.declared.allSatisfy { $0.settings.deployHooks == nil })
        #expect(all.declared.map(\.name.rawValue).filter { !["a.example.org", "www.example.org"].contains($0) } == [], "\(text.text)")
        #expect(text.text.unicodeScalars.allSatisfy { $0 == "\n" || TerminalText.isSafe($0) })
        #expect(installation.damaged.map(\.name).filter { $0 != "b.example.org/b.example.org.conf" } == [])
        #expect(!FileManager.default.fileExists(atPath: "/tmp/evil"))
    }

    @Test func whatAShellWouldChangeIsRefused() throws {
        // What may reach into the next line, or is no setting.
        for line in ["A='x'y'", "A='x", "A=\"x\\\"", "A=$(id", "A=x\\", "A=$(cat <<E)", "A=`id", "A", "rm -rf /", "A B=x"] {
            #expect(throws: ForeignFault.self, "\(line)") { try AcmeShellFile("OK='1'\n\(line)\n") }
        }
        // Refused only when it is asked for.
        for line in ["A=$(id)", "A=\"`id`\"", "A='x'; id ''", "A=x y", "A=\"$HOME\"", "A='x'y", "export A=~"] {
            let file = try AcmeShellFile("OK='1'\n\(line)\n")
            #expect(try file.value("OK") == "1" && file.names(withPrefix: "A") == ["A"])
            let fault = #expect(throws: ForeignFault.self, "\(line)") { try file.value("A") }
            #expect(fault?.reason == "line 2: a value that a shell would change")
        }
        let file = try AcmeShellFile("  A='$(id) \\ \"x\"'\n#B='2'\nC=plain-1\nD=\"two words\"\nE=''\r\nexport F='6'")
        let values = try ["A", "B", "C", "D", "E", "F"].map { try file.value($0) }
        #expect(values == ["$(id) \\ \"x\"", nil, "plain-1", "two words", nil, "6"])
    }

    /// A setting that nobody needs, a hook and a strange folder lose no certificate.
    @Test func oneBadLineLosesNoCertificate() throws {
        let fixture = try ForeignFixture()
        try fixture.write("account.conf", "SAVED_X='1'\nrm -rf\n")
        try fixture.acmeShell(
            "www.example.org", "www.example.org",
            "Le_Alt='no'\nLe_Webroot='no'\nexport Le_API='https://acme-v02.api.letsencrypt.org/directory'\nOTHER=$(id)\n"
                + "Le_ReloadCmd=\"reload $X\"")
        try fixture.acmeShell("dns.example.org", "dns.example.org", "Le_Alt='no'\nLe_Webroot='dns_cf'")
        try fixture.acmeShell("bad.example.org", "bad.example.org", "Le_Alt=\"$X\"")
        try fixture.write("deploy/x.sh", "")
        try FileManager.default.setAttributes([.posixPermissions: 0o777], ofItemAtPath: fixture.folder.file("deploy"))
        let (text, installation) = try fixture.read(.acmeShell)
        #expect(installation.damaged.map(\.name) == ["account.conf", "bad.example.org/bad.example.org.conf"], "\(installation.damaged)")
        let www = try entry(text, "www.example.org")
        #expect(www.isComplete && www.certificate.notes.joined().contains("Le_ReloadCmd is not read: line"), "\(text.text)")
        #expect(try entry(text, "dns.example.org").certificate.decisions.joined().contains("account.conf could not be read"))
    }

    /// What freed a port for a listener is not run any more.
    @Test func aServerInTheWayIsADecision() throws {
        let fixture = try ForeignFixture()
        let listener = "authenticator = standalone\npre_hook = systemctl stop nginx\npost_hook = systemctl start nginx"
        try fixture.certbot("www", ["www.example.org"], listener)
        try fixture.certbot("root", ["root.example.org"], "authenticator = webroot\nwebroot_path = /srv/w,\npre_hook = /bin/true")
        let (text, _) = try fixture.read(.certbot)
        let www = try entry(text, "www")
        #expect(!www.isComplete && www.certificate.decisions.joined().contains("systemctl stop nginx"), "\(text.text)")
        // Its only hook after a renewal.
        #expect(text.text.contains("#root-deploy-hook = \"/usr/local/share/acme-agent/deploy-hooks/reload-nginx\""), "\(text.text)")
        let root = try entry(text, "root")
        #expect(root.isComplete && unwrapped(text).contains("/srv/w/.well-known/acme-challenge"))
        try fixture.write("renewal-hooks/pre/stop", "#!/bin/sh\n", mode: 0o755)
        try fixture.certbot("mail", ["mail.example.org"], "authenticator = standalone")
        #expect(try !entry(fixture.read(.certbot).0, "mail").isComplete)
    }

    /// The first part that covers a name counts.
    @Test func exactRulesStandBeforeWildcards() throws {
        let fixture = try ForeignFixture()
        try fixture.acmeShell(
            "example.org", "example.org",
            "Le_Alt='*.example.org,www.example.org'\nLe_Webroot='/srv/apex,dns_persist,/srv/www'\n"
                + "Le_API='https://acme-v02.api.letsencrypt.org/directory'")
        let (text, _) = try fixture.read(.acmeShell)
        let rules = try entry(text, "example.org").rules.map { $0.names.map(\.value) }
        #expect(rules == [["example.org"], ["www.example.org"], ["*.example.org"]])
        // Another certificate's name below the wildcard would get the wildcard's way.
        try fixture.acmeShell(
            "shop.example.org", "shop.example.org",
            "Le_Alt='shop.example.net'\nLe_Webroot='/srv/a,/srv/b'\nLe_API='https://acme-v02.api.letsencrypt.org/directory'")
        let shop = try entry(fixture.read(.acmeShell).text, "shop.example.org")
        #expect(shop.certificate.decisions.joined().contains("*.example.org in a [[challenge]] part above covers shop.example.org"))
    }

    @Test func configObjIsReadAsItsAuthorsWroteIt() throws {
        let file = try ConfigObjFile(
            """
            a = 1 # comment
            b = "x # y", 'z, z',  plain words ,
            # c = 3
            'd e' = ''
            f = '''two
            lines "and" 'quotes' '''
            [s]\t# comment
              g = %(a)s
              [["t t"]]
              h = None
            [u]
            """)
        #expect(file.values("a", in: []) == ["1"] && file.values("b", in: []) == ["x # y", "z, z", "plain words"])
        #expect(file.values("d e", in: []) == [""] && file.value("d e", in: []) == nil)
        #expect(file.values("f", in: []) == ["two\nlines \"and\" 'quotes' "])
        #expect(file.values("g", in: ["s"]) == ["%(a)s"] && file.value("h", in: ["s", "t t"]) == nil && file.sections[["u"]] == [:])
        for (text, line) in [
            ("a", 1), ("\n= 1", 2), ("[a", 1), ("[[a]]", 1), ("[a] b", 1), ("a = \"x", 1), ("a = 'x' y", 1), ("a = '''x\n\n", 1),
            ("a=1\na=2", 2),
            ("[a]\n[a]", 2),
        ] {
            let fault = #expect(throws: ForeignFault.self, "\(text)") { try ConfigObjFile(text) }
            #expect(fault?.reason.hasPrefix("line \(line): ") == true, "\(fault?.reason ?? "")")
        }
    }

    @Test func theProgramPrintsWhatApplyReads() async throws {
        let session = try CommandLineSession(), fixture = try ForeignFixture()
        try fixture.certbot("www", ["www.example.org"], "authenticator = standalone\nrenew_hook = systemctl reload nginx")
        let printed = try await session.run(
            "acme-agent migrate certbot '\(fixture.folder.path)' >>acme-agent.toml && acme-agent apply --dry-run")
        // There is no account yet: step 2 of the printed text.
        #expect(printed.status == 1 && printed.error.contains("error: www: there is no account at "), "\(printed)")
        let json = try await session.run("acme-agent apply --dry-run --json")
        #expect(json.output.contains(#""certificates":[{"name":"www","action":"issue","reasons":["missing"]}]"#), "\(json)")
        let written = try await session.run("acme-agent migrate certbot '\(fixture.folder.path)/' --out m.toml; stat -c %a m.toml")
        #expect(written.status == 0 && written.output == "wrote m.toml\n644\n", "\(written)")
        let again = try await session.run("acme-agent migrate certbot '\(fixture.folder.path)' --out m.toml")
        #expect(again.status == 64 && again.error.contains("\"m.toml\" exists; nothing was written"), "\(again)")
        let grant = try await session.run("acme-agent migrate certbot '\(fixture.folder.path)' --grant")
        #expect(grant.status == 0 && grant.output.hasPrefix("\n[[grant]]\nname = \"certbot \(fixture.folder.path)\"\n"), "\(grant)")
        let both = try await session.run("acme-agent migrate certbot --grant --out x.toml")
        #expect(both.status == 64 && both.error.contains("cannot be combined"), "\(both)")
        try fixture.certbot("nginx", ["n.example.org"], "authenticator = nginx")
        let unclear = try await session.run("acme-agent migrate certbot '\(fixture.folder.path)' --json")
        #expect(unclear.status == 6 && unclear.error.contains("warning: nginx: commented out"), "\(unclear)")
        #expect(
            unclear.output.hasPrefix("{\"tool\":\"certbot\",")
                && unclear.output.contains("\"name\":\"nginx\",\"names\":[\"n.example.org\"]"))
        #expect(unclear.output.contains("\"complete\":false") && unclear.output.contains("\"readsKey\":false"), "\(unclear)")
        try fixture.write("renewal/broken.conf", "x")
        let damaged = try await session.run("acme-agent migrate certbot '\(fixture.folder.path)'")
        #expect(damaged.status == 1 && damaged.error.contains("renewal/broken.conf is left out: line 1"), "\(damaged)")
        #expect(damaged.output.contains("[[certificate]]"))
        let missing = try await session.run("acme-agent migrate lego; mkdir .acme.sh && acme-agent migrate acme.sh")
        #expect(
            missing.status == 0 && missing.error.contains("/.lego\"") && missing.error.contains("has no certificates of acme.sh"),
            "\(missing)")
        let unknown = try await session.run("acme-agent migrate dehydrated")
        #expect(unknown.status == 64, "\(unknown)")
    }
}
