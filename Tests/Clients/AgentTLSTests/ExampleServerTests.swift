import Foundation
import NIOCore
import Testing

@testable import AgentTLSExample

@Suite struct ExampleServerTests {
    @Test func theServerOfTheDocumentServesTLS() async throws {
        let agent = try await TestAgent(handshakes: ["sign-handshake"])
        let server = try await serve(folder: agent.issue("www"), host: "127.0.0.1", port: 0)
        let port = try #require(server.localAddress?.port)
        #expect(try await TestClient(trusting: agent.authority).greet(port: port).text == "hello\n")
        try await server.close()
    }

    @Test func theDocumentShowsTheServerThatIsCompiled() throws {
        let document = try String(contentsOfFile: TestAgent.root + "/Docs/clients.md", encoding: .utf8)
        let source = try String(contentsOfFile: TestAgent.root + "/Tests/Clients/AgentTLSExample/ExampleServer.swift", encoding: .utf8)
        let parts = source.components(separatedBy: "// example: begin\n")
        let example = try #require(parts.last?.components(separatedBy: "// example: end").first)
        #expect(parts.count == 2 && document.contains("```swift\n" + example + "```\n"))
    }
}
