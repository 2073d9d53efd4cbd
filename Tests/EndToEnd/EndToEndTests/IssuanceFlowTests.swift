import Foundation
import Testing

/// The whole flow as a user sees it: real programs, a real socket, SoftHSM, Pebble.
@Suite struct IssuanceFlowTests {
    @Test func fromAnAccountToARevokedCertificate() async throws {
        let sandbox = try await Sandbox()
        let registered = try await sandbox.agent("account", "register", "--agree-tos", "--email", "admin@example.org", "--json")
        try #require(registered.status == 0, "\(registered)")

        let issued = try await sandbox.agent(
            "issue", "-d", "www.example.org", "-d", "example.org", "-d", "mail.example.org", "-d", "127.0.0.1", "--json")
        try #require(issued.status == 0, "\(issued)")
        let folder = sandbox.folder + "/state/certificates/www.example.org"
        let verified = try await sandbox.shell(
            """
            curl -sS --cacert "$CA_CERTIFICATE" "$PEBBLE_MANAGEMENT/roots/0" >"$SANDBOX_DIR/root.pem"
            openssl verify -CAfile "$SANDBOX_DIR/root.pem" -untrusted '\(folder)/chain.pem' '\(folder)/cert.pem'
            openssl x509 -in '\(folder)/cert.pem' -noout -ext subjectAltName
            openssl x509 -inform der -in '\(folder)/cert.der' -noout -serial
            acme=$(\(Program.folder)/acme-agent show www.example.org --format der | openssl x509 -inform der -noout -serial)
            test "$acme" = "$(openssl x509 -in '\(folder)/cert.pem' -noout -serial)"
            """)
        #expect(verified.status == 0, "\(verified)")
        #expect(verified.output.contains(": OK"))
        for name in ["DNS:www.example.org", "DNS:example.org", "DNS:mail.example.org", "IP Address:127.0.0.1"] {
            #expect(verified.output.contains(name))
        }

        // The key file has the key's name, the socket and the public half, and nothing else.
        let keyFile = try await sandbox.shell(
            """
            cd '\(folder)'
            stat -L -c %a key.pem
            echo "$ACME_AGENT_SOCKET"
            openssl x509 -in cert.pem -noout -pubkey | openssl pkey -pubin -outform der >"$SANDBOX_DIR/spki.der"
            grep -v -e ----- key.pem | base64 -d >"$SANDBOX_DIR/key.der"
            size=$(stat -c %s "$SANDBOX_DIR/spki.der")
            tail -c "$size" "$SANDBOX_DIR/key.der" | cmp - "$SANDBOX_DIR/spki.der"
            head -c "-$size" "$SANDBOX_DIR/key.der" | tail -c +4 | od -An -v -t x1 | tr -d ' \\n'
            """)
        let lines = keyFile.output.split(separator: "\n").map(String.init)
        try #require(keyFile.status == 0 && lines.count == 3, "\(keyFile)")
        func text(_ value: String) -> String {
            ([0x0C, UInt8(value.utf8.count)] + Array(value.utf8)).map { String(format: "%02x", $0) }.joined()
        }
        #expect(lines[0] == "640" && lines[2] == "020101" + text("www.example.org") + text(lines[1]), "\(keyFile)")

        // The private key is in the token, cannot be extracted, and only signs.
        let key = try await sandbox.shell(
            """
            pkcs11-tool --module /usr/lib/softhsm/libsofthsm2.so --login --pin "$(cat "$PIN_FILE")" --list-objects --type privkey --label www.example.org
            """)
        #expect(key.output.contains("sensitive") && key.output.contains("never extractable"), "\(key)")
        #expect(key.output.range(of: "Usage: +sign\n", options: .regularExpression) != nil, "\(key)")

        let lost = try await sandbox.agent("renew", "www.example.org", "--force", "--ca-certificate", "/nonexistent.pem")
        #expect(lost.status == 78 && lost.error.contains("\"/nonexistent.pem\" cannot be read: No such file"), "\(lost)")
        let serial = verified.output
        let renewed = try await sandbox.agent("renew", "www.example.org", "--force")
        #expect(renewed.status == 0, "\(renewed)")
        let after = try await sandbox.shell("openssl x509 -inform der -in '\(folder)/cert.der' -noout -serial")
        #expect(!serial.contains(after.output))

        let revoked = try await sandbox.agent("revoke", "www.example.org", "--reason", "keyCompromise")
        #expect(revoked.status == 0, "\(revoked)")
        let status = try await sandbox.shell(
            """
            serial=$(openssl x509 -in '\(folder)/cert.pem' -noout -serial | cut -d= -f2)
            curl -sS --cacert "$CA_CERTIFICATE" "$PEBBLE_MANAGEMENT/cert-status-by-serial/$serial"
            """)
        #expect(status.output.contains(#""Status": "Revoked""#), "\(status)")
        let trail = try await sandbox.agent("audit", "verify")
        #expect(trail.status == 0, "\(trail)")
        await sandbox.end()
    }

