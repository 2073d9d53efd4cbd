// Sources/Clients/AgentClient/AgentClient.docc shows the lines between the two marks; Docs/check compares them.
// example: begin
import ACME
import AgentClient
import AgentInterface

/// Makes the key of that name if there is none, and has it sign a certificate request for the names.
/// - Returns: The request (PKCS #10, RFC 2986), DER.
func certificateRequest(key name: String, for names: [String], socket: String = AgentClient.defaultSocket) async throws -> [UInt8] {
    let agent = try await AgentClient.connect(socket: socket)
    let key = try KeyName(name), identifiers = try names.map { try Identifier(argument: $0) }
    do {
        print("key", try await agent.key(named: key).fingerprint)
    } catch AgentError.keyNotFound {
        print("new key", try await agent.createKey(named: key, usage: .certificate, algorithm: .p256).fingerprint)
    }
    let request = try await agent.certificateRequest(key: key, identifiers: identifiers)
    await agent.close()
    return request
}

/// Why the agent would refuse to sign a request for a new order, or `nil` if it would sign it.
func refusal(ofOrderFor names: [String], account: String, at directory: String, _ agent: AgentClient) async throws -> String? {
    let question = DecisionQuestion(
        .newOrder, keys: [try KeyName(account)], url: try ACMEURL(directory), identifiers: try names.map { try Identifier(argument: $0) })
    let explanation = try await agent.explain(question)
    return explanation.isAllowed ? nil : explanation.message
}
// example: end
