import Foundation
import TestSupport
import Testing

@testable import acme_agent

/// What keeps root's deploy hooks from working for a user who is not trusted, and who is told if they fail.
@Suite(.enabled(if: geteuid() == 0, "needs root")) struct RootDeployTrustTests {
    private typealias World = RootDeployTests.World
    private static let name = RootDeployTests.name

    /// A front end that is broken into can store what no CA has signed.
    @Test func aChainThatLeadsNowhereIsRefused() async throws {
        let world = try await World(), other = FakeAuthority()
        try await world.install(by: other)
        let refused = try await world.deploy("--all --json")
        #expect(refused.status == 1 && refused.output.contains(#""code":"deploy-refused""#), "\(refused)")
        #expect(refused.output.contains("its chain leads to none of the CAs that root trusts"), "\(refused)")
        #expect(refused.output.contains("root-deploy-trust") && world.log == [], "\(refused)")
        // The names alone do not help.
        try world.configure("[[certificate]]\nname = \"\(Self.name)\"\nnames = [\"\(Self.name)\"]")
        #expect(try await world.deploy().status == 1)
        // Its own hook says that root means this certificate.
        try world.configure("[[certificate]]\nname = \"\(Self.name)\"\nroot-deploy-hook = \"\(world.folder.file("hook"))\"")
        let own = try await world.deploy()
        #expect(own.status == 0 && world.log == ["hook"], "\(own)")
        // Or the root of its CA.
        try await world.install(by: other)
        try world.configure()
        #expect(try await world.deploy().status == 1)
        try world.folder.write("roots.pem", "text around it\n" + other.rootPEM(now: CommandLineSession.now) + "\nand after it\n")
        #expect(try await world.deploy().status == 0)
        #expect(world.log == ["hook", "hook"])
    }

    /// There are more ways through certificates that all issue one another than anybody can go.
    @Test func aChainThatIsMadeToBeSearchedWithoutEndIsRefused() async throws {
        let world = try await World()
        try world.script("tell", "echo \"$1 $2\" >>told")
        try await world.shell("sed -i '1i root-failure-hook = \"\(world.folder.file("tell"))\"' acme-agent.toml")
        try await world.install(by: FakeAuthority(twins: 15))
        // `deploy` kills it after a minute.
        let refused = try await world.deploy("--all --json")
        #expect(refused.status == 1 && refused.output.contains("its chain leads to none of the CAs that root trusts"), "\(refused)")
        #expect(world.text("told") == "\(Self.name) deploy-refused\n" && world.log == [])
        try await world.install()
        let done = try await world.deploy()
        #expect(done.status == 0 && world.log == ["hook"], "\(done)")
    }

    /// A copy may be from when any CA counted.
    @Test func aCopyGetsNoNewHookWithoutATrustedCA() async throws {
        let world = try await World(hooks: ["hook", "second"]), other = FakeAuthority()
        try await world.install(by: other)
        try world.configure("[[certificate]]\nname = \"\(Self.name)\"\nroot-deploy-hook = \"\(world.folder.file("hook"))\"")
        let own = try await world.deploy()
        #expect(own.status == 0 && world.log == ["hook"], "\(own)")
        // Now the general hooks are for it, one of which has not run.
        try world.configure()
        let refused = try await world.deploy("--all --json")
        #expect(refused.status == 1 && refused.output.contains("its chain leads to none of the CAs that root trusts"), "\(refused)")
        #expect(world.log == ["hook"])
        let before = world.text("roots.pem")
        try world.folder.write("roots.pem", other.rootPEM(now: CommandLineSession.now))
        let trusted = try await world.deploy()
        #expect(trusted.status == 0 && world.log == ["hook", "second"], "\(trusted)")
        // Nothing runs, so nothing has to be trusted.
        try world.folder.write("roots.pem", before)
        let idle = try await world.deploy()
        #expect(idle.status == 0 && idle.output.contains("nothing to do"), "\(idle)")
    }

    /// The system's roots do not have the tests' CA.
    @Test func theSystemsRootsCountByDefault() async throws {
        let world = try await World()
        try await world.shell("sed -i '/^root-deploy-trust/d' acme-agent.toml")
        let refused = try await world.deploy()
        #expect(refused.status != 0 && world.log == [], "\(refused)")
        #expect(refused.error.contains("none of the CAs that root trusts") || refused.error.contains("roots of CAs"), "\(refused)")
    }

    @Test(arguments: ["chmod 0666 roots.pem", "chown 41001 roots.pem", "rm roots.pem", "echo x >roots.pem"])
    func onlyRootSaysWhichCAsCount(_ change: String) async throws {
        let world = try await World()
        try await world.shell(change)
        let refused = try await world.deploy()
        #expect(refused.status == 78 && refused.error.contains("roots of CAs"), "\(change): \(refused)")
        #expect(world.log == [], "\(change)")
    }

    /// Servers have no use for such names.
    @Test func namesOfOtherKindsAreNoObstacle() async throws {
        let world = try await World()
        try await world.install(uris: ["spiffe://example.org/web"])
        let done = try await world.deploy()
        #expect(done.status == 0 && world.log == ["hook"], "\(done)")
        #expect(try await world.deploy().output.contains("nothing to do"))
        // They stand for no name.
        try await world.install("db.example.org", uris: ["https://\(Self.name)"])
        let refused = try await world.deploy()
        #expect(refused.status == 1 && refused.error.contains("it is not for \(Self.name)"), "\(refused)")
    }

    @Test func rootsFailureHookIsTold() async throws {
        let world = try await World()
        try world.script("tell", "echo \"told $1 $2 $ACME_AGENT_DAYS_LEFT\" >>told; cat >>told")
        let tell = "root-failure-hook = \"\(world.folder.file("tell"))\""
        try await world.shell("sed -i '1i \(tell)' acme-agent.toml")
        #expect(try await world.deploy().status == 0)
        #expect(world.text("told") == "")
        try await world.install()
        try world.script("hook", "echo no such server; exit 3")
        let failed = try await world.deploy()
        #expect(failed.status == 1, "\(failed)")
        let told = world.text("told")
        #expect(told.hasPrefix("told \(Self.name) deploy-failed 89\n{\"name\":\"\(Self.name)\",\"daysLeft\":89,\"error\":{"), "\(told)")
        #expect(told.contains("no such server") && told.contains("\"certificate\":{") && told.contains(world.folder.file("deploy")))
        // What is refused is told as well, with the days of the copy that servers have; again at each try.
        try await world.shell("rm told; rm state/certificates/\(Self.name)/current/fullchain.pem")
        #expect(try await world.deploy().status == 1)
        #expect(world.text("told").hasPrefix("told \(Self.name) deploy-refused 89\n"), "\(world.text("told"))")
        // One that others can change is not run.
        try await world.shell("rm told; chmod 0777 tell")
        let warned = try await world.deploy()
        #expect(warned.status == 1 && warned.error.contains("root's failure hook of \(Self.name) failed"), "\(warned)")
        #expect(world.text("told") == "")
        // A certificate may have its own.
        try world.script("own", "echo own >>told")
        try world.configure("[[certificate]]\nname = \"\(Self.name)\"\nroot-failure-hook = \"\(world.folder.file("own"))\"")
        #expect(try await world.deploy().status == 1)
        #expect(world.text("told") == "own\n")
    }

    /// sudo hands over limits and ignored signals of the user who is not trusted.
    @Test func limitsOfTheUserDoNotReachTheHooks() async throws {
        let world = try await World()
        try world.script("hook", "for which in c f n s t v; do ulimit -$which; done >log")
        // The soft limits: in some containers root may not raise the hard ones again.
        let low = ["f 1", "n 64", "s 512", "t 600", "v 20000000"].map { "ulimit -S -\($0); " }.joined()
        let done = try await world.session.run("\(low)acme-agent root-deploy --all")
        #expect(done.status == 0, "\(done)")
        let limits = world.text("log").split(separator: "\n").map(String.init)
        let hard = try await world.shell("for which in f t v; do ulimit -H -$which; done").output.split(separator: "\n").map(String.init)
        #expect(limits.count == 6 && limits[0] == "0" && [limits[1], limits[4], limits[5]] == hard, "\(limits) \(hard)")
        #expect(limits[2] == "1024" && limits[3] == "8192", "\(limits)")
    }

    /// With SIGCHLD ignored the kernel keeps no exit code.
    @Test func anIgnoredSignalHidesNoFailure() async throws {
        let world = try await World()
        try world.script("hook", "echo hook >>log; exit 3")
        let failed = try await world.session.run("trap '' CHLD HUP QUIT; acme-agent root-deploy --all")
        #expect(failed.status == 1 && failed.error.contains("exit code 3"), "\(failed)")
    }

    /// A server's configuration that still names the store's files.
    @Test func aConfigurationThatNamesTheStoreIsFound() throws {
        let folder = try TemporaryFolder(), store = "/var/lib/acme-agent/certificates/www.example.org"
        for place in ["sites-available", "sites-enabled"] {
            try FileManager.default.createDirectory(atPath: folder.file(place), withIntermediateDirectories: false)
        }
        func found() -> ConfiguredPath? { ConfiguredPath.first(below: store, in: ["/nonexistent", folder.path]) }
        try folder.write("nginx.conf", "# ssl_certificate \(store)/fullchain.pem;\nssl_certificate \(store)-2/fullchain.pem;\n")
        try folder.write("sites-available/www", "server {\n\tssl_certificate \(store)/fullchain.pem;\n}\n")
        #expect(found() == nil)
        try FileManager.default.createSymbolicLink(
            atPath: folder.file("sites-enabled/www"), withDestinationPath: "../sites-available/www")
        let place = try #require(found())
        #expect(place == ConfiguredPath(file: folder.file("sites-enabled/www"), line: 2))
        let finding = DeploymentCheck.unchecked(place, stored: store, copy: "/copy", reload: "systemctl reload nginx")
        #expect(
            finding.state == .failed && finding.condition == .certificate && finding.message.contains("line 2, names files of \(store)"))
        // A loop of links ends.
        try FileManager.default.createSymbolicLink(atPath: folder.file("loop"), withDestinationPath: folder.path)
        try FileManager.default.removeItem(atPath: folder.file("sites-enabled/www"))
        #expect(found() == nil)
    }

    /// With the files of a server that is installed here.
    @Test(.enabled(if: access("/etc/nginx", F_OK) == 0, "needs nginx")) func theCheckLooksIntoTheServersConfiguration() async throws {
        let world = try await World(), store = world.folder.file("state/certificates/\(Self.name)")
        #expect(try await world.deploy().status == 0)
        let checked = try await world.session.run(
            """
            unshare -m sh -c 'mount -t tmpfs none /etc/nginx && echo "ssl_certificate \(store)/fullchain.pem;" >/etc/nginx/nginx.conf &&
                acme-agent deploy nginx \(Self.name) --user root --check --connect 127.0.0.1:9'
            """)
        #expect(checked.status == 6 && "\(checked)".contains("/etc/nginx/nginx.conf, line 1, names files of \(store)"), "\(checked)")
    }
}