    /// tls-alpn-01, and for the renewal the remembered address.
    @Test func aNameAndAnAddressAreProvenByTLS() async throws {
        let sandbox = try await Sandbox()
        #expect(try await sandbox.agent("account", "register", "--agree-tos").status == 0)
        let address = "127.0.0.1:" + (sandbox.environment["TLSALPN01_PORT"] ?? "")
        let issued = try await sandbox.agent("issue", "-d", "tls.example.org", "-d", "127.0.0.1", "--tls-alpn01-address", address)
        #expect(issued.status == 0, "\(issued)")
        let renewed = try await sandbox.agent("renew", "tls.example.org", "--force", "--new-key", "--verbose")
        #expect(renewed.status == 0 && !renewed.error.contains("http-01"), "\(renewed)")
        let wildcard = try await sandbox.agent("issue", "-d", "*.example.org", "--tls-alpn01-address", address)
        #expect(wildcard.status != 0 && wildcard.error.contains("only dns-01 can validate a wildcard"), "\(wildcard)")
        await sandbox.end()
    }

    /// A socket that systemd's own program opens; the hook gets neither it nor its variables.
    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/systemd-socket-activate"), "systemd is installed"))
    func aSocketIsHandedOver() async throws {
        let sandbox = try await Sandbox()
        #expect(try await sandbox.agent("account", "register", "--agree-tos").status == 0)
        let issued = try await sandbox.shell(
            """
            cd "$SANDBOX_DIR"
            printf '%s\\n' '#!/bin/bash' 'ls /proc/self/fd >"$HOOK_LOG"' 'env | grep ^LISTEN_ >>"$HOOK_LOG"' 'exit 0' >hook
            chmod +x hook
            export HOOK_LOG=$SANDBOX_DIR/hook.log
            systemd-socket-activate -l "127.0.0.1:$HTTP01_PORT" --fdname=http01 $(env | sed -n 's/^\\([A-Z_0-9]*\\)=.*/-E \\1/p') \
                \(Program.folder)/acme-agent issue -d a.example.org -d b.example.org --http01-address fd:http01 \
                --deploy-hook "$SANDBOX_DIR/hook" >issue.log 2>&1 &
            # The first connection starts the program.
            for i in $(seq 200); do (exec 3<>"/dev/tcp/127.0.0.1/$HTTP01_PORT") 2>/dev/null && break; sleep 0.05; done
            status=0; wait $! || status=$?
            cat issue.log hook.log
            exit $status
            """)
        #expect(issued.status == 0 && !issued.output.contains("LISTEN_"), "\(issued)")
        #expect(issued.output.hasSuffix("\n0\n1\n2\n3\n"), "\(issued)")
        let without = try await sandbox.agent("renew", "a.example.org", "--force")
        #expect(without.status != 0 && without.error.contains("was started without the socket fd:http01"), "\(without)")
        await sandbox.end()
    }

