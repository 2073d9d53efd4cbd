import Foundation
import Testing

/// Two users of the machine, each with its own grant. Requires root, to run as other users.
@Suite struct TwoUsersTests {
    private static let anna = 41_001
    private static let bert = 41_002

    /// A daemon that admits both.
    private struct Machine {
        let sandbox: Sandbox
        /// Only its owner may enter the sandbox's folder, so socket and program are where others may go.
        let place: String

        /// - Parameters:
        ///   - operations: what each may do.
        ///   - keys: with which keys; `nil` for those whose names begin with the user's own name.
        init(operations: String, keys: String? = nil) async throws {
            sandbox = try await Sandbox()
            try await sandbox.stopDaemon()
            place = FileManager.default.temporaryDirectory.path + "/two-users-\(UUID().uuidString.prefix(8))"
            let file = sandbox.folder + "/acme-agentd.toml"
            var text = try String(contentsOfFile: file, encoding: .utf8)
                .replacingOccurrences(of: sandbox.environment["ACME_AGENT_SOCKET"] ?? "-", with: place + "/agent.sock")
            let grants = try #require(text.range(of: "# The user who started"))
            text.removeSubrange(grants.lowerBound...)
            text = "socket-mode = \"0666\"\n" + text
            for (name, user) in [("anna", TwoUsersTests.anna), ("bert", TwoUsersTests.bert)] {
                text += """
                    [[grant]]
                    name = "\(name)"
                    users = [\(user)]
                    keys = ["\(keys ?? "\(name)-*")"]
                    operations = [\(operations)]
                    identifiers = ["\(name).example.org"]
                    cas = ["https://localhost:*"]

                    """
            }
            try text.write(toFile: file, atomically: true, encoding: .utf8)
            chmod(file, 0o600)
            let prepared = try await sandbox.shell(
                "mkdir -m 0755 '\(place)'; cp '\(Program.folder)/acme-agent' '\(place)/'; chmod 0755 '\(place)/acme-agent'")
            try #require(prepared.status == 0, "\(prepared)")
            try await sandbox.restartDaemon(socket: place + "/agent.sock")
        }

        /// - Parameter privileges: options of setpriv(1).
        func agent(_ user: Int, _ arguments: String, privileges: String = "") async throws -> Outcome {
            try await sandbox.shell(
                """
                cd '\(place)'
                exec setpriv --reuid \(user) --regid \(user) --clear-groups \(privileges) env -i PATH="$PATH" HOME='\(place)' \
                    ./acme-agent --socket '\(place)/agent.sock' \(arguments)
                """)
        }

        func end() async {
            await sandbox.end()
            try? FileManager.default.removeItem(atPath: place)
        }
    }

