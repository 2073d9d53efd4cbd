import ACME
import CertificateStore
import Foundation
import JOSE
import TestSupport
import Testing

@testable import acme_agent

/// Root's deploy hooks: what an unprivileged user has stored is checked and copied before root's programs see it, and
/// nothing but root's own configuration says what they are.
@Suite(.enabled(if: geteuid() == 0, "needs root")) struct RootDeployTests {
    /// The user who renews.
    static let client = 41_001
    static let name = "www.example.org"

    /// A store of the client's with one certificate, and a hook of root's.
    struct World {
        let session: CommandLineSession
        var folder: TemporaryFolder { session.folder }
        var generation: String { "state/certificates/\(RootDeployTests.name)" }
        private let hooks: [String]

        init(hooks: [String] = ["hook"], names more: String = "") async throws {
            session = try CommandLineSession()
            self.hooks = hooks
            for hook in hooks { try script(hook, "echo \(hook) $1 $2 >>log") }
            try folder.write("roots.pem", session.rootPEM())
            try configure(more)
            try await install()
        }

        func script(_ name: String, _ text: String) throws {
            try folder.write(name, "#!/bin/sh\ncd '\(folder.path)'\n\(text)\n")
            chmod(folder.file(name), 0o755)
        }

        func configure(_ more: String = "") throws {
            try folder.write(
                "acme-agent.toml",
                """
                state-directory = "\(session.store.folder)"
                socket = "\(folder.file("agent.sock"))"
                root-deploy-directory = "\(folder.file("deploy"))"
                root-deploy-trust = "\(folder.file("roots.pem"))"
                root-deploy-hook = [\(hooks.map { "\"\(folder.file($0))\"" }.joined(separator: ", "))]
                \(more)

                """)
        }

        /// A new generation, which belongs to the client like all of the store.
        @discardableResult func install(
            _ name: String = RootDeployTests.name, by authority: FakeAuthority? = nil, uris: [String] = []
        ) async throws -> StoredCertificate {
            let stored = try await session.install(name, as: CertificateName(RootDeployTests.name), by: authority, uris: uris)
            try await shell("chown -hR \(RootDeployTests.client) state")
            return stored
        }

        @discardableResult func shell(_ line: String) async throws -> ShellOutcome {
            let done = try await session.run(line)
            try #require(done.status == 0, "\(line): \(done)")
            return done
        }

        func deploy(_ arguments: String = "--all") async throws -> ShellOutcome {
            try await session.run("timeout -s KILL 60 acme-agent root-deploy \(arguments)")
        }

        var log: [String] {
            let text = (try? String(contentsOfFile: folder.file("log"), encoding: .utf8)) ?? ""
            return text.split(separator: "\n").map { $0.split(separator: " ").first.map(String.init) ?? "" }
        }
        /// What a killed or failed run must not leave.
        func leftovers() async throws -> String {
            try await shell("find deploy -name '.*'; find deploy/locks -type f 2>/dev/null || true").output
        }
        func text(_ path: String) -> String { (try? String(contentsOfFile: folder.file(path), encoding: .utf8)) ?? "" }
    }

    @Test func eachHookRunsOnceInItsTurnWithRootsCopy() async throws {
        let world = try await World(hooks: ["first", "second"])
        let copy = "deploy/certificates/\(Self.name)"
        let done = try await world.deploy("--all --json")
        #expect(done.status == 0, "\(done)")
        #expect(world.text("log") == "first \(Self.name) \(world.folder.file(copy))\nsecond \(Self.name) \(world.folder.file(copy))\n")
        #expect(done.output.contains(#""unchanged":[],"failed":[]"#) && done.output.contains("/second\"]"), "\(done)")
        #expect(world.text(copy + "/fullchain.pem") == world.text(world.generation + "/fullchain.pem"))
        #expect(world.text(copy + "/key.pem").contains("BEGIN"))
        #expect(try await world.shell("find deploy ! -user root").output == "")
        // It is all done.
        let again = try await world.deploy()
        #expect(again.status == 0 && again.output == "\(Self.name): nothing to do\n", "\(again)")
        #expect(world.log == ["first", "second"])
        // And again for the next certificate. What fails is tried again, what has succeeded is not.
        try await world.install()
        let before = try await world.session.run("acme-agent show \(Self.name); acme-agent show \(Self.name) --json")
        #expect(before.output.contains("have not run for this certificate") && before.output.contains(#""rootDeploy":"pending""#))
        try world.script("second", "echo second >>log; echo no such server; exit 3")
        let failed = try await world.deploy("--all --json")
        #expect(failed.status == 1 && failed.output.contains("no such server"), "\(failed)")
        try world.script("second", "echo second >>log")
        #expect(try await world.deploy().status == 0)
        #expect(world.log == ["first", "second", "first", "second", "second"])
        let after = try await world.session.run("acme-agent show \(Self.name) --verbose; acme-agent show \(Self.name) --json")
        #expect(after.output.contains("have run for this certificate") && after.output.contains("/second"), "\(after)")
        #expect(after.output.contains(#""rootDeploy":"done","rootDeployHooks":["#))
        #expect(try await world.leftovers() == "")
    }

    @Test func nothingIsToDoWithoutHooks() async throws {
        let world = try await World(hooks: [])
        let done = try await world.deploy("--all --quiet")
        #expect(done.status == 0 && done.output == "" && done.error == "", "\(done)")
        #expect(!FileManager.default.fileExists(atPath: world.folder.file("deploy")))
        let named = try await world.deploy(Self.name)
        #expect(named.status == 1 || named.status == 78, "\(named)")
    }

    @Test(arguments: [
        "chown 41001 acme-agent.toml", "chmod 0664 acme-agent.toml", "chmod 0666 acme-agent.toml",
        "chown 41001 hook", "chmod 0775 hook", "chmod 0777 hook", "chmod 0777 .", "chown 41001 .",
        "mkdir -m 0777 open; mv hook open; ln -s open/hook hook",
        "mkdir theirs; chown 41001 theirs; mv hook theirs; ln -s theirs/hook hook",
        "ln -s hook link; chown -h 41001 link; sed -i 's|/hook\"|/link\"|' acme-agent.toml", "mkdir -m 0777 deploy",
        "mkdir deploy; chown 41001 deploy", "mkdir elsewhere; ln -s elsewhere deploy; chown -h 41001 deploy", "chmod 0644 hook",
    ]) func onlyRootSaysWhatRuns(_ change: String) async throws {
        let world = try await World()
        try await world.shell(change)
        let refused = try await world.deploy()
        #expect(refused.status == 78, "\(change): \(refused)")
        #expect(refused.error.contains("root") || refused.error.contains("cannot be used"), "\(refused)")
        #expect(world.log == [], "\(change)")
    }

    /// `$G` is the current generation's folder, `secret` and `other` are root's.
    private static let plants = [
        "mv state/certificates state/real; ln -s real state/certificates",
        "mv state/certificates/$N state/real; ln -s ../real state/certificates/$N",
        "ln -sfn ../../../other state/certificates/$N/current",
        "ln -sfn /etc state/certificates/$N/current",
        "ln -sfn generations/../../../../other state/certificates/$N/current",
        "mv state/certificates/$N/generations state/real; ln -s ../../real state/certificates/$N/generations",
        "mv $G state/real; ln -s ../../../real $G",
        "ln -sf $PWD/secret $G/fullchain.pem", "ln -sf $PWD/other/fullchain.pem $G/fullchain.pem",
        "ln -sf $PWD/other/metadata.json $G/metadata.json",
        "ln -f other/fullchain.pem $G/fullchain.pem", "ln -f other/metadata.json $G/metadata.json",
        "rm $G/fullchain.pem; mkfifo $G/fullchain.pem", "rm $G/metadata.json; mkfifo $G/metadata.json",
        "rm $G/fullchain.pem; mkdir $G/fullchain.pem", "truncate -s 1T $G/fullchain.pem", "truncate -s 1T $G/metadata.json",
        "cp --remove-destination secret $G/fullchain.pem", "cp --remove-destination secret $G/metadata.json",
        "chown 0 $G", "chown 0 state/certificates/$N", "rm $G/fullchain.pem", "ln -sf /dev/zero $G/fullchain.pem",
        "sed -i 's/\"name\":\"www.example.org\"/\"name\":\"..\"/' $G/metadata.json",
        "sed -i 's/\"fingerprint\":\"./\"fingerprint\":\"/' $G/metadata.json",
    ]

    @Test(arguments: plants) func whatTheUserPlantsIsNotFollowed(_ plant: String) async throws {
        let world = try await World()
        try await world.shell(
            """
            N=\(Self.name); G=state/certificates/$N/generations/1
            cp -r $G other; chown -R 0 other; echo TOPSECRET >secret; chmod 0600 secret
            \(plant)
            case '\(plant)' in *'chown 0'*|'ln -f'*) ;; *) chown -hR --from=0 \(Self.client) state;; esac
            """)
        let refused = try await world.deploy("\(Self.name) --json")
        #expect(refused.status == 1, "\(plant): \(refused)")
        #expect(world.log == [] && !"\(refused)".contains("TOPSECRET"), "\(plant): \(refused)")
        #expect(try await world.shell("find deploy -name '*.pem' 2>/dev/null || true").output == "", "\(plant)")
    }

    /// A front end that is broken into could have a server serve what its clients refuse.
    @Test func aCertificateForOtherNamesIsRefused() async throws {
        let world = try await World()
        #expect(try await world.deploy().status == 0)
        try await world.install("db.example.org")
        let refused = try await world.deploy("--all --json")
        #expect(refused.status == 1 && refused.output.contains(#""code":"deploy-refused""#), "\(refused)")
        #expect(refused.output.contains("it is not for \(Self.name)"), "\(refused)")
        // What is declared counts, and nothing else.
        try world.configure("[[certificate]]\nname = \"\(Self.name)\"\nnames = [\"\(Self.name)\", \"shop.example.org\"]")
        try await world.install()
        let lacking = try await world.deploy("--all --json")
        #expect(lacking.status == 1 && lacking.output.contains("shop.example.org"), "\(lacking)")
        #expect(world.log == ["hook"])
        try world.configure("[[certificate]]\nname = \"\(Self.name)\"\nnames = [\"db.example.org\"]")
        try await world.install("db.example.org")
        #expect(try await world.deploy().status == 0)
        #expect(world.log == ["hook", "hook"])
    }

    /// Its key's URI could name a module that a server would load as root.
    @Test func textsOfTheUsersChoiceDoNotReachTheHooks() async throws {
        let world = try await World()
        try world.script("hook", "env >>log; cat >>log; cat $2/metadata.json $2/fullchain.pem >>log")
        try await world.shell(
            """
            G=state/certificates/\(Self.name)/generations/1
            sed -i 's/"fingerprint"/"uri":"pkcs11:object=x?module-path=PLANTED","fingerprint"/; s/"serial"/"profile":"PLANTED","serial"/' $G/metadata.json
            """)
        let done = try await world.deploy()
        #expect(done.status == 0, "\(done)")
        let log = world.text("log")
        #expect(log.contains("ACME_AGENT_CERTIFICATE=\(Self.name)") && !log.contains("PLANTED"), "\(log)")
    }

    @Test(arguments: ["../../etc", "..", "a/../b", "/etc", ".hidden", "-x", "%i", "www.example.org/", "\\x2e\\x2e", "$(id)", ""])
    func aNameIsNeverAPath(_ name: String) async throws {
        let world = try await World()
        let refused = try await world.session.run("acme-agent root-deploy -- '\(name)'")
        #expect(refused.status == 64, "\(name): \(refused)")
        #expect(world.log == [])
    }

    /// After a kill before the first hook has ended, and between a hook and its record.
    @Test func aKilledRunIsMadeUpFor() async throws {
        let world = try await World(hooks: ["first", "second"])
        let kill = "test -e killed-$1-$0 || { touch killed-$1-$0; kill -KILL $PPID; sleep 0.2; exit 0; }"
        try world.script("first", "set -- 1; echo first >>log; " + kill.replacingOccurrences(of: "-$0", with: ""))
        try world.script("second", "set -- 2; echo second >>log; " + kill.replacingOccurrences(of: "-$0", with: ""))
        for _ in 0..<2 {
            let killed = try await world.session.run("acme-agent root-deploy --all")
            #expect(killed.status == 137 || killed.status == 9, "\(killed)")
        }
        let done = try await world.deploy()
        #expect(done.status == 0, "\(done)")
        #expect(world.log == ["first", "first", "second", "second"])
        #expect(try await world.leftovers() == "")
        #expect(try await world.deploy().output.contains("nothing to do"))
    }

    /// A copy that was cut off is made again; a damaged one and a damaged record are replaced.
    @Test func whatWasCutOffIsMadeAgain() async throws {
        let world = try await World(), copy = "deploy/certificates/\(Self.name)"
        try await world.shell(
            """
            mkdir -p \(copy)/generations/.new; echo x >\(copy)/generations/.new/fullchain.pem
            mkdir -p deploy/hooks deploy/locks; echo x >deploy/hooks/.\(Self.name).json.new; echo x >deploy/locks/\(Self.name).lock
            """)
        #expect(try await world.deploy().status == 0)
        #expect(try await world.leftovers() == "")
        try await world.shell("echo x >\(copy)/current/fullchain.pem; echo x >deploy/hooks/\(Self.name).json")
        #expect(try await world.deploy().status == 0)
        #expect(world.log == ["hook", "hook"])
        #expect(world.text(copy + "/fullchain.pem") == world.text(world.generation + "/fullchain.pem"))
    }

    /// A core file has what a hook had in memory.
    @Test func noHookRunsWhereCoreFilesCannotBeTurnedOff() async throws {
        let root = #filePath.split(separator: "/").dropLast(4).map { "/" + $0 }.joined()
        let world = try await World(hooks: ["hook"])
        try await world.shell("cc -O1 -shared -fPIC -o refused.so '\(root)/Tests/Sandbox/refused-calls.c' -ldl")
        let refused = try await world.session.run("LD_PRELOAD=$PWD/refused.so REFUSED_CALL=core acme-agent root-deploy --all 2>&1")
        #expect(refused.status == 1 && refused.output.contains("setrlimit: Operation not permitted"), "\(refused)")
        #expect(world.log == [])
        #expect(try await world.deploy().status == 0)
        #expect(world.log == ["hook"])
    }

    /// The N-th call that changes the file system fails, or the process is killed at it: the next run does the rest. A
    /// sample; `make test-long` takes all.
    @Test(arguments: ["kill", "killed-after", "28", "5"]) func aFaultAnywhereIsMadeUpFor(_ fault: String) async throws {
        let root = #filePath.split(separator: "/").dropLast(4).map { "/" + $0 }.joined()
        let world = try await World(hooks: ["first", "second"])
        try await world.shell("cc -O1 -shared -fPIC -o faults.so '\(root)/Tests/Sandbox/write-faults.c' -ldl; cp -a state clean")
        func run(_ variables: String) async throws -> ShellOutcome {
            try await world.session.run("LD_PRELOAD=$PWD/faults.so \(variables) acme-agent root-deploy --all 2>&1")
        }
        #expect(try await run("WRITE_FAULT_COUNT=$PWD/calls").status == 0)
        let calls = try #require(Int(world.text("calls").trimmingCharacters(in: .whitespacesAndNewlines)))
        #expect(calls > 20)
        let isLong = ProcessInfo.processInfo.environment["ACME_AGENT_LONG_TESTS"] != nil
        for number in stride(from: Int.random(in: 1...(isLong ? 1 : 9)), through: calls, by: isLong ? 1 : 9) {
            try await world.shell("rm -rf deploy log state; cp -a clean state")
            let failed = try await run("WRITE_FAULT_AT=\(number) WRITE_FAULT=\(fault)")
            let done = try await world.deploy()
            #expect(done.status == 0, "\(fault) at \(number) of \(calls): \(failed) \(done)")
            // Each at least once, in its turn, and none three times.
            let log = world.log, what = "\(fault) at \(number) of \(calls): \(log) \(failed)"
            #expect(log.first == "first" && log.last == "second" && log.count <= 4, "\(what)")
            #expect(try await world.leftovers() == "", "\(what)")
            let copy = "deploy/certificates/\(Self.name)/"
            #expect(world.text(copy + "fullchain.pem") == world.text(world.generation + "/fullchain.pem"), "\(what)")
            #expect(world.text(copy + "key.pem").contains("BEGIN"), "\(what)")
        }
    }

    @Test func aCertificateThatIsReplacedMeanwhileIsDeployedToo() async throws {
        let world = try await World()
        try await world.install()
        let current = world.folder.file("state/certificates/\(Self.name)/current")
        try await world.shell("ln -sfn generations/1 '\(current)'")
        try world.script("hook", "echo hook >>log; ln -sfn generations/2 '\(current)'; rm -rf '\(current)/../1'")
        let done = try await world.deploy()
        #expect(done.status == 0, "\(done)")
        #expect(world.log == ["hook", "hook"])
        #expect(
            world.text("deploy/certificates/\(Self.name)/fullchain.pem")
                == world.text("state/certificates/\(Self.name)/generations/2/fullchain.pem"))
    }

    /// A service that runs is not started again for what is installed meanwhile.
    @Test func whatIsInstalledWhileAHookRunsIsDeployedToo() async throws {
        let world = try await World()
        try await world.session.install("zzz.example.org")
        try await world.shell("chown -hR \(Self.client) state; mv state/certificates/zzz.example.org hidden")
        try world.script(
            "hook",
            """
            echo $1 >>log; test $1 = \(Self.name) || exit 0
            mv hidden state/certificates/zzz.example.org; sleep 0.1; chmod 0644 state/installed
            """)
        let done = try await world.deploy("--all --json")
        #expect(done.status == 0 && world.log == [Self.name, "zzz.example.org"], "\(world.log) \(done)")
        #expect(done.output.contains(#""unchanged":[],"failed":[]"#), "\(done)")
    }

    /// Its first order is under way.
    @Test func aCertificateThatIsOrderedIsLeftOut() async throws {
        let world = try await World()
        try await world.shell("mkdir -p state/certificates/new.example.org/generations; chown -hR \(Self.client) state")
        let done = try await world.deploy("--all --json")
        #expect(done.status == 0 && !"\(done)".contains("new.example.org"), "\(done)")
        #expect(try await world.deploy("new.example.org").status == 1)
        #expect(world.log == ["hook"])
    }

    /// Its number is 1 again.
    @Test func theHooksRunForACopyThatIsMadeAgain() async throws {
        let world = try await World()
        #expect(try await world.deploy().status == 0)
        try await world.shell("rm -r deploy/certificates")
        let done = try await world.deploy()
        #expect(done.status == 0 && world.log == ["hook", "hook"], "\(world.log) \(done)")
    }

    @Test(arguments: ["state.json", "current/metadata.json", "current/cert.pem"]) func aDamagedCopyIsReplaced(_ file: String) async throws {
        let world = try await World(), copy = "deploy/certificates/\(Self.name)"
        #expect(try await world.deploy().status == 0)
        try await world.shell("echo x >\(copy)/\(file)")
        for _ in 0..<2 {
            let done = try await world.deploy()
            #expect(done.status == 0, "\(done)")
        }
        #expect(world.text(copy + "/fullchain.pem") == world.text(world.generation + "/fullchain.pem"))
        #expect(try await world.leftovers() == "")
    }

    /// Through sudo, the folder and the mask are those of the user who is not trusted.
    @Test func hooksStartWhereRootSays() async throws {
        let world = try await World()
        try world.folder.write("hook", "#!/bin/sh\n{ pwd; umask; } >'\(world.folder.file("log"))'\n")
        chmod(world.folder.file("hook"), 0o755)
        let done = try await world.session.run("umask 0; acme-agent --config acme-agent.toml root-deploy --all")
        #expect(done.status == 0 && world.text("log") == "/\n0077\n", "\(world.text("log")) \(done)")
    }

    /// Servers have the old certificate until root's hooks have run, and sign with its key.
    @Test func theOldKeyStaysUntilRootsHooksHaveRun() async throws {
        let world = try await World()
        let stored = try await world.install()
        let key = OutgoingKey(
            key: KeyReference(name: KeyName("old"), fingerprint: stored.metadata.key.fingerprint),
            certificate: stored.name, fate: .retire, due: CommandLineSession.now - 60)
        try await world.session.store.markOutgoing(key)
        let file = world.folder.file("acme-agent.toml")
        let options = try GlobalOptions.parse(["--config", file])
        let session = Session(settings: try Settings(options, environment: Environment()), output: Output(options))
        func due() async throws -> [OutgoingKey] { try await Renew.outgoingKeys(session) { _ in } }
        #expect(try await due() == [])
        try world.script("hook", "exit 3")
        #expect(try await world.deploy().status == 1)
        #expect(try await due() == [])
        try world.script("hook", "exit 0")
        #expect(try await world.deploy().status == 0)
        #expect(try await due() == [key])
    }

    /// What the user who renews writes reaches no server unchecked.
    @Test func serversAreGivenRootsCopy() async throws {
        let world = try await World(), copy = world.folder.file("deploy/certificates/\(Self.name)")
        let plan = try await world.session.run("acme-agent deploy nginx \(Self.name) --user root")
        #expect(plan.status == 0 && plan.output.contains("\(copy)/key.pem") && !plan.output.contains("/state/certificates"), "\(plan)")
        #expect(plan.output.contains("acme-agent root-deploy \(Self.name)"), "\(plan)")
        let check = "acme-agent deploy nginx \(Self.name) --user root --check --connect 127.0.0.1:9"
        let before = try await world.session.run(check)
        #expect(before.status == 6 && before.output.contains("\(copy)/key.pem: "), "\(before)")
        #expect(try await world.deploy().status == 0)
        let after = try await world.session.run(check)
        #expect(after.output.contains("certificate and key file belong together"), "\(after)")
    }

    @Test func oneFailureStopsNoOther() async throws {
        let world = try await World()
        try await world.session.install("zzz.example.org")
        try await world.shell("chown -hR \(Self.client) state; rm state/certificates/\(Self.name)/generations/1/fullchain.pem")
        let done = try await world.deploy()
        #expect(done.status == 1 && done.output.contains("zzz.example.org: 1 hook ran"), "\(done)")
        #expect(world.log == ["hook"])
    }

    @Test func onlyRootCanUseIt() async throws {
        let session = try CommandLineSession()
        let refused = try await session.run(
            "env -u ACME_AGENT_CONFIG HOME=/ setpriv --reuid \(Self.client) --clear-groups \"$(command -v acme-agent)\" --state-directory / root-deploy --all"
        )
        #expect(refused.status == 64 && refused.error.contains("only root can use it"), "\(refused)")
    }

    /// A service manager that watches the file runs the hooks.
    @Test func aStoreSaysThatSomethingWasInstalled() async throws {
        let session = try CommandLineSession()
        #expect(!FileManager.default.fileExists(atPath: session.folder.file("state/installed")))
        try await session.install(Self.name)
        let status = try await session.run("umask 077; stat -c '%a %s' state/installed")
        #expect(status.output == "644 0\n", "\(status)")
    }
}
