import Foundation
import Glibc
import TestSupport
import Testing

@testable import acme_agent

/// `acme-agent deploy`, as far as it needs no server. Tests/Sandbox/deploy follows its steps with real ones.
@Suite struct DeployTests {
    @Test func everyServerHasItsSteps() async throws {
        let session = try CommandLineSession()
        try await session.install("www.example.org", more: ["example.org"])
        for server in ServerKind.allCases {
            let outcome = try await session.run("acme-agent deploy \(server.rawValue) www.example.org --user root --group daemon --json")
            #expect(outcome.status == 0, "\(outcome)")
            let json = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
            let deploy = try #require(json["deploy"] as? [String: Any]), steps = try #require(deploy["steps"] as? [[String: Any]])
            #expect(steps.map { $0["name"] as? String } == ["provider", "socket", "grant", "server", "hook", "effect", "check"])
            // Nothing is left to fill in.
            #expect(!outcome.output.contains("{certificate}") && !outcome.output.contains("{key}") && !outcome.output.contains("{name}"))
            let hook = try #require(steps[4]["commands"] as? [String])
            #expect(hook[0].contains("-d www.example.org -d example.org --deploy-hook"), "\(hook)")
            #expect(hook[0].hasSuffix("/deploy-hooks/reload-\(server.rawValue)"), "\(hook)")
            // For TLS 1.2 something takes the place of a line or a command that is there.
            for (index, words) in [(2, "sign-server-key-exchange"), (3, "1.2")] {
                let variant = try #require(steps[index]["variant"] as? [String: Any])
                let replaced = try #require(variant["replaced"] as? String), text = try #require(variant["text"] as? String)
                #expect(text.contains(words), "\(variant)")
                let files = steps[index]["files"] as? [[String: Any]] ?? [], commands = steps[index]["commands"] as? [String] ?? []
                let lines = files.compactMap { $0["text"] as? String }.flatMap { $0.split(separator: "\n") }
                let isCommand = try #require(variant["isCommand"] as? Bool)
                let isThere = isCommand ? commands.last == replaced : lines.contains { $0.hasPrefix(replaced + " ") }
                #expect(isThere, "\(steps[index])")
            }
            // The configuration is tested before the server ends.
            let effect = try #require(steps[5]["commands"] as? [String])
            #expect(effect.suffix(2).first?.hasPrefix("OPENSSL_CONF=") == true && effect.last?.hasPrefix("systemctl restart") == true)
        }
    }

    /// The hooks that `deploy` names are there, run systemctl, and do not start a server that does not run.
    @Test(arguments: ServerKind.allCases) func theHooksAreThere(_ server: ServerKind) async throws {
        let session = try CommandLineSession()
        let certificate = try await session.install("www.example.org")
        let hooks = FileManager.default.currentDirectoryPath + "/Config/deploy-hooks"
        try session.folder.write("systemctl", "#!/bin/sh\n[ \"$1\" != cat ] || exit 1\necho \"$@\" >>called\n", mode: 0o755)
        let hook = "\(hooks)/\(server.template.hook)"
        let call = "HAPROXY_FOLDER=$PWD/haproxy PATH=$PWD:$PATH '\(hook)' www.example.org '\(certificate.folder ?? "")'"
        let outcome = try await session.run(call)
        #expect(outcome.status == 0, "\(outcome)")
        #expect(try session.folder.read("called") == "try-reload-or-restart \(server.template.unit).service\n")
        if server.template.hookWritesFile {
            let written = try session.folder.read("haproxy/tls/www.example.org.pem")
            #expect(written.hasPrefix("-----BEGIN CERTIFICATE-----") && written.hasSuffix("-----END ACME AGENT KEY-----\n"))
            #expect(try FileManager.default.contentsOfDirectory(atPath: session.folder.file("haproxy")) == ["tls"])
            // Not the key of a certificate that this program did not make.
            let kept = "-----BEGIN EC PRIVATE KEY-----\n"
            try session.folder.write("haproxy/tls/www.example.org.pem", kept)
            let refused = try await session.run(call)
            #expect(refused.status == 1 && refused.error.contains("has a private key"), "\(refused)")
            #expect(try session.folder.read("haproxy/tls/www.example.org.pem") == kept)
        }
    }

