import ACME
import AgentClient
import Foundation
import Testing

@testable import AgentClientExample

// README.md shows the lines between the two marks; Docs/check compares them.
// readme: begin
/// Lists the keys that policy lets this process use, and has the key called `name` sign a certificate request.
func certificateRequest(for name: String, socket: String = AgentClient.defaultSocket) async throws -> [UInt8] {
    let agent = try await AgentClient.connect(socket: socket)
    for key in try await agent.keys() {
        print(key.name, key.algorithm.rawValue, key.fingerprint)
    }
    let request = try await agent.certificateRequest(key: KeyName(name), identifiers: [Identifier(argument: name)])
    await agent.close()
    return request
}
// readme: end

@Suite struct ReadmeClientTests {
    @Test func theClientOfTheReadmeWorks() async throws {
        let sandbox = try await Sandbox()
        #expect(try await sandbox.agent("keys", "create", "www.example.org").status == 0)
        let request = try await certificateRequest(for: "www.example.org", socket: #require(sandbox.environment["ACME_AGENT_SOCKET"]))
        let file = sandbox.folder + "/request.der"
        try writeFile(file, request)
        let verified = try await sandbox.shell("openssl req -inform der -in '\(file)' -verify -noout -text")
        #expect(verified.status == 0, "\(verified)")
        #expect(verified.output.contains("DNS:www.example.org"), "\(verified)")
        await sandbox.end()
    }

    /// The client of the library's documentation.
    @Test func theExampleOfTheLibraryWorks() async throws {
        let sandbox = try await Sandbox(), socket = try #require(sandbox.environment["ACME_AGENT_SOCKET"])
        let names = ["www.example.org", "192.0.2.7"]
        // The first makes the key, the second finds it.
        for _ in 0..<2 {
            let request = try await AgentClientExample.certificateRequest(key: "web", for: names, socket: socket)
            let file = sandbox.folder + "/request.der"
            try writeFile(file, request)
            let verified = try await sandbox.shell("openssl req -inform der -in '\(file)' -verify -noout -text")
            #expect(verified.status == 0, "\(verified)")
            #expect(verified.output.contains("DNS:www.example.org") && verified.output.contains("IP Address:192.0.2.7"), "\(verified)")
        }
        let agent = try await AgentClient.connect(socket: socket), directory = try #require(sandbox.environment["ACME_DIRECTORY"])
        #expect(try await AgentClientExample.refusal(ofOrderFor: names, account: "account", at: directory, agent) == nil)
        let foreign = try await AgentClientExample.refusal(ofOrderFor: names, account: "account", at: "https://ca.example/dir", agent)
        #expect(foreign == "the agent refused to sign for the CA https://ca.example")
        await sandbox.end()
    }

    private func writeFile(_ path: String, _ bytes: [UInt8]) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }
}
