import ACME
import AgentClient
import Crypto
import Foundation
import KeyNameLiterals
import Testing

/// `varlink` from PyPI, unmodified.
enum ReadyMadeClient {
    /// Lines of shell that set `venv` to an environment with it. Tests make it once and share it.
    static let environment = """
        venv='\(Program.root)/.build/varlink-client-venv'
        (
            flock 9
            if ! "$venv/bin/python" -c 'import varlink' 2>/dev/null; then
                rm -rf "$venv"
                python3 -m venv "$venv"
                "$venv/bin/python" -m pip install --quiet --disable-pip-version-check varlink==31.0.0
            fi
        ) 9>"$venv.lock"
        """
}

/// Runs the Python and shell examples of Docs/clients.md as they are there, with the sandbox's socket.
@Suite struct DocumentedClientsTests {
    /// The document's only block in a language.
    private func example(_ language: String, for sandbox: Sandbox) throws -> String {
        let document = try String(contentsOfFile: Program.root + "/Docs/clients.md", encoding: .utf8)
        let blocks = document.components(separatedBy: "```\(language)\n").dropFirst()
        try #require(blocks.count == 1)
        let text = try #require(blocks.first?.components(separatedBy: "\n```").first)
        let socket = try #require(sandbox.environment["ACME_AGENT_SOCKET"])
        try #require(text.contains(AgentClient.defaultSocket))
        return text.replacingOccurrences(of: AgentClient.defaultSocket, with: socket) + "\n"
    }

    @Test func theHandshakeOfTheDocumentIsSignedFromPython() async throws {
        let sandbox = try await Sandbox()
        #expect(try await sandbox.agent("keys", "create", "www.example.org").status == 0)
        let script = sandbox.folder + "/handshake.py"
        try example("python", for: sandbox).write(toFile: script, atomically: true, encoding: .utf8)
        func sign(_ key: String, _ transcript: String) async throws -> Outcome {
            try await sandbox.shell("\(ReadyMadeClient.environment)\n\"$venv/bin/python\" '\(script)' \(key) \(transcript)")
        }
        let transcript = String(repeating: "5a", count: 32)
        let signed = try await sign("www.example.org", transcript)
        try #require(signed.status == 0, "\(signed)")
        let digits = Array(signed.output.trimmingCharacters(in: .whitespacesAndNewlines))
        let signature = stride(from: 0, to: digits.count - 1, by: 2).compactMap { UInt8(String(digits[$0...($0 + 1)]), radix: 16) }
        let agent = try await AgentClient.connect(socket: sandbox.environment["ACME_AGENT_SOCKET"] ?? "")
        let key = try await agent.key(named: "www.example.org").publicKey
        let content =
            [UInt8](repeating: 0x20, count: 64) + Array("TLS 1.3, server CertificateVerify\0".utf8) + [UInt8](repeating: 0x5A, count: 32)
        let half = try P256.Signing.PublicKey(pemRepresentation: key.spkiPEM)
        #expect(half.isValidSignature(try .init(derRepresentation: signature), for: content))
        // What the agent refuses ends with its words.
        let unknown = try await sign("other", transcript)
        #expect(unknown.status == 1 && unknown.error.contains("org.acmeagent.Agent.KeyNotFound: there is no key"), "\(unknown)")
        let short = try await sign("www.example.org", "5a")
        #expect(short.status == 1 && short.error.contains("org.acmeagent.Agent.InvalidRequest: "), "\(short)")
        await sandbox.end()
    }

    @Test func theOrderOfTheDocumentIsSignedFromAShell() async throws {
        let sandbox = try await Sandbox()
        let registered = try await sandbox.agent("account", "register", "--agree-tos", "--json")
        try #require(registered.status == 0, "\(registered)")
        let stored = try #require(registered.json["account"] as? [String: Any])
        let key = try #require(stored["key"] as? String), account = try #require(stored["url"] as? String)
        let script = sandbox.folder + "/order.sh"
        try example("sh", for: sandbox).write(toFile: script, atomically: true, encoding: .utf8)
        let ordered = try await sandbox.shell(
            """
            \(ReadyMadeClient.environment)
            PATH="$venv/bin:$PATH"
            export CURL_CA_BUNDLE="$CA_CERTIFICATE" KEY='\(key)' ACCOUNT='\(account)'
            directory=$(curl -sS "$ACME_DIRECTORY")
            NEW_ORDER=$(jq -r .newOrder <<<"$directory")
            NONCE=$(curl -sSI "$(jq -r .newNonce <<<"$directory")" | tr -d '\\r' | sed -n 's/^[Rr]eplay-[Nn]once: //p')
            export NEW_ORDER NONCE
            cd "$SANDBOX_DIR"
            sh -eu '\(script)'
            """)
        #expect(ordered.status == 0, "\(ordered)")
        #expect(ordered.output.contains(#""status": "pending""#) && ordered.output.contains(#""value": "www.example.org""#), "\(ordered)")
        await sandbox.end()
    }
}
