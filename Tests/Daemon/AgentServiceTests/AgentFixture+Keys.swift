import AgentClient
import Crypto
import Foundation
import JOSE
import Testing

extension AgentFixture {
    /// A daemon with the key "web-0000" in its token and the entries of as many others as requested.
    static func withKeys(_ count: Int, grants: String = AgentFixture.everything) async throws -> AgentFixture {
        let agent = try AgentFixture(grants: grants)
        _ = try await agent.client().createKey(named: "web-0000", usage: .certificate, algorithm: .p256)
        let folder = agent.folder + "/state/keys/"
        let entry = try String(contentsOfFile: folder + "web-0000.json", encoding: .utf8)
        let object = try JSONSerialization.jsonObject(with: Data(entry.utf8)) as? [String: Any]
        for number in 1..<count {
            let name = keyName(number)
            var other = try #require(object)
            other["name"] = name
            other["label"] = name
            other["spki"] = Base64URL.encode(Array(P256.Signing.PrivateKey().publicKey.derRepresentation))
            try JSONSerialization.data(withJSONObject: other).write(to: URL(fileURLWithPath: folder + name + ".json"))
        }
        try agent.restart()
        _ = try await agent.client()
        return agent
    }

    static func keyName(_ number: Int) -> String { "web-" + String(String(number + 10_000).dropFirst()) }
}