    @Test func renewingAllWaitsForAnotherRun() async throws {
        let sandbox = try await Sandbox()
        #expect(try await sandbox.agent("account", "register", "--agree-tos").status == 0)
        for name in ["a.example.org", "b.example.org"] { #expect(try await sandbox.agent("issue", "-d", name).status == 0) }
        let outcome = try await sandbox.shell(
            """
            flock "$SANDBOX_DIR/state/locks/a.example.org.lock" sleep 4 & sleep 1
            \(Program.folder)/acme-agent renew --all --force --json
            """)
        #expect(outcome.status == 0, "\(outcome)")
        let renewed = (outcome.json["renewed"] as? [[String: Any]] ?? []).compactMap { $0["name"] as? String }
        #expect(renewed == ["a.example.org", "b.example.org"], "\(outcome)")
        await sandbox.end()
    }

    @Test func aKeyThatIsGoneOrRetiredIsSaid() async throws {
        let sandbox = try await Sandbox()
        #expect(try await sandbox.agent("account", "register", "--agree-tos").status == 0)
        for name in ["www.example.org", "mail.example.org"] { #expect(try await sandbox.agent("issue", "-d", name).status == 0) }
        let whole = try await sandbox.agent("list", "--check")
        #expect(whole.status == 0 && !whole.output.contains("key gone"), "\(whole)")
        let deleted = try await sandbox.agent("keys", "delete", "www.example.org", "--force", "--yes")
        #expect(deleted.status == 0, "\(deleted)")
        let listed = try await sandbox.agent("list", "--check")
        #expect(listed.status == 6, "\(listed)")
        let rows = listed.output.split(separator: "\n").filter { $0.contains("key gone") }
        #expect(rows.count == 1 && rows.first?.hasPrefix("www.example.org") == true, "\(listed)")
        let status = try await sandbox.agent("status", "--check")
        #expect(status.status == 6 && status.output.contains("no longer has the key \"www.example.org\""), "\(status)")
        let retired = try await sandbox.agent("keys", "retire", "mail.example.org", "--force", "--yes")
        #expect(retired.status == 0, "\(retired)")
        let told = try await sandbox.agent("list", "--check")
        #expect(told.output.contains("key retired") && told.error.contains("renew mail.example.org makes another"), "\(told)")
        #expect(try await sandbox.agent("renew", "mail.example.org").status == 0)
        #expect(try await sandbox.agent("list").output.contains("key retired") == false)
        // A forgotten certificate leaves no key in the token.
        let gone = try await sandbox.agent("forget", "www.example.org", "--yes")
        #expect(gone.status == 0 && !gone.output.contains("still in the token"), "\(gone)")
        let kept = try await sandbox.agent("forget", "mail.example.org", "--yes")
        #expect(kept.output.contains("still in the token: mail.example.org"), "\(kept)")
        await sandbox.end()
    }

    /// Directory, nonce, order, authorization, challenge, order, finalization, order, certificate.
    @Test func oneNameTakesAtMostNineRequests() async throws {
        let sandbox = try await Sandbox()
        #expect(try await sandbox.agent("account", "register", "--agree-tos").status == 0)
        try FileManager.default.createDirectory(atPath: sandbox.folder + "/web", withIntermediateDirectories: true)
        var counts: [Int] = []
        for name in 1...5 {
            let before = try sandbox.requests()
            let issued = try await sandbox.agent("issue", "-d", "n\(name).example.org")
            #expect(issued.status == 0, "\(issued)")
            counts.append(try sandbox.requests() - before)
        }
        #expect(counts.allSatisfy { $0 <= 9 }, "\(counts)")
        await sandbox.end()
    }

    @Test(arguments: [50, 90])
    func refusedNoncesAreNoObstacle(_ percent: Int) async throws {
        let sandbox = try await Sandbox(pebble: ["PEBBLE_WFE_NONCEREJECT": String(percent)])
        #expect(try await sandbox.agent("account", "register", "--agree-tos").status == 0)
        let issued = try await sandbox.agent("issue", "-d", "www.example.org", "-d", "127.0.0.1")
        #expect(issued.status == 0, "\(issued)")
        await sandbox.end()
    }

    @Test func aCAThatWantsAnExternalAccountGetsOne() async throws {
        let sandbox = try await Sandbox()
        // A CA other than the configured one needs its own trust root.
        let ca = [
            "--directory", sandbox.environment["ACME_DIRECTORY_EAB"] ?? "", "--ca-certificate", sandbox.environment["CA_CERTIFICATE"] ?? "",
        ]
        let without = try await sandbox.agent(["account", "register", "--agree-tos"] + ca)
        #expect(without.status != 0)
        #expect(without.error.contains("hint:"), "\(without)")
        let with = try await sandbox.agent(["account", "register", "--agree-tos", "--eab", "sandbox"] + ca)
        #expect(with.status == 0, "\(with)")
        let issued = try await sandbox.agent(["issue", "-d", "www.example.org"] + ca)
        #expect(issued.status == 0, "\(issued)")
        await sandbox.end()
    }

    @Test func anAlternateChainIsChosenByItsRoot() async throws {
        let sandbox = try await Sandbox(pebble: ["PEBBLE_ALTERNATE_ROOTS": "2"])
        #expect(try await sandbox.agent("account", "register", "--agree-tos").status == 0)
        let roots = try await sandbox.shell(
            """
            for root in 0 1 2; do curl -sS --cacert "$CA_CERTIFICATE" "$PEBBLE_MANAGEMENT/roots/$root" >"$SANDBOX_DIR/root$root.pem"; done
            openssl x509 -in "$SANDBOX_DIR/root2.pem" -noout -subject -nameopt multiline | sed -n 's/ *commonName *= //p'
            """)
        let root = roots.output.trimmingCharacters(in: .whitespacesAndNewlines)
        let issued = try await sandbox.agent("issue", "-d", "www.example.org", "--preferred-chain", root)
        #expect(issued.status == 0, "\(issued)")
        let folder = sandbox.folder + "/state/certificates/www.example.org"
        let verified = try await sandbox.shell(
            """
            openssl verify -CAfile "$SANDBOX_DIR/root2.pem" -untrusted '\(folder)/chain.pem' '\(folder)/cert.pem'
            ! openssl verify -CAfile "$SANDBOX_DIR/root0.pem" -untrusted '\(folder)/chain.pem' '\(folder)/cert.pem'
            """)
        #expect(verified.status == 0, "\(verified)")
        await sandbox.end()
    }

    @Test func theCAsReasonForAFailedChallengeReachesTheUser() async throws {
        let sandbox = try await Sandbox()
        #expect(try await sandbox.agent("account", "register", "--agree-tos").status == 0)
        try FileManager.default.createDirectory(atPath: sandbox.folder + "/web", withIntermediateDirectories: true)
        // No server serves this folder: the CA's connection is refused.
        let failed = try await sandbox.agent("issue", "-d", "www.example.org", "--webroot", sandbox.folder + "/web")
        #expect(failed.status == 5, "\(failed)")
        #expect(failed.error.contains("www.example.org"))
        #expect(failed.error.contains("error:") && failed.error.lowercased().contains("connection refused"), "\(failed)")
        // Nothing of the challenge is left behind.
        let left = try await sandbox.shell("find '\(sandbox.folder)/web' -type f | wc -l")
        #expect(left.output.trimmingCharacters(in: .whitespacesAndNewlines) == "0")
        await sandbox.end()
    }

    @Test func aWebrootAndAHookAnswerChallenges() async throws {
        let sandbox = try await Sandbox()
        #expect(try await sandbox.agent("account", "register", "--agree-tos").status == 0)
        let web = sandbox.folder + "/web"
        try FileManager.default.createDirectory(atPath: web, withIntermediateDirectories: true)
        let server = try Program.start(
            "/usr/bin/env",
            ["python3", "-m", "http.server", "--bind", "127.0.0.1", "--directory", web, sandbox.environment["HTTP01_PORT"] ?? "0"],
            environment: sandbox.environment)
        _ = try await sandbox.shell(
            "for i in $(seq 100); do (exec 3<>/dev/tcp/127.0.0.1/$HTTP01_PORT) 2>/dev/null && break; sleep 0.05; done")
        let webroot = try await sandbox.agent("issue", "-d", "www.example.org", "--webroot", web)
        server.process.terminate()
        _ = await server.end()
        #expect(webroot.status == 0, "\(webroot)")

        let hook = sandbox.folder + "/hook"
        try """
        #!/bin/bash
        set -euo pipefail
        case $1 in
        present) curl -sS -d "{\\"host\\":\\"$2.\\",\\"value\\":\\"$3\\"}" "$CHALLTESTSRV/set-txt" ;;
        cleanup) curl -sS -d "{\\"host\\":\\"$2.\\"}" "$CHALLTESTSRV/clear-txt"; echo "$2" >>"$SANDBOX_DIR/cleaned" ;;
        esac
        """.write(toFile: hook, atomically: false, encoding: .utf8)
        chmod(hook, 0o755)
        let wildcard = try await sandbox.agent("issue", "-d", "*.example.org", "-d", "example.org", "--dns-hook", hook)
        #expect(wildcard.status == 0, "\(wildcard)")
        let cleaned = try String(contentsOfFile: sandbox.folder + "/cleaned", encoding: .utf8)
        #expect(cleaned.split(separator: "\n").count == 2, "\(cleaned)")
        await sandbox.end()
    }

    @Test(arguments: ["P-256", "P-384", "RSA-2048"])
    func everyKindOfKeyThatTheCATakes(_ type: String) async throws {
        let sandbox = try await Sandbox()
        let registered = try await sandbox.agent("account", "register", "--agree-tos", "--key-type", type)
        #expect(registered.status == 0, "\(registered)")
        let issued = try await sandbox.agent("issue", "-d", "www.example.org", "--key-type", type)
        #expect(issued.status == 0, "\(issued)")
        await sandbox.end()
    }
}
