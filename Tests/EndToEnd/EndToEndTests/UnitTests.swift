import Foundation
import Testing

/// The systemd units as they are installed, and the lines for users and folders, judged by systemd's own tools.
@Suite struct UnitTests {
    /// What `systemd-analyze security` may rate them at most, in tenths.
    private static let exposures = [
        "acme-agentd": 5, "acme-agent-renew": 20, "acme-agent-run": 20, "acme-agent-deploy": 20, "acme-agent-metrics": 15,
    ]

    /// Installs the files below a folder of its own; the programs are there as well.
    private func installed(_ body: (_ prefix: String) async throws -> Void) async throws {
        let prefix = FileManager.default.temporaryDirectory.path + "/units-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: prefix) }
        let done = try await Program.run(
            "/bin/bash",
            [
                "-euc",
                """
                mkdir -p "$PREFIX/bin" "$PREFIX/sbin"
                for program in bin/acme-agent sbin/acme-agentd; do ln -s /bin/true "$PREFIX/$program"; done
                Config/install-files
                """,
            ], environment: Program.environment.merging(["PREFIX": prefix]) { _, new in new })
        try #require(done.status == 0, "\(done)")
        try await body(prefix)
    }

    private func shell(_ line: String) async throws -> Outcome {
        try await Program.run("/bin/bash", ["-euc", line], environment: Program.environment)
    }

    @Test func theUnitsAreValidAndExposeLittle() async throws {
        try await installed { prefix in
            let folder = prefix + "/lib/systemd/system"
            let units = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
            let verified = try await shell("systemd-analyze verify --man=no '\(folder)'/*")
            #expect(verified.status == 0 && verified.error == "", "\(verified)")
            let services = units.filter { $0.hasSuffix(".service") }.map { String($0.dropLast(8)) }
            // A new service needs a bound here.
            #expect(services.sorted() == UnitTests.exposures.keys.sorted())
            for (service, bound) in UnitTests.exposures {
                let rated = try await shell(
                    "systemd-analyze security --offline=yes --threshold=\(bound) '\(folder)/\(service).service'")
                #expect(rated.status == 0, "\(service): \(rated)")
            }
        }
    }

    /// The drop-ins for kinds of tokens, and what the daemon's unit may be rated with each, in tenths.
    private static let dropIns = ["credentials": 5, "network": 13, "softhsm": 5, "tpm": 7, "usb": 5]

    @Test func eachDropInIsValidAndExposesLittle() async throws {
        try await installed { prefix in
            let folder = prefix + "/share/acme-agent/systemd/acme-agentd.service.d"
            let files = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
            // A new one needs a bound here.
            #expect(files == UnitTests.dropIns.keys.sorted().map { $0 + ".conf" })
            for (name, bound) in UnitTests.dropIns {
                let place = prefix + "/" + name
                // The documented command, with another target.
                let rated = try await shell(
                    """
                    mkdir '\(place)'; cp '\(prefix)/lib/systemd/system/acme-agentd.service' '\(place)'
                    mkdir '\(place)/acme-agentd.service.d'; ln -s '\(folder)/\(name).conf' '\(place)/acme-agentd.service.d'
                    systemd-analyze verify --man=no '\(place)/acme-agentd.service'
                    systemd-analyze security --offline=yes --threshold=\(bound) '\(place)/acme-agentd.service'
                    """)
                #expect(rated.status == 0 && rated.error == "", "\(name): \(rated)")
                // It is the drop-in that is rated: with those that open something, the unit alone would be better.
                let stricter = try await shell(
                    "systemd-analyze security --offline=yes --threshold=\(bound - 1) '\(place)/acme-agentd.service'")
                #expect(stricter.status != 0, "\(name): the bound is too high")
            }
        }
    }