    @Test func aCertificateThatIsNotThereOrHasNoKeyFileIsAnError() async throws {
        let session = try CommandLineSession()
        try await session.install("www.example.org")
        let none = try await session.run("acme-agent deploy nginx mail.example.org --user root")
        #expect(none.status == 1 && none.error.contains("hint: acme-agent list"), "\(none)")
        let old = try await session.run(
            "rm state/certificates/www.example.org/generations/1/key.pem; acme-agent deploy nginx www.example.org --user root --json")
        #expect(old.status == 1 && old.output.contains("key-file-missing"), "\(old)")
        #expect(old.error.contains("hint: acme-agent renew www.example.org --force"), "\(old)")
    }

    @Test func anotherHookAndThisOneAreSaid() async throws {
        let session = try CommandLineSession()
        try await session.install("www.example.org")
        let other = try await session.run(
            """
            echo 'deploy-hook = "/usr/local/bin/own"' | cat - acme-agent.toml >new && mv new acme-agent.toml
            acme-agent deploy nginx www.example.org --user root
            """)
        #expect(other.output.contains("--deploy-hook /usr/local/bin/own --deploy-hook /"), "\(other)")
        let own = try await session.run(
            """
            sed -i 's|/usr/local/bin/own|/usr/local/share/acme-agent/deploy-hooks/reload-nginx|' acme-agent.toml
            acme-agent deploy nginx www.example.org --user root
            """)
        #expect(own.output.contains("the certificate has this deploy hook"), "\(own)")
    }

    @Test(arguments: [
        ("nginx www.example.org --user nobody-here", 64, "there is no user"),
        ("nginx www.example.org --user root --group none-here", 64, "there is no group"),
        ("nginx www.example.org --connect localhost:443", 64, "--connect has no effect without --check"),
        ("nginx www.example.org --check --connect localhost", 64, "is not a host and port"),
        ("lighttpd www.example.org", 64, "lighttpd"),
    ]) func mistakesAreNamed(_ arguments: String, _ status: Int32, _ message: String) async throws {
        let session = try CommandLineSession()
        try await session.install("www.example.org")
        let outcome = try await session.run("acme-agent deploy \(arguments)")
        #expect(outcome.status == status && outcome.error.contains(message), "\(outcome)")
    }

    @Test func whatCannotBeSeenIsNeverCalledOK() async throws {
        let session = try CommandLineSession()
        try await session.install("www.example.org")
        let outcome = try await session.run(
            "acme-agent deploy haproxy www.example.org --user root --chroot none --check --json --connect 127.0.0.1:9")
        #expect(outcome.status == 6, "\(outcome)")
        let json = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
        let check = try #require(json["check"] as? [String: Any]), checks = try #require(check["checks"] as? [[String: Any]])
        #expect(check["passed"] as? Bool == false)
        let states = Dictionary(uniqueKeysWithValues: checks.map { ($0["check"] as? String ?? "", $0["state"] as? String ?? "") })
        #expect(checks.count == DeploymentFinding.Condition.allCases.count)
        // Without an agent, and without a server on the port.
        #expect(states["socket"] != "ok" && states["grant"] == "unknown" && states["key"] == "unknown", "\(states)")
        #expect(states["certificate"] == "ok" && states["served"] == "failed", "\(states)")
        // The key file names no socket, and the agent's is not the default one.
        #expect(states["key-file"] == "failed" && outcome.output.contains("names no socket"), "\(outcome)")
        #expect(outcome.error.contains("acme-agent: hint: "), "\(outcome)")
    }

    // MARK: Parts

    @Test func addressesAreRead() throws {
        #expect(try ServerAddress(argument: "www.example.org:8443") == ServerAddress(host: "www.example.org", port: 8443))
        #expect(try ServerAddress(argument: "[2001:db8::1]:443").description == "[2001:db8::1]:443")
        for text in ["", "www.example.org", ":443", "a:0", "a:65536", "2001:db8::1:443", "-help:443", "a b:443", "[]:443"] {
            #expect(throws: Failure.self, "\(text)") { try ServerAddress(argument: text) }
        }
    }

