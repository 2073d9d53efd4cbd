import ACME
import AgentClient

/// The README's client, compiled. Between the marks stand the ten lines that the README shows; a test compares the two.
func readmeExample() async throws {
    // README begins
    let agent = try await AgentClient.connect()
    for key in try await agent.keys() {
        print(key.name, key.algorithm.rawValue, key.fingerprint)
    }
    let request = try await agent.certificateRequest(key: "www.example.org", identifiers: [Identifier(argument: "www.example.org")])
    print("a certificate request of \(request.count) bytes")
    // README ends
}