    @Test(.enabled(if: geteuid() == 0, "needs root")) func whatOneMayTheOtherMayNot() async throws {
        let machine = try await Machine(operations: #""issue", "account", "create-key""#)
        let sandbox = machine.sandbox, place = machine.place
        func agent(_ user: Int, _ arguments: String) async throws -> Outcome { try await machine.agent(user, arguments) }
        let made = try await agent(TwoUsersTests.anna, "keys create anna-web")
        #expect(made.status == 0, "\(made)")
        #expect(try await agent(TwoUsersTests.anna, "keys show anna-web").status == 0)
        // Bert neither sees the key nor may use its name; a missing key gives the same answer.
        let hers = try await agent(TwoUsersTests.bert, "keys show anna-web")
        let none = try await agent(TwoUsersTests.bert, "keys show anna-none")
        #expect(hers.status == 2)
        /// All but which call it was.
        func said(_ outcome: Outcome) -> [String] {
            outcome.error.split(separator: "\n").filter { !$0.contains(": correlation ") }.map(String.init)
        }
        #expect(said(hers).map { $0.replacingOccurrences(of: "anna-web", with: "anna-none") } == said(none) && !said(none).isEmpty)
        #expect(try await !agent(TwoUsersTests.bert, "keys list").output.contains("anna"))
        #expect(try await agent(TwoUsersTests.bert, "keys create anna-other").status == 2)
        #expect(try await agent(TwoUsersTests.bert, "keys create bert-web").status == 0)
        // UID 65534 is what an unmapped user looks like: it is always refused.
        #expect(try await agent(65_534, "status").status == 3)
        // Another user's socket is not accepted as the agent's.
        let posed = try await sandbox.shell(
            """
            mkdir -m 0777 '\(place)/open'; cd '\(place)/open'
            python3 -c 'import os,socket,time; os.setgroups([]); os.setuid(\(TwoUsersTests.bert))
            s=socket.socket(socket.AF_UNIX); s.bind("agent.sock"); s.listen(); time.sleep(5)' &
            for i in $(seq 100); do [ -S agent.sock ] && break; sleep 0.02; done
            chmod 0666 agent.sock
            setpriv --reuid \(TwoUsersTests.anna) --regid \(TwoUsersTests.anna) --clear-groups env -i HOME=/ '\(place)/acme-agent' --socket "$PWD/agent.sock" status
            """)
        #expect(posed.status == 3 && posed.error.contains("not trusted"), "\(posed)")
        await machine.end()
    }

    /// A connection belongs to the user who made it, whatever becomes of the process, and in whichever process it is.
    @Test(.enabled(if: geteuid() == 0, "needs root")) func whoConnectedIsWhoAsks() async throws {
        let machine = try await Machine(operations: #""create-key", "list-keys""#)
        #expect(try await machine.agent(TwoUsersTests.anna, "keys create anna-web").status == 0)
        #expect(try await machine.agent(TwoUsersTests.bert, "keys create bert-web").status == 0)
        let asked = try await machine.sandbox.shell(
            """
            exec python3 - <<'PROGRAM'
            import json, os, socket
            def become(user):
                os.seteuid(0); os.setgroups([]); os.setegid(user); os.seteuid(user)
            def connect():
                s = socket.socket(socket.AF_UNIX); s.connect("\(machine.place)/agent.sock"); return s
            def names(s):
                s.sendall(b'{"method":"org.acmeagent.Agent.ListKeys"}\\0')
                data = b""
                while not data.endswith(b"\\0"):
                    part = s.recv(65536)
                    assert part, "closed"
                    data += part
                return [key["name"] for key in json.loads(data[:-1])["parameters"]["keys"]]
            become(\(TwoUsersTests.anna))
            first = connect()
            become(\(TwoUsersTests.bert))
            assert names(first) == ["anna-web"], names(first)
            assert names(connect()) == ["bert-web"]
            if os.fork() == 0:
                assert names(first) == ["anna-web"], names(first)
                os._exit(0)
            assert os.wait()[1] == 0
            PROGRAM
            """)
        #expect(asked.status == 0, "\(asked)")
        await machine.end()
    }

    /// A core dump, and what another process of the same user can read, is memory with MAC keys or the PIN.
    @Test(.enabled(if: geteuid() == 0, "needs root")) func theMemoryOfDaemonAndHelperIsClosedToTheirOwnUser() async throws {
        let done = try await Program.run(
            "/bin/bash",
            [
                "-euc",
                """
                ulimit -c 1; umask 022; place=$(mktemp -d '\(FileManager.default.temporaryDirectory.path)/memory.XXXX'); chmod 0755 "$place"
                cp '\(Program.folder)/acme-agentd' '\(Program.folder)/acme-agent-token' "$place"
                install -d -o \(TwoUsersTests.anna) -m 0700 "$place/home"
                cat >"$place/agentd.toml" <<END
                socket = "$place/home/run/agent.sock"
                state-directory = "$place/home/state"
                [[token]]
                name = "none"
                module = "/usr/lib/softhsm/libsofthsm2.so"
                uri = "pkcs11:token=none"
                END
                as() { exec setpriv --reuid \(TwoUsersTests.anna) --regid \(TwoUsersTests.anna) --clear-groups env -i PATH="$PATH" "$@"; }
                as sleep 60 & plain=$!
                as "$place/acme-agentd" --config "$place/agentd.toml" 2>"$place/log" & daemon=$!
                trap 'kill $plain $daemon; wait; cat "$place/log" >&2; rm -rf "$place"' EXIT
                for i in $(seq 400); do if grep -q 'acme-agentd: ready' "$place/log"; then break; fi; sleep 0.05; done
                for process in $plain $daemon $(pgrep -P $daemon); do
                    if (as cat /proc/$process/environ >/dev/null 2>&1); then echo readable; else echo closed; fi
                    awk '/^Max core file size/ { print $5 }' /proc/$process/limits
                done
                """,
            ], environment: Program.environment)
        let lines = done.output.split(separator: "\n")
        // An ordinary process, the daemon, its helper.
        #expect(lines == ["readable", "1024", "closed", "0", "closed", "0"], "\(done)")
    }

    /// Both have the same grant, like the example's. Each registers its own account, with a key named after the user.
    @Test(.enabled(if: geteuid() == 0, "needs root")) func eachHasAnAccountOfItsOwn() async throws {
        let machine = try await Machine(operations: #""issue", "account", "create-key""#, keys: "account-*")
        let sandbox = machine.sandbox, place = machine.place
        let directory = try #require(sandbox.environment["ACME_DIRECTORY"])
        let port = try #require(URL(string: directory)?.port)
        let prepared = try await sandbox.shell(
            """
            install -m 0644 "$CA_CERTIFICATE" '\(place)/ca.pem'
            for user in \(TwoUsersTests.anna) \(TwoUsersTests.bert); do install -d -o $user -g $user "\(place)/$user"; done
            """)
        try #require(prepared.status == 0, "\(prepared)")
        func account(_ user: Int, _ arguments: String) async throws -> Outcome {
            try await machine.agent(
                user,
                "--json --state-directory '\(place)/\(user)' --directory '\(directory)' --ca-certificate '\(place)/ca.pem' "
                    + "account \(arguments)"
            )
        }
        func shown(_ outcome: Outcome) throws -> (url: String, key: String, contact: [String]) {
            let account = try #require(outcome.json["account"] as? [String: Any], "\(outcome)")
            return (account["url"] as? String ?? "", account["key"] as? String ?? "", account["contact"] as? [String] ?? [])
        }
        let anna = try shown(await account(TwoUsersTests.anna, "register --agree-tos --email anna@example.org"))
        let bert = try shown(await account(TwoUsersTests.bert, "register --agree-tos --email bert@example.org"))
        #expect(
            anna.key == "account-\(TwoUsersTests.anna)-localhost-\(port)" && bert.key == "account-\(TwoUsersTests.bert)-localhost-\(port)")
        #expect(anna.url != bert.url && !bert.url.isEmpty)
        #expect(try shown(await account(TwoUsersTests.anna, "show")).contact == ["mailto:anna@example.org"])
        #expect(try shown(await account(TwoUsersTests.bert, "show")).contact == ["mailto:bert@example.org"])
        // Another key would be another account: it needs --yes.
        let former = "account-localhost-\(port)"
        let switched = try await account(TwoUsersTests.anna, "register --agree-tos --key \(former)")
        #expect(switched.status == 64 && switched.output.contains("other-account"), "\(switched)")
        #expect(try shown(await account(TwoUsersTests.anna, "show")).url == anna.url)
        // An account whose key has the former default name stays in use.
        #expect(try shown(await account(TwoUsersTests.anna, "register --agree-tos --key \(former) --yes")).key == former)
        #expect(try shown(await account(TwoUsersTests.anna, "register --agree-tos")).key == former)
        await machine.end()
    }

    /// Docs/operations.md, "Port 80": a user who may not bind the port is told so before anything is ordered, and the
    /// capability is enough.
    @Test(.enabled(if: geteuid() == 0, "needs root")) func whoMayNotListenOnThePortIsToldHowTo() async throws {
        let machine = try await Machine(operations: #""issue", "account", "create-key""#, keys: "*")
        let sandbox = machine.sandbox, place = machine.place
        let directory = try #require(sandbox.environment["ACME_DIRECTORY"])
        let prepared = try await sandbox.shell(
            "install -m 0644 \"$CA_CERTIFICATE\" '\(place)/ca.pem'; install -d -o \(TwoUsersTests.anna) '\(place)/state'")
        try #require(prepared.status == 0, "\(prepared)")
        func agent(_ arguments: String, privileges: String = "") async throws -> Outcome {
            try await machine.agent(
                TwoUsersTests.anna,
                "--json --state-directory '\(place)/state' --directory '\(directory)' --ca-certificate '\(place)/ca.pem' \(arguments)",
                privileges: privileges)
        }
        #expect(try await agent("account register --agree-tos").status == 0)
        let issue = "issue -d anna.example.org --http01-address 127.0.0.1:81"
        let refused = try await agent(issue)
        #expect(refused.status == 5 && refused.output.contains("AmbientCapabilities=CAP_NET_BIND_SERVICE"), "\(refused)")
        func orders() async throws -> String {
            try await sandbox.shell("grep -c '\"operation\":\"new-order\"' '\(sandbox.folder)/agentd/audit/audit.jsonl' || true").output
        }
        #expect(try await orders() == "0\n")
        // Pebble connects to another port, so the order fails; but there was one, and a listener.
        let allowed = try await agent(
            issue, privileges: "--inh-caps +net_bind_service --ambient-caps +net_bind_service")
        #expect(!allowed.output.contains("may not listen") && allowed.output.contains("validation-failed"), "\(allowed)")
        #expect(try await orders() != "0\n")
        await machine.end()
    }

    /// Root's commands that change a store of another user are that user's: its files stay its own, the agent sees its
    /// grants, and a port below 1024 can still be bound.
    @Test(.enabled(if: geteuid() == 0, "needs root")) func rootWorksInAStoreAsItsOwner() async throws {
        let machine = try await Machine(operations: #""issue", "account", "create-key""#, keys: "*")
        let sandbox = machine.sandbox, place = machine.place
        let directory = try #require(sandbox.environment["ACME_DIRECTORY"]), port = try #require(sandbox.environment["HTTP01_PORT"])
        let prepared = try await sandbox.shell(
            "install -m 0644 \"$CA_CERTIFICATE\" '\(place)/ca.pem'; install -d -o \(TwoUsersTests.anna) -g \(TwoUsersTests.bert) '\(place)/state'"
        )
        try #require(prepared.status == 0, "\(prepared)")
        func root(_ arguments: String) async throws -> Outcome {
            try await sandbox.shell(
                """
                exec env -i PATH="$PATH" HOME=/ '\(place)/acme-agent' --socket '\(place)/agent.sock' --json \
                    --state-directory '\(place)/state' --directory '\(directory)' --ca-certificate '\(place)/ca.pem' \(arguments)
                """)
        }
        let registered = try await root("account register --agree-tos")
        #expect(registered.status == 0, "\(registered)")
        #expect(registered.error.contains("running as \(TwoUsersTests.anna), to whom \(place)/state belongs"))
        #expect(registered.output.contains("account-\(TwoUsersTests.anna)-"))
        // Root has no grant.
        #expect(try await sandbox.agent("--socket", place + "/agent.sock", "keys", "list").output.contains("account-") == false)
        // Pebble connects to another port, so this order fails; but there was one, and a listener. It comes first: once the
        // name is proven, Pebble may take an order without asking again.
        let low = try await root("issue -d anna.example.org --http01-address 127.0.0.1:81")
        #expect(low.status == 5 && !low.output.contains("may not listen"), "\(low)")
        let issued = try await root("issue -d anna.example.org --http01-address 127.0.0.1:\(port)")
        #expect(issued.status == 0, "\(issued)")
        let strangers = try await sandbox.shell("find '\(place)/state' ! -user \(TwoUsersTests.anna)")
        #expect(strangers.output == "", "\(strangers)")
        // Readers stay root.
        let listed = try await root("list")
        #expect(listed.status == 0 && !listed.error.contains("running as"), "\(listed)")
        await machine.end()
    }

    /// What root left in a store before it had its owner: a step in the middle of an order would fail.
    @Test(.enabled(if: geteuid() == 0, "needs root")) func aStoreWithFoldersOfAnotherUserIsRefusedWithTheCommand() async throws {
        let machine = try await Machine(operations: #""issue", "account", "create-key""#, keys: "*")
        let place = machine.place, state = place + "/state"
        let prepared = try await machine.sandbox.shell(
            """
            install -d -o \(TwoUsersTests.anna) '\(state)' '\(state)/accounts'; install -d -o root '\(state)/certificates/www.example.org'
            install -m 0600 /dev/null '\(state)/accounts/ca.json'
            """)
        try #require(prepared.status == 0, "\(prepared)")
        for strange in ["accounts/ca.json", "certificates"] {
            let refused = try await machine.agent(TwoUsersTests.anna, "--state-directory '\(state)' renew --all")
            #expect(refused.status == 78, "\(refused)")
            #expect(refused.error.contains("\(state)/\(strange) does not belong to \(TwoUsersTests.anna)"), "\(refused)")
            #expect(refused.error.contains("as root: chown -hR \(TwoUsersTests.anna) \(state)"))
            try FileManager.default.removeItem(atPath: "\(state)/\(strange)")
        }
        let renewed = try await machine.agent(TwoUsersTests.anna, "--state-directory '\(state)' renew --all")
        #expect(renewed.status == 0, "\(renewed)")
        await machine.end()
    }

    /// The parts of an audit record that this test needs.
    private struct Record: Decodable {
        let kind: String
        let uid: Int?
        let operation: String?
    }

    @Test(.enabled(if: geteuid() == 0, "needs root"))
    func besideFiftyConnectionsThatHaveTheTokenSignAnotherWaitsForWhatIsInHandAndOneMore() async throws {
        let machine = try await Machine(operations: #""create-key", "sign-certificate-request""#)
        #expect(try await machine.agent(TwoUsersTests.anna, "keys create anna-web --key-type rsa-4096").status == 0)
        #expect(try await machine.agent(TwoUsersTests.bert, "keys create bert-web").status == 0)
        let asked = try await machine.sandbox.shell(
            """
            exec python3 - <<'PROGRAM'
            import json, os, socket
            def become(user):
                os.setgroups([]); os.setgid(user); os.setuid(user)
            def connect():
                s = socket.socket(socket.AF_UNIX); s.connect("\(machine.place)/agent.sock"); return s
            def ask(s, name):
                s.sendall(json.dumps({"method": "org.acmeagent.Agent.SignCertificateRequest", "parameters": {"key": name + "-web",
                    "identifiers": [{"type": "dns", "value": name + ".example.org"}]}}).encode() + b"\\0")
            def hear(s, count):
                while count > 0:
                    data = s.recv(65536)
                    assert data and b'"error"' not in data, data
                    count -= data.count(b"\\0")
            began, begin = os.pipe()
            if os.fork() == 0:
                become(\(TwoUsersTests.anna))
                all = [connect() for _ in range(50)]
                for s in all:
                    for _ in range(6): ask(s, "anna")
                hear(all[0], 1); os.write(begin, b"x")
                hear(all[0], 5)
                for s in all[1:]: hear(s, 6)
                os._exit(0)
            os.close(begin); os.read(began, 1)
            if os.fork() == 0:
                become(\(TwoUsersTests.bert))
                s = connect()
                for _ in range(8): ask(s, "bert"); hear(s, 1)
                os._exit(0)
            for _ in range(2): assert os.wait()[1] == 0
            PROGRAM
            """)
        #expect(asked.status == 0, "\(asked)")
        let trail = try String(contentsOfFile: machine.sandbox.folder + "/agentd/audit/audit.jsonl", encoding: .utf8)
        let records = try trail.split(separator: "\n").map { try JSONDecoder().decode(Record.self, from: Data($0.utf8)) }
            .filter { $0.operation == "sign-certificate-request" }
        // What anna gets while bert waits: the three requests in progress on the links, one in turn, and what a link
        // takes up while another signs for bert.
        var given: [Int] = [], isWaiting = false, count = 0
        for record in records {
            switch (record.uid, record.kind) {
            case (TwoUsersTests.bert, "intent"): (isWaiting, count) = (true, 0)
            case (TwoUsersTests.bert, _): (isWaiting, given) = (false, given + [count])
            case (_, "outcome") where isWaiting: count += 1
            default: break
            }
        }
        #expect(given.count == 8)
        #expect(given.allSatisfy { $0 <= 7 }, "\(given)")
        // There was work to wait for all the time.
        let last = try #require(records.lastIndex { $0.uid == TwoUsersTests.bert })
        #expect(records[last...].count { $0.uid == TwoUsersTests.anna && $0.kind == "outcome" } >= 30)
        await machine.end()
    }

    /// What a user is told of its own grants is the same for another's key and for none, to the byte, and only who may
    /// know all grants may ask about others.
    @Test(.enabled(if: geteuid() == 0, "needs root")) func whatPolicyExplainsToOneSaysNothingOfTheOther() async throws {
        let machine = try await Machine(operations: #""issue", "account", "create-key", "sign-handshake""#)
        let sandbox = machine.sandbox
        for arguments in ["keys create anna-web", "keys create anna-account --usage account"] {
            let made = try await machine.agent(
                TwoUsersTests.anna, "\(arguments) --directory '\(sandbox.environment["ACME_DIRECTORY"] ?? "")'")
            #expect(made.status == 0, "\(made)")
        }
        #expect(try await machine.agent(TwoUsersTests.anna, "policy check --handshake anna-web").status == 0)
        // The account's key is bound to the CA; a grant of Bert's that does not name it must not tell that.
        for (question, hers, none) in [
            ("--handshake KEY", "anna-web", "anna-not"), ("--csr KEY bert.example.org", "anna-web", "anna-not"),
            ("--list-keys KEY", "anna-web", "anna-not"), ("--delete-key KEY", "anna-account", "anna-nothing"),
            ("--create-key KEY", "anna-web", "anna-not"),
            ("--order bert.example.org --account KEY --directory https://localhost:1/dir", "anna-account", "anna-nothing"),
            ("--revoke --account KEY --directory https://ca.example/dir", "anna-account", "anna-nothing"),
        ] {
            func ask(_ key: String) async throws -> Outcome {
                let arguments = question.replacingOccurrences(of: "KEY", with: key)
                let answer = try await machine.agent(TwoUsersTests.bert, "policy check \(arguments) --json")
                #expect(answer.status == 2, "\(answer)")
                #expect(!answer.output.contains("\"line\"") && !answer.output.contains("\"file\""), "\(answer)")
                return answer
            }
            let existing = try await ask(hers), missing = try await ask(none)
            #expect(!missing.output.isEmpty && missing.output.contains(none))
            #expect(existing.output.replacingOccurrences(of: hers, with: none) == missing.output, "\(question)")
            #expect(!existing.output.replacingOccurrences(of: hers, with: "").contains("anna"), "\(existing)")
        }
        let matrix = try await machine.agent(TwoUsersTests.bert, "policy matrix")
        #expect(matrix.status == 0 && matrix.output.contains("bert-*") && !matrix.output.contains("anna"), "\(matrix)")
        let foreign = try await machine.agent(TwoUsersTests.bert, "policy check --handshake anna-web --as uid:\(TwoUsersTests.anna)")
        #expect(foreign.status == 2 && foreign.output.isEmpty && foreign.error.contains("read-audit"), "\(foreign)")
        // That refusal is in the trail; the questions about own grants are not.
        let trail = try String(contentsOfFile: sandbox.folder + "/agentd/audit/audit.jsonl", encoding: .utf8)
        #expect(trail.split(separator: "\n").count { $0.contains("refusal") } == 1, "\(trail)")
        // Root may know all grants, and where they are.
        let all = try await sandbox.agent("--socket", machine.place + "/agent.sock", "policy", "matrix")
        #expect(all.output.contains("anna-*") && all.output.contains("bert-*"), "\(all)")
        let hers = try await sandbox.agent(
            "--socket", machine.place + "/agent.sock", "policy", "check", "--handshake", "bert-web", "--as", "uid:\(TwoUsersTests.anna)")
        #expect(hers.status == 2 && hers.output.contains("/acme-agentd.toml:"), "\(hers)")
        await machine.end()
    }

    /// A pattern that covers every name tells nothing of keys that its user may not ask for.
    @Test(.enabled(if: geteuid() == 0, "needs root")) func aPatternForEveryNameExplainsNoKey() async throws {
        let machine = try await Machine(operations: #""create-key", "sign-handshake""#, keys: "*")
        let directory = machine.sandbox.environment["ACME_DIRECTORY"] ?? ""
        let made = try await machine.agent(TwoUsersTests.anna, "keys create zebra --usage account --directory '\(directory)'")
        #expect(made.status == 0, "\(made)")
        func ask(_ key: String) async throws -> String {
            let question = "--order bert.example.org --account \(key) --directory https://ca.example/dir"
            let answer = try await machine.agent(TwoUsersTests.bert, "policy check \(question) --json")
            #expect(answer.status == 2 && answer.output.contains("\"cas\""), "\(answer)")
            return answer.output
        }
        #expect(try await ask("zebra").replacingOccurrences(of: "zebra", with: "zorro") == ask("zorro"))
        await machine.end()
    }
}