    /// `operations.md` has the same bounds.
    @Test func theDocumentSaysWhatEachDropInExposes() throws {
        let text = try String(contentsOfFile: Program.root + "/Docs/operations.md", encoding: .utf8)
        let rows = text.split(separator: "\n").filter { $0.contains(".conf` | ") && $0.hasPrefix("| `") }
        let documented = rows.map { row in
            let cells = row.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            return "\(cells.first ?? "") \(cells.last ?? "")"
        }
        #expect(documented.sorted() == UnitTests.dropIns.map { "`\($0).conf` \($1 / 10).\($1 % 10)" }.sorted())
    }

    @Test func aHangOfTheLoopRestartsTheDaemonAndASocketStays() async throws {
        try await installed { prefix in
            let unit = try String(contentsOfFile: prefix + "/lib/systemd/system/acme-agentd.service", encoding: .utf8)
            let lines = Set(unit.split(separator: "\n").map(String.init))
            // systemd.service(5): on-failure includes the watchdog.
            for line in ["Type=notify", "NotifyAccess=main", "WatchdogSec=30", "Restart=on-failure", "RuntimeDirectoryPreserve=yes"] {
                #expect(lines.contains(line), "\(line)")
            }
            // The file is checked before the daemon is signalled, and before systemd opens the socket.
            let check = "\(prefix)/sbin/acme-agentd --config /etc/acme-agent/acme-agentd.toml --check-start"
            let reloads = unit.split(separator: "\n").map(String.init).filter { $0.hasPrefix("ExecReload=") }
            #expect(reloads == ["ExecReload=\(check)", "ExecReload=/bin/kill -HUP $MAINPID"])
            let socket = try String(contentsOfFile: prefix + "/lib/systemd/system/acme-agentd.socket", encoding: .utf8)
            let settings = Set(socket.split(separator: "\n").map(String.init))
            let expected = [
                "ListenStream=/run/acme-agent/agent.sock", "SocketGroup=acme-agent", "SocketMode=0660", "RemoveOnStop=no",
                "ExecStartPre=\(check)",
            ]
            for line in expected {
                #expect(settings.contains(line), "\(line)")
            }
            // The folder belongs to the daemon's user before the socket is made.
            let folders = try String(contentsOfFile: prefix + "/lib/tmpfiles.d/acme-agentd.conf", encoding: .utf8)
            #expect(folders.contains("\nd /run/acme-agent :0750 :acme-agent :acme-agent -\n"))
        }
    }

    /// What parses the CA's bytes reaches neither the PIN nor the token, and writes to its store alone.
    @Test(arguments: ["acme-agent-renew", "acme-agent-run"]) func theFrontEndsUnitsHideWhatSigns(_ service: String) async throws {
        try await installed { prefix in
            let unit = try String(contentsOfFile: prefix + "/lib/systemd/system/\(service).service", encoding: .utf8)
            let lines = unit.split(separator: "\n").map(String.init)
            func values(_ setting: String) -> [String] {
                let own = lines.filter { $0.hasPrefix(setting + "=") }
                return own.flatMap { $0.dropFirst(setting.count + 1).split(separator: " ").map(String.init) }
            }
            let secrets = ["/etc/acme-agent/hsm.pin", "/etc/credstore.encrypted", "/var/lib/acme-agentd", "/var/lib/softhsm", "/run/pcscd"]
            #expect(Set(values("InaccessiblePaths")).isSuperset(of: secrets.map { "-" + $0 }))
            #expect(values("ProtectSystem") == ["strict"] && values("ReadWritePaths") == ["-/var/lib/acme-agent"])
            #expect(values("User") == ["acme-agent-client"] && values("NoNewPrivileges") == ["yes"])
            #expect(values("CapabilityBoundingSet") == ["CAP_NET_BIND_SERVICE"])
        }
    }

    /// Nothing that talks to a CA or hears a stranger is root, and what is root has no network.
    @Test func onlyWhatHasNoNetworkIsRoot() async throws {
        try await installed { prefix in
            let root = try await shell("grep -L '^User=' '\(prefix)'/lib/systemd/system/*.service | xargs grep -c '^PrivateNetwork=yes$'")
            #expect(root.output == "1\n", "\(root)")
            let users = try await shell("sed -n 's/^User=//p' '\(prefix)'/lib/systemd/system/acme-agent{d,-renew,-run,-metrics}.service")
            #expect(users.output == "acme-agent\nacme-agent-client\nacme-agent-client\nacme-agent-client\n", "\(users)")
        }
    }

