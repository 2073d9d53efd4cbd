import ACME
import AgentClient
import AgentInterface
import Foundation
import KeyNameLiterals
import Testing

/// Clients other than `acme-agent` on the socket: the Swift library, and a generic Varlink client.
@Suite struct ClientsTests {
    @Test func aKeyIsRetiredAndDestroyedOnlyWhenTheUserAgrees() async throws {
        let sandbox = try await Sandbox()
        #expect(try await sandbox.agent("keys", "create", "one").status == 0)
        #expect(try await sandbox.agent("keys", "delete", "one").status != 0)
        let retired = try await sandbox.agent("keys", "retire", "one", "--yes")
        #expect(retired.status == 0 && retired.output.contains("retired key one"), "\(retired)")
        let deleted = try await sandbox.agent("keys", "delete", "one", "--yes")
        #expect(deleted.status == 0 && deleted.output.contains("destroyed key one"), "\(deleted)")
        #expect(try await sandbox.agent("keys", "show", "one").status == 2)
        await sandbox.end()
    }

    @Test func theLibraryListsKeysAndHasARequestSigned() async throws {
        let sandbox = try await Sandbox()
        #expect(try await sandbox.agent("keys", "create", "www.example.org").status == 0)
        let agent = try await AgentClient.connect(socket: sandbox.environment["ACME_AGENT_SOCKET"] ?? "")
        #expect(try await agent.keys().map(\.name.rawValue) == ["www.example.org"])
        let request = try await agent.certificateRequest(
            key: "www.example.org", identifiers: [Identifier(argument: "www.example.org")], mustStaple: true)
        try Data(request).write(to: URL(fileURLWithPath: sandbox.folder + "/request.der"))
        let read = try await sandbox.shell("openssl req -inform der -in '\(sandbox.folder)/request.der' -verify -noout -text 2>&1")
        #expect(read.output.contains("verify OK") && read.output.contains("DNS:www.example.org"), "\(read)")
        #expect(read.output.contains("TLS Feature") && read.output.contains("status_request"), "\(read)")
        await sandbox.end()
    }

    /// `varlink` from PyPI, unmodified, in the environment made by Tests/Protocols/VarlinkCertification/run.
    @Test func aReadyMadeVarlinkClientListsKeys() async throws {
        let sandbox = try await Sandbox()
        #expect(try await sandbox.agent("keys", "create", "www.example.org").status == 0)
        let listed = try await sandbox.shell(
            """
            \(ReadyMadeClient.environment)
            "$venv/bin/python" -m varlink.cli call "unix:$ACME_AGENT_SOCKET/org.acmeagent.Agent.ListKeys"
            "$venv/bin/python" -m varlink.cli info "unix:$ACME_AGENT_SOCKET"
            "$venv/bin/python" -m varlink.cli help "unix:$ACME_AGENT_SOCKET/org.acmeagent.Agent"
            """)
        #expect(listed.status == 0, "\(listed)")
        #expect(listed.output.contains(#""name": "www.example.org""#), "\(listed)")
        #expect(listed.output.contains("acme-agentd") && listed.output.contains("method SignNewOrder"), "\(listed)")
        await sandbox.end()
    }

    /// Each token has its own helper; key names are unique across all tokens.
    @Test func severalTokensHaveAHelperEach() async throws {
        let sandbox = try await Sandbox()
        try await sandbox.stopDaemon()
        let made = try await sandbox.shell(
            """
            cd '\(Program.root)'; eval "$(softhsm/token-up "$SANDBOX_DIR/token" second)"
            cat >>"$SANDBOX_DIR/acme-agentd.toml" <<CONFIGURATION

            [[token]]
            name = "second"
            module = "/usr/lib/softhsm/libsofthsm2.so"
            uri = "$TOKEN_URI"
            pin-source = "$PIN_FILE"
            environment = { SOFTHSM2_CONF = "$SOFTHSM2_CONF" }
            CONFIGURATION
            """)
        try #require(made.status == 0, "\(made)")
        try await sandbox.restartDaemon()
        #expect(try await sandbox.agent("keys", "create", "one").status == 0)
        #expect(try await sandbox.agent("keys", "create", "two", "--token", "second").status == 0)
        #expect(try await sandbox.agent("keys", "create", "one", "--token", "second").status != 0)
        let shown = try await sandbox.agent("keys", "show", "two", "--json")
        #expect(shown.output.contains(#""token":"second""#), "\(shown)")
        let helpers = try await sandbox.shell("pgrep -P \(sandbox.daemon) | wc -l")
        #expect(helpers.output.trimmingCharacters(in: .whitespacesAndNewlines) == "2")
        let agent = try await AgentClient.connect(socket: sandbox.environment["ACME_AGENT_SOCKET"] ?? "")
        for key: KeyName in ["one", "two"] {
            #expect(try await !agent.certificateRequest(key: key, identifiers: [Identifier(argument: "www.example.org")]).isEmpty)
        }
        await sandbox.end()
    }
}
