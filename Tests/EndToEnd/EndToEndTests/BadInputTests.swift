import Foundation
import Testing

/// Errors are reported clearly, and nothing is signed or lost.
@Suite struct BadInputTests {
    private func expectError(
        _ outcome: Outcome, status: Int32, _ words: String..., sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(outcome.status == status, "\(outcome)", sourceLocation: sourceLocation)
        #expect(outcome.error.contains("acme-agent: error: "), "\(outcome)", sourceLocation: sourceLocation)
        for word in words { #expect(outcome.error.lowercased().contains(word.lowercased()), "\(outcome)", sourceLocation: sourceLocation) }
    }

    @Test func theCAIsNotReachableOrNotHTTPSOrNotTrusted() async throws {
        let sandbox = try await Sandbox()
        expectError(
            try await sandbox.agent("account", "register", "--agree-tos", "--directory", "https://localhost:1/dir"), status: 75,
            "localhost:1")
        let plain = try await sandbox.agent("account", "register", "--agree-tos", "--directory", "http://localhost:80/dir")
        expectError(plain, status: 64, "https")
        let untrusted = try await sandbox.agent(
            "account", "register", "--agree-tos", "--directory", sandbox.environment["ACME_DIRECTORY_EAB"] ?? "")
        expectError(untrusted, status: 4, "trusted")
        await sandbox.end()
    }

    @Test func theAgentIsNotThere() async throws {
        let sandbox = try await Sandbox()
        expectError(try await sandbox.agent("status", "--socket", sandbox.folder + "/none.sock"), status: 3, "does not exist")
        kill(try sandbox.daemon, SIGKILL)
        try await Task.sleep(for: .milliseconds(100))
        expectError(try await sandbox.agent("status"), status: 3, "no listener")
        await sandbox.end()
    }

    @Test func anUnknownKeyAndAnUnknownCertificate() async throws {
        let sandbox = try await Sandbox()
        expectError(try await sandbox.agent("keys", "show", "no-such-key"), status: 2, "no key")
        expectError(try await sandbox.agent("show", "no-such-certificate"), status: 1, "no-such-certificate")
        for hostile in ["../../etc/passwd", "-rf", "a\nb", "\u{1B}[31m"] {
            let outcome = try await sandbox.agent("keys", "create", "--usage", "certificate", "--", hostile)
            #expect(outcome.status == 64 || outcome.status == 1 || outcome.status == 2, "\(outcome)")
            #expect(!outcome.error.contains("\u{1B}"), "\(outcome)")
        }
        await sandbox.end()
    }

    @Test func aNameOutsideTheGrantIsRefusedWithTheGrantThatCameClosest() async throws {
        let sandbox = try await Sandbox()
        let file = sandbox.folder + "/acme-agentd.toml"
        let text = try String(contentsOfFile: file, encoding: .utf8)
            .replacingOccurrences(of: #"identifiers = ["*"]"#, with: #"identifiers = ["*.example.org"]"#)
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        chmod(file, 0o600)
        try await sandbox.stopDaemon()
        try await sandbox.restartDaemon()
        #expect(try await sandbox.agent("account", "register", "--agree-tos").status == 0)
        #expect(try await sandbox.agent("issue", "-d", "www.example.org").status == 0)
        expectError(try await sandbox.agent("issue", "-d", "www.example.com"), status: 2, "www.example.com", "hint:", "*.example.org")
        // Nothing is left behind: no key in the token, and no order that a timer would retry forever.
        expectError(try await sandbox.agent("issue", "-d", "www.example.com", "--key", "refused"), status: 2, "www.example.com")
        let keys = try await sandbox.agent("keys", "list", "--json")
        #expect(!keys.output.contains("refused") && !keys.output.contains("www.example.com"), "\(keys)")
        #expect(try await sandbox.privateKeysInToken() == (keys.json["keys"] as? [Any])?.count, "\(keys)")
        let list = try await sandbox.agent("list", "--json")
        #expect((list.json["interrupted"] as? [Any])?.isEmpty == true, "\(list)")
        #expect(try await sandbox.agent("renew", "--all").status == 0)
        // A wildcard that no challenge could prove is refused before any request to the CA.
        let before = try sandbox.requests()
        expectError(try await sandbox.agent("issue", "-d", "*.example.org"), status: 5, "nothing was ordered", "--dns-hook")
        #expect(try sandbox.requests() - before <= 2)
        // A key in use is not destroyed by mistake.
        expectError(
            try await sandbox.agent("keys", "delete", "www.example.org", "--yes"), status: 1, "certificate www.example.org", "--force")
        #expect(try await sandbox.agent("keys", "delete", "www.example.org", "--yes", "--force").status == 0)
        #expect(sandbox.daemonLog.contains("nearest is grant"), "\(sandbox.daemonLog)")
        await sandbox.end()
    }

    @Test func aWrongPINIsTriedOnceAndSaidToBeWrong() async throws {
        let sandbox = try await Sandbox()
        try await sandbox.stopDaemon()
        let pin = sandbox.environment["PIN_FILE"] ?? ""
        let right = try String(contentsOfFile: pin, encoding: .utf8)
        try "99999999\n".write(toFile: pin, atomically: false, encoding: .utf8)
        // After one wrong PIN SoftHSM reports CKF_USER_PIN_COUNT_LOW, and the agent does not try again. When it checks
        // later, it finds that it has tried this PIN before.
        for reasons in [["pinIncorrect", "pinNotTriedAgain"], ["pinLocked", "pinNotTriedAgain"]] {
            try await sandbox.restartDaemon()
            let status = try await sandbox.agent("status", "--json")
            #expect(status.status == 3 && reasons.contains { status.output.contains($0) }, "\(status)")
            expectError(try await sandbox.agent("account", "register", "--agree-tos"), status: 3, "PIN", "hint:")
            try await sandbox.stopDaemon()
        }
        try right.write(toFile: pin, atomically: false, encoding: .utf8)
        // The token reports that few tries are left, so the agent makes none. A manual login with the right PIN resets
        // the count.
        let login = try await sandbox.shell(
            "pkcs11-tool --module /usr/lib/softhsm/libsofthsm2.so --login --pin \"$(cat \"$PIN_FILE\")\" --list-objects")
        #expect(login.status == 0, "\(login)")
        try await sandbox.restartDaemon()
        let registered = try await sandbox.agent("account", "register", "--agree-tos")
        #expect(registered.status == 0, "\(registered)")
        await sandbox.end()
    }

    @Test func noTokenAndASecondDaemonAndAWrongConfiguration() async throws {
        let sandbox = try await Sandbox()
        // A second daemon on the same socket.
        let second = try await sandbox.shell("timeout 20 \(Program.folder)/acme-agentd --config \"$SANDBOX_DIR/acme-agentd.toml\"")
        #expect(second.status == 1 && second.error.contains("acme-agentd: error: another acme-agentd listens"), "\(second)")
        #expect(try await sandbox.agent("status").status == 0)

        // A configuration with a fault: file and line.
        let file = sandbox.folder + "/wrong.toml"
        try "socket = \"/tmp/x.sock\"\n[[token]]\nname = \"t\"\nmodul = \"/x\"\n".write(toFile: file, atomically: false, encoding: .utf8)
        chmod(file, 0o600)
        let wrong = try await sandbox.shell("\(Program.folder)/acme-agentd --check-config --config '\(file)'")
        #expect(wrong.status == 78 && wrong.error.contains("wrong.toml:4: \"modul\""), "\(wrong)")
        chmod(file, 0o666)
        let writable = try await sandbox.shell("\(Program.folder)/acme-agentd --check-config --config '\(file)'")
        #expect(writable.status == 78 && writable.error.contains("written by users other"), "\(writable)")

        // No such token: the daemon stays up and says so.
        try await sandbox.stopDaemon()
        let configuration = sandbox.folder + "/acme-agentd.toml"
        let text = try String(contentsOfFile: configuration, encoding: .utf8)
            .replacingOccurrences(of: "pkcs11:token=sandbox", with: "pkcs11:token=other")
        try text.write(toFile: configuration, atomically: true, encoding: .utf8)
        chmod(configuration, 0o600)
        try await sandbox.restartDaemon()
        let status = try await sandbox.agent("status", "--json")
        #expect(status.status == 3 && status.output.contains("noToken"), "\(status)")
        expectError(try await sandbox.agent("keys", "create", "web-1", "--usage", "certificate"), status: 3, "token")
        await sandbox.end()
    }

    @Test func twoKeysWithOneLabelAreNeverGuessedAt() async throws {
        let sandbox = try await Sandbox()
        let made = try await sandbox.shell(
            """
            for id in 01 02; do pkcs11-tool --module /usr/lib/softhsm/libsofthsm2.so --login --pin "$(cat "$PIN_FILE")" \
                --keypairgen --key-type EC:prime256v1 --label twin --id $id >/dev/null; done
            """)
        try #require(made.status == 0, "\(made)")
        let ambiguous = try await sandbox.agent("keys", "adopt", "pkcs11:object=twin;type=private", "--name", "twin")
        #expect(ambiguous.status != 0 && ambiguous.error.contains("2"), "\(ambiguous)")
        // Keys made by pkcs11-tool may do more than sign.
        let exact = ["keys", "adopt", "pkcs11:object=twin;id=%02;type=private", "--name", "twin"]
        expectError(try await sandbox.agent(exact), status: 2, "--accept-weak")
        let accepted = try await sandbox.agent(exact + ["--accept-weak"])
        #expect(accepted.status == 0, "\(accepted)")
        let list = try await sandbox.agent("keys", "list")
        #expect(list.output.contains("active, weak"), "\(list)")
        await sandbox.end()
    }

    /// Raw bytes on the socket: the connection is closed or gets an error, and the daemon keeps running.
    @Test func hostileMessages() async throws {
        let sandbox = try await Sandbox()
        let daemon = try sandbox.daemon
        let script = """
            import json, os, socket, sys
            path = os.environ["ACME_AGENT_SOCKET"]
            def ask(data, half_close=False):
                s = socket.socket(socket.AF_UNIX); s.settimeout(10); s.connect(path)
                try:
                    s.sendall(data)
                    if half_close: s.shutdown(socket.SHUT_WR)
                    reply = b""
                    while not reply.endswith(b"\\0"):
                        part = s.recv(65536)
                        if not part: return "closed"
                        reply += part
                    return json.loads(reply[:-1])
                except (BrokenPipeError, ConnectionResetError): return "closed"
                finally: s.close()
            status = b'{"method":"org.acmeagent.Agent.GetStatus"}'
            assert "parameters" in ask(status + b"\\0"), "status"
            assert "parameters" in ask(status + b"\\0", half_close=True), "half close"
            assert ask(b'{"method":"org.acmeagent.Agent.GetStatus","method":"x.y.Z"}\\0') == "closed", "duplicate"
            assert ask(b'{"method":"org.acmeagent.Agent.GetStatus","m\\\\u0065thod":"x.y.Z"}\\0') == "closed", "escaped duplicate"
            assert ask(b'{"a":' + b"[" * 8 + b"]" * 8 + b"}\\0") == "closed", "nine deep"
            assert ask(b"[" * 50000 + b"\\0") == "closed", "deep"
            assert ask(b"x" * 300000) == "closed", "too long"
            assert ask(b"\\xff\\xfe\\0") == "closed", "no UTF-8"
            unknown = ask(b'{"method":"org.acmeagent.Agent.SignBytes","parameters":{}}\\0')
            assert unknown["error"] == "org.varlink.service.MethodNotFound", unknown
            extra = ask(b'{"method":"org.acmeagent.Agent.ListKeys","parameters":{"digest":"00"}}\\0')
            assert extra["error"] == "org.acmeagent.Agent.InvalidRequest", extra
            nonce = ask(b'{"method":"org.acmeagent.Agent.SignPostAsGet","parameters":{"key":"k","url":"https://localhost/x","account":"https://localhost/a","nonce":"a\\\\r\\\\nb"}}\\0')
            assert nonce["error"] == "org.acmeagent.Agent.InvalidRequest" and nonce["parameters"]["parameter"] == "nonce", nonce
            for url in ["http://localhost/x", "https://u@localhost/x", "https://localhost/x#f", "https://localhost/../x", "https://localhost/%2e%2e/x"]:
                call = {"method": "org.acmeagent.Agent.SignPostAsGet", "parameters": {"key": "k", "url": url, "account": "https://localhost/a", "nonce": "bm8"}}
                reply = ask(json.dumps(call).encode() + b"\\0")
                assert reply["error"] == "org.acmeagent.Agent.InvalidRequest", reply
            # As many descriptors as one message can pass, SCM_MAX_FD, are dropped.
            def held(): return len(os.listdir("/proc/\(daemon)/fd"))
            s, null, before = socket.socket(socket.AF_UNIX), os.open("/dev/null", os.O_RDONLY), 0
            s.settimeout(10); s.connect(path)
            for _ in range(4):
                socket.send_fds(s, [status + b"\\0"], [null] * 253)
                assert s.recv(65536), "closed"
                before = before or held()
            assert held() < before + 253, (before, held())
            assert "parameters" in ask(status + b"\\0"), "still alive"
            print("all answered")
            """
        let file = sandbox.folder + "/hostile.py"
        try script.write(toFile: file, atomically: false, encoding: .utf8)
        let outcome = try await sandbox.shell("python3 '\(file)'")
        #expect(outcome.status == 0 && outcome.output.contains("all answered"), "\(outcome)")
        await sandbox.end()
    }

    /// The audit trail's disk is full: nothing is signed, and the agent resumes by itself when there is room.
    @Test(.enabled(if: geteuid() == 0, "needs root")) func aFullDiskUnderTheAuditTrail() async throws {
        let sandbox = try await Sandbox()
        try await sandbox.stopDaemon()
        let audit = sandbox.folder + "/agentd/audit"
        let mounted = try await sandbox.shell(
            "rm -rf '\(audit)'/* '\(audit)-head' && mount -t tmpfs -o size=64k,mode=0700 tmpfs '\(audit)'")
        try #require(mounted.status == 0, "\(mounted)")
        try await sandbox.restartDaemon()
        #expect(try await sandbox.agent("account", "register", "--agree-tos").status == 0)
        _ = try await sandbox.shell("dd if=/dev/zero of='\(audit)/filler' bs=4k count=100 2>/dev/null || true")
        var refused: Outcome?
        for name in 1...12 {
            let outcome = try await sandbox.agent("issue", "-d", "n\(name).example.org")
            if outcome.status != 0 {
                refused = outcome
                break
            }
        }
        let full = try #require(refused, "the disk never filled")
        expectError(full, status: 3, "audit trail")
        _ = try await sandbox.shell("rm '\(audit)/filler'")
        let after = try await sandbox.agent("issue", "-d", "after.example.org")
        #expect(after.status == 0, "\(after)")
        #expect(try await sandbox.agent("audit", "verify").status == 0)
        try await sandbox.stopDaemon()
        _ = try await sandbox.shell("umount '\(audit)'")
        await sandbox.end()
    }

    /// SIGXFSZ ends a process that does not ignore it.
    @Test func aLimitOnTheSizeOfFilesIsAFullDiskToTheDaemon() async throws {
        let sandbox = try await Sandbox()
        #expect(try await sandbox.agent("account", "register", "--agree-tos").status == 0)
        let daemon = try sandbox.daemon
        let trail = sandbox.folder + "/agentd/audit/audit.jsonl"
        let limited = try await sandbox.shell("prlimit --pid \(daemon) --fsize=$(($(stat -c %s '\(trail)') + 100)):")
        try #require(limited.status == 0, "\(limited)")
        expectError(try await sandbox.agent("issue", "-d", "www.example.org"), status: 3, "audit trail", "storage-full")
        #expect(try sandbox.daemon == daemon && kill(daemon, 0) == 0)
        #expect(try await sandbox.shell("prlimit --pid \(daemon) --fsize=unlimited").status == 0)
        let after = try await sandbox.agent("issue", "-d", "www.example.org")
        #expect(after.status == 0, "\(after)")
        #expect(try await sandbox.agent("audit", "verify").status == 0)
        await sandbox.end()
    }

    /// The front end's disk is full: the command fails, and the existing certificate stays unchanged.
    @Test(.enabled(if: geteuid() == 0, "needs root")) func aFullDiskUnderTheStore() async throws {
        let sandbox = try await Sandbox()
        let state = sandbox.folder + "/state"
        let mounted = try await sandbox.shell("mkdir -p '\(state)' && mount -t tmpfs -o size=256k,mode=0700 tmpfs '\(state)'")
        try #require(mounted.status == 0, "\(mounted)")
        #expect(try await sandbox.agent("account", "register", "--agree-tos").status == 0)
        #expect(try await sandbox.agent("issue", "-d", "www.example.org").status == 0)
        let before = try await sandbox.shell("cat '\(state)/certificates/www.example.org/fullchain.pem' | sha256sum")
        _ = try await sandbox.shell("dd if=/dev/zero of='\(state)/filler' bs=1k count=1000 2>/dev/null || true")
        let full = try await sandbox.agent("renew", "www.example.org", "--force")
        #expect(full.status != 0 && full.error.lowercased().contains("no space"), "\(full)")
        let after = try await sandbox.shell("cat '\(state)/certificates/www.example.org/fullchain.pem' | sha256sum")
        #expect(before.output == after.output)
        _ = try await sandbox.shell("rm '\(state)/filler'")
        let renewed = try await sandbox.agent("renew", "www.example.org", "--force")
        #expect(renewed.status == 0, "\(renewed)")
        _ = try await sandbox.shell("umount '\(state)'")
        await sandbox.end()
    }
}