    /// Applies an installed file of `sysusers.d` or `tmpfiles.d` below a root of its own.
    private func make(_ file: String, of prefix: String, below root: String) async throws {
        let program = file.hasPrefix("sysusers.d/") ? "systemd-sysusers --root='\(root)'" : "systemd-tmpfiles --root='\(root)' --create"
        let done = try await shell(
            "mkdir -p '\(root)/etc' '\(root)/var/lib'; touch '\(root)/etc/passwd' '\(root)/etc/group'; \(program) '\(prefix)/lib/\(file)'"
        )
        #expect(done.status == 0 && !done.error.contains("ignoring"), "\(done)")
    }

    /// The fields of a user's line in passwd(5) below that root.
    private func user(_ name: String, below root: String) throws -> [Substring] {
        let passwd = try String(contentsOfFile: root + "/etc/passwd", encoding: .utf8)
        let line = try #require(passwd.split(separator: "\n").first { $0.hasPrefix(name + ":") }, "\(passwd)")
        let fields = line.split(separator: ":", omittingEmptySubsequences: false)
        try #require(fields.count == 7, "\(line)")
        return fields
    }

    @Test(.enabled(if: geteuid() == 0, "needs root")) func usersAndFoldersAreMade() async throws {
        try await installed { prefix in
            let root = prefix + "/root"
            try await make("sysusers.d/acme-agent.conf", of: prefix, below: root)
            let client = try user("acme-agent-client", below: root)
            #expect(client[5] == "/var/lib/acme-agent" && client[6] == "/usr/sbin/nologin", "\(client)")
            let groups = try String(contentsOfFile: root + "/etc/group", encoding: .utf8).split(separator: "\n")
            // The socket's group has this member and nobody else, and the member no further group.
            #expect(groups.filter { $0.hasSuffix(":acme-agent-client") }.map { $0.prefix { $0 != ":" } } == ["acme-agent"], "\(groups)")
            try await make("tmpfiles.d/acme-agent.conf", of: prefix, below: root)
            let status = try await shell(
                "cd '\(root)'; stat -c '%U %a' etc/acme-agent; stat -c '%u %a' var/lib/acme-agent var/lib/acme-agent-metrics")
            #expect(status.output == "root 755\n\(client[2]) 755\n\(client[2]) 755\n", "\(status)")
            // A store of an earlier version keeps its owner, at each start of the system.
            let kept = try await shell(
                """
                chown daemon '\(root)/var/lib/acme-agent'; systemd-tmpfiles --root='\(root)' --create '\(prefix)/lib/tmpfiles.d/acme-agent.conf'
                stat -c %U '\(root)/var/lib/acme-agent'
                """)
            #expect(kept.output == "daemon\n", "\(kept)")
        }
    }

    /// The daemon's package alone, then the other one beside it.
    @Test(.enabled(if: geteuid() == 0, "needs root")) func theDaemonsUserAndFoldersAreMadeWithoutTheFrontEnd() async throws {
        try await installed { prefix in
            let root = prefix + "/root"
            try await make("sysusers.d/acme-agentd.conf", of: prefix, below: root)
            let agent = try user("acme-agent", below: root)
            #expect(agent[5] == "/var/lib/acme-agentd" && agent[6] == "/usr/sbin/nologin", "\(agent)")
            try await make("tmpfiles.d/acme-agentd.conf", of: prefix, below: root)
            let status = try await shell("cd '\(root)'; stat -c '%u %g %a' var/lib/acme-agentd run/acme-agent")
            #expect(status.output == "\(agent[2]) \(agent[3]) 700\n\(agent[2]) \(agent[3]) 750\n", "\(status)")
            try await make("sysusers.d/acme-agent.conf", of: prefix, below: root)
            #expect(try user("acme-agent", below: root) == agent)
        }
    }
}
