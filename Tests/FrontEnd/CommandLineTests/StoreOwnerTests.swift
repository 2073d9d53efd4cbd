import CertificateStore
import Foundation
import TestSupport
import Testing

@testable import acme_agent

/// A command of root's in a store of another user's: it runs as that user, who must get nothing else of root's.
@Suite(.enabled(if: geteuid() == 0, "needs root")) struct StoreOwnerTests {
    /// Has no entry in passwd.
    private static let owner = 41_001

    /// A store of the other user's, and a hook that this user has chosen.
    private func session(hook: String = "") async throws -> CommandLineSession {
        let session = try CommandLineSession()
        try session.folder.write("hook", "#!/bin/sh\ncd '\(session.folder.path)'\n\(hook)\nexit 1\n", mode: 0o755)
        let done = try await session.run("chmod 0755 .; chmod 0644 acme-agent.toml; chown \(Self.owner) state")
        try #require(done.status == 0, "\(done)")
        return session
    }

    /// Ends with the failure of the hook, before anything is looked up.
    private static let test = "timeout -s KILL 60 acme-agent challenge test www.example.org --dns-hook $PWD/hook"

    private func text(_ session: CommandLineSession, _ path: String) -> String {
        (try? String(contentsOfFile: session.folder.file(path), encoding: .utf8)) ?? ""
    }

    /// Characters put into the terminal's input would be the next command of root's shell.
    @Test func theOwnerCannotTypeIntoRootsTerminal() async throws {
        let session = try await session(hook: "id -u >state/out; perl hook.pl $PPID >>state/out 2>&1")
        try session.folder.write(
            "hook.pl",
            """
            my $letter = "x";
            print "own terminal\\n" if open(my $own, "+<", "/dev/tty");
            print "typed\\n" if $own && ioctl($own, 0x5412, $letter);
            my $process = syscall(434, $ARGV[0] + 0, 0);
            for my $number (0 .. 2) {
                my $copy = syscall(438, $process, $number, 0);
                next if $copy < 0 || !open(my $inherited, "+<&=", $copy);
                print "inherited\\n" if -t $inherited;
                print "taken over\\n" if ioctl($inherited, 0x540E, 0);
                print "typed\\n" if ioctl($inherited, 0x5412, $letter);
            }
            """, mode: 0o644)
        let done = try await session.runOnTerminal("\(Self.test.replacing("timeout -s KILL 60 ", with: "")); echo ended")
        let out = text(session, "state/out")
        #expect(out.hasPrefix("\(Self.owner)\n") && out.contains("inherited"), "\(out) \(done)")
        #expect(!out.contains("typed") && !out.contains("own terminal") && !out.contains("taken over"), "\(out) \(done)")
    }

    /// Root's files are opened by root's shell.
    @Test func theHintsNameTheShell() async throws {
        let session = try await session()
        let done = try await session.run("install -m 0600 /dev/null secret.pem; mkdir -m 0755 out")
        #expect(done.status == 0)
        let read = try await session.run("timeout -s KILL 60 acme-agent import intranet secret.pem")
        #expect(read.status != 0 && read.error.contains("hint: the user to whom the state directory belongs reads it"), "\(read)")
        #expect(read.error.contains("acme-agent import intranet <FILE"), "\(read)")
        let written = try await session.run("timeout -s KILL 60 acme-agent csr intranet -d intranet.example.org --out out/csr.pem")
        #expect(
            written.status != 0 && written.error.contains("hint: the user to whom the state directory belongs writes it"), "\(written)")
        #expect(written.error.contains("acme-agent csr intranet >FILE"), "\(written)")
        #expect(!FileManager.default.fileExists(atPath: session.folder.file("out/csr.pem")))
        // What the shell opens is read: it is no certificate.
        let piped = try await session.run("timeout -s KILL 60 acme-agent import intranet <secret.pem")
        #expect(piped.status == 4 && piped.error.contains("the file is refused"), "\(piped)")
    }

    @Test func theOwnerSeesNoSecretOfRootsEnvironment() async throws {
        let session = try await session(hook: "{ env; tr '\\0' '\\n' </proc/$PPID/environ; } >state/out")
        let done = try await session.run(
            Self.test,
            environment: [
                "AWS_SECRET_ACCESS_KEY": "TOPSECRET", "LD_LIBRARY_PATH": "/TOPSECRET", "TZ": "Europe/Zurich", "LC_ALL": "C.UTF-8",
                "https_proxy": "http://127.0.0.1:1", "ACME_AGENT_SOCKET": "/nowhere", "HOME": "/root", "USER": "root", "LISTEN_FDS": "1",
            ])
        let lines = Set(text(session, "state/out").split(separator: "\n").map(String.init))
        #expect(lines.contains("HOME=/") && !lines.contains("USER=root") && !lines.contains("HOME=/root"), "\(lines) \(done)")
        #expect(
            lines.isSuperset(of: ["TZ=Europe/Zurich", "LC_ALL=C.UTF-8", "https_proxy=http://127.0.0.1:1", "ACME_AGENT_SOCKET=/nowhere"]),
            "\(lines)")
        #expect(!lines.contains { $0.contains("TOPSECRET") || $0.hasPrefix("LISTEN_") }, "\(lines)")
    }

    @Test func theOwnerGetsNoDescriptorOfRoots() async throws {
        let session = try await session(hook: "{ ls -l /proc/$PPID/fd; cat /proc/$PPID/fd/9; } >state/out 2>&1")
        let done = try await session.run("echo TOPSECRET >secret; chmod 0600 secret; exec 9<secret; \(Self.test)")
        let out = text(session, "state/out")
        #expect(out.contains("->") && !out.contains("secret") && !out.contains("TOPSECRET"), "\(out) \(done)")
    }

    /// Nor can it become root again, or keep more than the ports below 1024.
    @Test func theOwnerHasNoPrivilegeOfRoots() async throws {
        let session = try await session(hook: "grep -E '^(Uid|Gid|Groups|CapEff|CapPrm|CapAmb)' /proc/$PPID/status >state/out")
        let done = try await session.run(Self.test)
        let owner = "\(Self.owner)"
        let fields = text(session, "state/out").split(separator: "\n").map { $0.split { $0 == "\t" || $0 == " " }.map(String.init) }
        #expect(fields.contains(["Uid:", owner, owner, owner, owner]) && fields.contains(["Groups:"]), "\(fields) \(done)")
        for set in ["CapEff:", "CapPrm:", "CapAmb:"] {
            let field = try #require(fields.first { $0.first == set })
            #expect(try #require(UInt64(field[1], radix: 16)) & ~(1 << 10) == 0, "\(field)")
        }
    }

    @Test func itsStatusIsTheCommands() async throws {
        let session = try await session(hook: "kill -KILL $PPID")
        let unknown = try await session.run("acme-agent renew nosuch.example.org --json")
        #expect(unknown.status == 1 && unknown.output.contains("nosuch.example.org"), "\(unknown)")
        #expect(unknown.error.contains("running as \(Self.owner)"), "\(unknown)")
        let killed = try await session.run(Self.test.replacing("timeout -s KILL 60 ", with: ""))
        #expect(killed.status == 137, "\(killed)")
    }

    /// A signal to root's process reaches the command, which ends in order; if root's process is killed, it ends, too.
    @Test(arguments: [("TERM", 143), ("INT", 130), ("KILL", 137)])
    func aSignalReachesTheCommand(_ signal: String, _ status: Int) async throws {
        let session = try await session(hook: "test ! -e state/out || exit 0; echo $PPID >state/new; mv state/new state/out; sleep 30")
        let done = try await session.run(
            """
            perl -e '$SIG{INT} = "DEFAULT"; exec @ARGV' acme-agent challenge test www.example.org --dns-hook $PWD/hook & process=$!
            for i in $(seq 200); do test -e state/out && break; sleep 0.1; done
            kill -\(signal) $process; wait $process; status=$?
            for i in $(seq 100); do kill -0 $(cat state/out) 2>/dev/null || break; sleep 0.1; done
            kill -0 $(cat state/out) 2>/dev/null && echo still there
            exit $status
            """)
        #expect(Int(done.status) == status && !done.output.contains("still there"), "\(done)")
    }

    @Test func aPersonCanAnswer() async throws {
        let session = try await session()
        try await session.install("good.example.org")
        _ = try await session.run("chown -hR \(Self.owner) state")
        let no = try await session.runOnTerminal("acme-agent revoke good.example.org; echo status $?", input: "n\n")
        #expect(no.output.contains("[y/N]") && no.output.contains("nothing was changed") && no.output.contains("status 1"), "\(no)")
        let yes = try await session.runOnTerminal("acme-agent revoke good.example.org; echo status $?", input: "y\n")
        #expect(yes.output.contains("status 3"), "\(yes)")
    }

    /// Another state directory would look like a store without certificates, and a timer's renewal like a good one.
    @Test func aStoreOfAnotherUsersIsRefused() async throws {
        let session = try await session()
        let renewal = "setpriv --reuid 41002 --clear-groups \"$(command -v acme-agent)\" --state-directory $PWD/state renew --all --json"
        for owner in ["0", "\(Self.owner)"] {
            let refused = try await session.run("chown \(owner) state; \(renewal)")
            #expect(refused.status == 78 && refused.output.contains(#""code":"store-owner""#), "\(refused)")
            #expect(refused.output.contains("From root to acme-agent-client"), "\(refused)")
        }
    }

    @Test(arguments: ["acme-agent-renew.service", "acme-agent-run.service"]) func theUnitsNameTheStore(_ unit: String) throws {
        let root = #filePath.split(separator: "/").dropLast(4).map { "/" + $0 }.joined()
        let text = try String(contentsOfFile: "\(root)/Config/systemd/\(unit)", encoding: .utf8)
        let start = try #require(text.split(separator: "\n").first { $0.hasPrefix("ExecStart=") })
        #expect(start.hasSuffix(" --state-directory /var/lib/acme-agent"), "\(start)")
    }

    /// With a symbolic link on the way.
    @Test func aLinkToTheStoreChangesNothing() async throws {
        let session = try await session()
        let done = try await session.run("ln -s state link; acme-agent --state-directory $PWD/link renew --all")
        #expect(done.status == 0 && done.error.contains("running as \(Self.owner)"), "\(done)")
        #expect(StoreOwner.status(of: session.folder.file("link"))?.owner == 41_001)
    }

    /// Only what the program would use.
    @Test func strangersFilesDoNotStopRenewals() async throws {
        let session = try await session()
        let renewal = "setpriv --reuid \(Self.owner) --clear-groups \"$(command -v acme-agent)\" renew --all"
        let fine = try await session.run(
            """
            cd state; mkdir -m 0700 lost+found; install -m 0600 /dev/null notes; mkdir accounts certificates
            install -m 0600 /dev/null accounts/notes; mkdir -m 0700 certificates/.old; chown \(Self.owner) accounts certificates
            \(renewal)
            """)
        #expect(fine.status == 0, "\(fine)")
        for strange in ["accounts/ca.json", "awaited/intranet.json", "settings/www.example.org.json", "locks/www.example.org.lock"] {
            let refused = try await session.run(
                """
                cd state; mkdir -p ${p=\(strange.split(separator: "/")[0])}; chown \(Self.owner) $p; install -m 0600 /dev/null \(strange)
                \(renewal); s=$?; rm \(strange); exit $s
                """)
            #expect(refused.status == 78 && refused.error.contains(strange), "\(strange): \(refused)")
        }
    }

    /// Links of the owner's would lead root elsewhere.
    @Test func doctorTouchesNothingAsRoot() async throws {
        let session = try await session()
        let name = "www.example.org"
        try session.folder.write(
            "order",
            """
            {"version":3,"kind":"order","name":"\(name)","directory":"https://127.0.0.1:1/d","identifiers":[{"type":"dns",\
            "value":"\(name)"}],"mustStaple":false,"accountKey":"k","started":"2026-11-28T00:00:00Z","replacing":0,"steps":[]}
            """, mode: 0o644)
        let done = try await session.run(
            """
            mkdir victim; echo precious >victim/\(name).lock; chmod 0600 victim/\(name).lock; mkdir state/orders
            cp order state/orders/\(name).json
            ln -s ../victim state/locks; chown -hR \(Self.owner) state
            acme-agent doctor --directory https://127.0.0.1:1/d
            """)
        #expect(done.error.contains("running as \(Self.owner)"), "\(done)")
        #expect(try session.folder.read("victim/\(name).lock") == "precious\n", "\(done)")
        #expect(try await session.run("find state ! -user \(Self.owner)").output == "")
    }

    /// Looking at a lock leaves nothing behind, and sees who holds it.
    @Test func aLookAtALockMakesNothing() async throws {
        let session = try CommandLineSession()
        let name = try CertificateName("www.example.org")
        #expect(!session.store.isLocked(name))
        #expect(!FileManager.default.fileExists(atPath: session.folder.file("state/locks")))
        let lock = try await session.store.lock(name)
        #expect(session.store.isLocked(name))
        lock.release()
        #expect(!session.store.isLocked(name))
        try session.folder.write("state/locks/\(name).lock", "")
        #expect(!session.store.isLocked(name))
        #expect(FileManager.default.fileExists(atPath: session.folder.file("state/locks/\(name).lock")))
    }
}
