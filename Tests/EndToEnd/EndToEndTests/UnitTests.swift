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
                    install -D -m 0644 -t '\(place)/acme-agentd.service.d' '\(folder)/\(name).conf'
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
            let reloads = unit.split(separator: "\n").filter { $0.hasPrefix("ExecReload=") }
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

    @Test(.enabled(if: geteuid() == 0, "needs root")) func usersAndFoldersAreMade() async throws {
        try await installed { prefix in
            let root = prefix + "/root"
            func made(_ file: String, _ program: String) async throws {
                let done = try await shell(
                    "mkdir -p '\(root)/etc' '\(root)/var/lib'; touch '\(root)/etc/passwd' '\(root)/etc/group'; \(program) '\(prefix)/lib/\(file)'"
                )
                #expect(done.status == 0 && !done.error.contains("ignoring"), "\(done)")
            }
            try await made("sysusers.d/acme-agent.conf", "systemd-sysusers --root='\(root)'")
            let passwd = try String(contentsOfFile: root + "/etc/passwd", encoding: .utf8)
            let client = try #require(passwd.split(separator: "\n").first { $0.hasPrefix("acme-agent-client:") })
            #expect(client.hasSuffix(":/var/lib/acme-agent:/usr/sbin/nologin"), "\(passwd)")
            let groups = try String(contentsOfFile: root + "/etc/group", encoding: .utf8).split(separator: "\n")
            // The socket's group has this member and nobody else, and the member no further group.
            #expect(groups.filter { $0.hasSuffix(":acme-agent-client") }.map { $0.prefix { $0 != ":" } } == ["acme-agent"], "\(groups)")
            try await made("tmpfiles.d/acme-agent.conf", "systemd-tmpfiles --root='\(root)' --create")
            let status = try await shell("stat -c '%U %a' '\(root)/etc/acme-agent'; stat -c '%u %a' '\(root)/var/lib/acme-agent'")
            let fields = client.split(separator: ":", omittingEmptySubsequences: false)
            #expect(status.output == "root 755\n\(fields[2]) 755\n", "\(status)")
            // A store of an earlier version keeps its owner, at each start of the system.
            let kept = try await shell(
                """
                chown daemon '\(root)/var/lib/acme-agent'; systemd-tmpfiles --root='\(root)' --create '\(prefix)/lib/tmpfiles.d/acme-agent.conf'
                stat -c %U '\(root)/var/lib/acme-agent'
                """)
            #expect(kept.output == "daemon\n", "\(kept)")
        }
    }
}