    @Test func processesAreRead() throws {
        let status = """
            Name:\tnginx worker
            State:\tS (sleeping)
            Pid:\t12
            PPid:\t11
            Uid:\t0\t33\t0\t33
            Gid:\t33\t34\t33\t33
            Groups:\t33 110 \n
            """
        let process = try #require(ServerProcess(id: 12, status: status))
        #expect(process.name == "nginx worker" && process.parent == 11 && process.user == 33 && process.group == 34)
        #expect(process.groups == [33, 110] && !process.isRoots)
        // A program that becomes root is still started by its user, who chose its name and its environment.
        for (numbers, isRoots) in [("0\t0", true), ("33\t0", false), ("0\t33", false)] {
            let other = ServerProcess(id: 12, status: status.replacingOccurrences(of: "0\t33\t0\t33", with: "\(numbers)\t0\t0"))
            #expect(other?.isRoots == isRoots, "\(numbers)")
        }
        #expect(ServerProcess(id: 1, status: "Name:\tx\nUid:\t\n") == nil)
        #expect(ServerProcess(id: 1, status: "") == nil)
        #expect(ServerProcess(id: 12, status: status.replacingOccurrences(of: "S (sleeping)", with: "Z (zombie)")) == nil)
        let own = try #require(ServerProcess(id: getpid()))
        #expect(own.user == geteuid() && own.isVisible && own.root == nil)
        #expect(own.loaded(module: "no-such-module.so") == "")
        #expect(own.variable("ACME_AGENT_NO_SUCH_VARIABLE") == "")
    }

    /// A name is not enough: any user can give it to any program.
    @Test func aProcessIsTheServerOnlyIfItsProgramIs() async throws {
        let session = try CommandLineSession()
        let link = session.folder.file("nginx"), copy = session.folder.file("haproxy")
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: "/bin/sleep")
        try FileManager.default.copyItem(atPath: "/bin/sleep", toPath: copy)
        for (path, mode, isServer) in [(link, mode_t(0o755), false), (copy, 0o755, geteuid() == 0), (copy, 0o777, false)] {
            if path == copy { chmod(path, mode) }
            let process = Process()
            process.executableURL = URL(fileURLWithPath: path)
            process.arguments = ["60"]
            try process.run()
            defer { process.terminate() }
            let found = try #require(ServerProcess(id: process.processIdentifier))
            #expect(found.isGenuine(named: ["nginx", "haproxy"]) == isServer, "\(path) \(mode)")
            #expect(!found.isGenuine(named: ["apache2"]))
        }
    }

    @Test func nothingThatIsPrintedActsOnTheTerminal() {
        let step = DeploymentStep(
            name: "hook", title: "Use \u{1B}[2Jx", files: [.init(change: .write, place: "/a\nb", text: "c\u{1B}]0;d\u{7}\ne")],
            commands: ["f\ng"], note: "h\n\n   Run:")
        let text = step.text(number: 1)
        #expect(!text.unicodeScalars.contains { $0.value < 0x20 && $0 != "\n" })
        #expect(!text.contains("\ng") && !text.contains("\n   Run:\n\n       h") && text.contains("       e"))
    }

    @Test func theFirstCertificateIsTaken() {
        let text = "CONNECTED\n-----BEGIN CERTIFICATE-----\nAQID\nBA==\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nBQ==\n"
        #expect(ServedCertificate.first(in: text) == [1, 2, 3, 4])
        #expect(ServedCertificate.first(in: "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n") == nil)
        #expect(ServedCertificate.first(in: "nothing") == nil)
    }

    @Test func theReasonOfOpenSSLIsRead() {
        let chain = "verify error:num=20:unable to get local issuer certificate\nVerification error: self-signed certificate in chain\n"
        let alert = "40D7:error:0A000438:SSL routines:ssl3_read_bytes:tlsv1 alert internal error:../ssl/rec.c:1584:SSL alert number 80\n"
        let ended = OpenSSLReason(output: "CONNECTED(00000003)\n" + alert + chain)
        #expect(ended?.text == "the server ended the handshake (internal error)" && ended?.isAlert == true)
        #expect(OpenSSLReason(output: chain) == nil && OpenSSLReason(output: "") == nil)
        let refused = "40F7:error:8000006F:system library:BIO_connect:Connection refused:../crypto/bio/bio_sock2.c:125:calling connect()\n"
        let consequence = "40F7:error:10000067:BIO routines:BIO_connect:connect error:../crypto/bio/bio_sock2.c:127:\nconnect:errno=111\n"
        #expect(OpenSSLReason(output: refused + consequence)?.text == "Connection refused")
        let unknown = "40F7:error:10080002:BIO routines:BIO_lookup_ex:system lib:../crypto/bio/bio_addr.c:738:Name or service not known\n"
        #expect(OpenSSLReason(output: unknown)?.text == "Name or service not known")
        #expect(OpenSSLReason(output: "write:errno=104\n")?.text == "Connection reset by peer")
        #expect(OpenSSLReason(output: "read:errno=0\n")?.text == "the connection was closed")
    }

    @Test func modesDecideWhoMayRead() throws {
        let folder = try TemporaryFolder()
        chmod(folder.path, 0o755)
        let path = try folder.write("key.pem", "", mode: 0o640)
        chown(path, 0, 4)
        guard geteuid() == 0 else { return }
        #expect(FileAccess.obstacle(to: path, user: 33, groups: [33, 4]) == nil)
        #expect(FileAccess.obstacle(to: path, user: 33, groups: [33])?.hasSuffix("/key.pem") == true)
        chmod(folder.path, 0o700)
        #expect(FileAccess.obstacle(to: path, user: 33, groups: [33, 4]).map { !$0.hasSuffix("/key.pem") } == true)
        #expect(FileAccess.obstacle(to: path, user: 0, groups: []) == nil)
        let closed = FileAccess.closedFolder(on: path, root: nil, user: 33, groups: [33])
        #expect(closed?.description.hasSuffix(" (mode 0700, owner root, group root)") == true, "\(String(describing: closed))")
        chmod(folder.path, 0o755)
        #expect(FileAccess.closedFolder(on: "/key.pem", root: folder.path, user: 33, groups: [33]) == nil)
    }
}

