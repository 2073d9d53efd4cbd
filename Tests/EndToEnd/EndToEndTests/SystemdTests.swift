import DatagramSocket
import Foundation
import ProcessWaiting
import Testing

/// The daemon with what systemd gives a service: a socket for notifications, a watchdog, listening sockets, credentials.
@Suite struct SystemdTests {
    /// Restarts the sandbox's daemon with a watchdog of half a second.
    private func watched(
        _ more: [String: String] = [:], _ body: (_ sandbox: Sandbox, _ socket: DatagramSocket) async throws -> Void
    ) async throws {
        let sandbox = try await Sandbox()
        let socket = try DatagramSocket(path: sandbox.folder + "/notify")
        try await sandbox.stopDaemon()
        try await sandbox.restartDaemon(
            environment: ["NOTIFY_SOCKET": socket.path, "WATCHDOG_USEC": "500000"].merging(more) { $1 })
        try await body(sandbox, socket)
        await sandbox.end()
    }

    @Test func theProgramTellsItsManagerWhatItDoes() async throws {
        try await watched { sandbox, socket in
            let status = try #require(try await socket.next { $0.hasPrefix("STATUS=") })
            #expect(status == "STATUS=ready: 1 token, 1 grant")
            #expect(try await socket.next { $0 == "READY=1" } != nil)
            for _ in 0..<3 { #expect(try await socket.next { $0 == "WATCHDOG=1" } != nil) }
            let daemon = try sandbox.daemon
            kill(daemon, SIGSTOP)
            // What it had sent before.
            try await Task.sleep(for: .milliseconds(100))
            _ = socket.received()
            try await Task.sleep(for: .milliseconds(1_000))
            #expect(socket.received().isEmpty)
            kill(daemon, SIGCONT)
            #expect(try await socket.next { $0 == "WATCHDOG=1" } != nil)
            kill(daemon, SIGHUP)
            #expect(try await socket.next { $0.hasPrefix("RELOADING=1\nMONOTONIC_USEC=") } != nil)
            #expect(try await socket.next { $0 == "READY=1" } != nil)
            try await sandbox.stopDaemon()
            #expect(try await socket.next { $0 == "STOPPING=1" } != nil)
        }
    }

    @Test func anotherProcessesWatchdogIsLeftAlone() async throws {
        try await watched(["WATCHDOG_PID": "1"]) { _, socket in
            #expect(try await socket.next { $0 == "READY=1" } != nil)
            try await Task.sleep(for: .milliseconds(1_000))
            #expect(!socket.received().map { String(decoding: $0, as: UTF8.self) }.contains("WATCHDOG=1"))
        }
    }

    /// systemd keeps the socket open between two daemons; here a shell does, to which systemd-socket-activate has passed
    /// it.
    @Test func connectionsWaitWhileTheDaemonRestarts() async throws {
        let sandbox = try await Sandbox()
        try await sandbox.stopDaemon()
        let started = try await sandbox.shell(
            """
            cd "$SANDBOX_DIR"; program=test; . '\(Program.root)/Tests/Sandbox/processes'
            cat >activated <<'END'
            # LISTEN_FDS is inherited; LISTEN_PID must be the daemon's own.
            trap 'kill "$daemon"; wait "$daemon"; exit' TERM
            while :; do
                while [ -e held ]; do sleep 0.02; done
                sh -c 'LISTEN_PID=$$ exec "$0" --config acme-agentd.toml' '\(Program.folder)/acme-agentd' &
                daemon=$!
                echo "$daemon" >daemon.new && mv daemon.new daemon
                wait "$daemon" || true
            done
            END
            start_process agentd systemd-socket-activate --listen="$ACME_AGENT_SOCKET" bash activated
            is_bound() { [ -S "$ACME_AGENT_SOCKET" ]; }
            wait_until 20 is_bound
            [ ! -e daemon ]
            """)
        try #require(started.status == 0, "\(started)")
        // The first connection starts it.
        let first = try await sandbox.agent("keys", "list")
        #expect(first.status == 0, "\(first)")
        func stop() async throws -> Int32 {
            let text = try String(contentsOfFile: sandbox.folder + "/daemon", encoding: .utf8)
            let process = try #require(Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)))
            kill(process, SIGTERM)
            return process
        }
        // While none runs, connections wait.
        try "".write(toFile: sandbox.folder + "/held", atomically: false, encoding: .utf8)
        let process = try await stop()
        for _ in 0..<1_000 where FileManager.default.fileExists(atPath: "/proc/\(process)/exe") {
            try await Task.sleep(for: .milliseconds(10))
        }
        let waiting = try (0..<8).map { _ in try sandbox.start("keys", "list") }
        try await Task.sleep(for: .milliseconds(500))
        let ended = waiting.filter { !$0.process.isRunning }.count
        #expect(ended == 0)
        try FileManager.default.removeItem(atPath: sandbox.folder + "/held")
        for running in waiting {
            let outcome = await running.end()
            #expect(outcome.status == 0, "\(outcome)")
        }
        // None is lost, whenever it comes.
        for _ in 0..<3 {
            let calls = try (0..<4).map { _ in try sandbox.start("keys", "list") }
            _ = try await stop()
            for running in try calls + (0..<4).map({ _ in try sandbox.start("keys", "list") }) {
                let outcome = await running.end()
                #expect(outcome.status == 0, "\(outcome)")
            }
        }
        await sandbox.end()
    }

    /// As `LoadCredentialEncrypted=` does it: the secret of this machine decrypts the PIN into the service's own folder.
    @Test(.enabled(if: geteuid() == 0, "a secret of its own for systemd-creds needs a mount namespace"))
    func thePINMayBeACredential() async throws {
        let sandbox = try await Sandbox()
        try await sandbox.stopDaemon()
        let done = try await sandbox.shell(
            """
            cd "$SANDBOX_DIR"
            mkdir -m 0700 credentials
            # In /var/lib/systemd is the machine's secret: this namespace has its own.
            unshare --mount bash -euc '
                mount -t tmpfs tmpfs /var/lib/systemd
                systemd-creds encrypt --with-key=host --name=pin "$PIN_FILE" pin.encrypted 2>creds.log
                systemd-creds decrypt --name=pin pin.encrypted credentials/pin 2>>creds.log'
            chmod 0400 credentials/pin
            if grep -qF "$(cat "$PIN_FILE")" pin.encrypted; then exit 1; fi
            rm "$PIN_FILE"
            sed -i "s|^pin-source = .*|pin-source = \\"$SANDBOX_DIR/credentials/pin\\"|" acme-agentd.toml
            """)
        try #require(done.status == 0, "\(done)")
        try await sandbox.restartDaemon()
        let status = try await sandbox.agent("status", "--check")
        #expect(status.status == 0, "\(status)")
        let made = try await sandbox.agent("keys", "create", "web-1")
        #expect(made.status == 0, "\(made)")
        await sandbox.end()
    }

    /// A namespace in which the test's socket stands in place of journald's, and standard error is the journal's stream.
    @Test(.enabled(if: geteuid() == 0, "a journal of its own needs a mount namespace"))
    func theJournalGetsLinesWithFields() async throws {
        let sandbox = try await Sandbox()
        try await sandbox.stopDaemon()
        try FileManager.default.createDirectory(atPath: sandbox.folder + "/journal", withIntermediateDirectories: false)
        let journal = try DatagramSocket(path: sandbox.folder + "/journal/socket")
        let started = try await sandbox.shell(
            """
            cd "$SANDBOX_DIR"; program=test; . '\(Program.root)/Tests/Sandbox/processes'
            sed -i 's/^operations = .*/operations = ["list-keys"]/' acme-agentd.toml
            cat >journaled <<'END'
            mount -t tmpfs tmpfs /run
            mkdir -p /run/systemd/journal
            mount --bind journal /run/systemd/journal
            JOURNAL_STREAM=$(stat -Lc %d:%i /proc/self/fd/2) exec "$0" --config acme-agentd.toml
            END
            start_process agentd unshare --mount --propagation private bash -euc "$(cat journaled)" '\(Program.folder)/acme-agentd'
            answers() { '\(Program.folder)/acme-agent' keys list >/dev/null 2>&1; }
            wait_until 20 answers
            """)
        try #require(started.status == 0, "\(started)")
        let ready = try #require(try await journal.next { $0.contains("\nACME_AGENT_EVENT=daemon-ready\n") })
        #expect(ready.hasPrefix("MESSAGE=ready event=daemon-ready ") && ready.contains("\nPRIORITY=6\nSYSLOG_IDENTIFIER=acme-agentd\n"))
        let refused = try await sandbox.agent("keys", "create", "web-1", "--json")
        let error = try #require(refused.json["error"] as? [String: Any], "\(refused)")
        let id = try #require(error["correlation"] as? String, "\(refused)")
        let entry = try #require(try await journal.next { $0.contains("\nACME_AGENT_EVENT=request-refused\n") })
        #expect(entry.contains("\nACME_AGENT_CORRELATION=\(id)\n") && entry.contains("\nPRIORITY=5\n"), "\(entry)")
        #expect(entry.contains("\nACME_AGENT_OPERATION=create-key\n") && entry.contains("\nACME_AGENT_KEY=web-1\n"), "\(entry)")
        #expect(!sandbox.daemonLog.contains(id))
        await sandbox.end()
    }
}