/// A deploy hook that could not be started is refused when it is registered.
@Suite struct DeployHookTests {
    @Test(arguments: [
        ("printf 'systemctl reload nginx\\n' >hook; chmod +x hook", "does not begin with #!"),
        (": >hook; chmod +x hook", "does not begin with #!"),
        ("printf '#!\\n' >hook; chmod +x hook", "does not begin with #!"),
        ("printf '#! /bin/no-such-shell -e\\n' >hook; chmod +x hook", "the interpreter \"/bin/no-such-shell\""),
        ("printf '#!/bin/sh\\r\\n' >hook; chmod +x hook", "the interpreter \"/bin/sh<CR>\""),
        ("printf '#!/bin/sh\\n' >hook", "Permission denied"),
        ("mkdir hook", "Is a directory"),
    ]) func isRefusedAtOnce(make: String, message: String) async throws {
        let session = try CommandLineSession()
        try await session.install("www.example.org")
        for command in ["issue -d www.example.org", "issue -d new.example.org"] {
            let outcome = try await session.run("rm -rf hook; \(make); acme-agent \(command) --deploy-hook ./hook")
            #expect(outcome.status == 78, "\(outcome)")
            #expect(outcome.error.contains("the deploy hook cannot be used") && outcome.error.contains(message), "\(outcome)")
            #expect(outcome.error.contains("acme-agent: hint: "), "\(outcome)")
        }
    }

    @Test(arguments: ["printf '#! /bin/sh -e\\n' >hook", "cp /bin/true hook", "printf '#!/usr/bin/env python3\\n' >hook"])
    func isAccepted(make: String) async throws {
        let session = try CommandLineSession()
        try await session.install("www.example.org")
        let outcome = try await session.run(
            "\(make); chmod +x hook; acme-agent issue -d www.example.org --directory https://ca.example/directory --deploy-hook ./hook")
        #expect(outcome.status == 0, "\(outcome)")
    }
}
