import ACME
import AgentClient
import AgentInterface
import Crypto
import Foundation
import JOSE
import KeyNameLiterals

/// What a client asks for. Every answer is checked.
enum Request: String, CaseIterable {
    case jws = "JWS"
    case handshake = "handshake"
    case make = "make"
    case delete = "delete"
    case list = "list"

    /// Those that need the token: a list is answered from the daemon's memory.
    static let ofToken: [Request] = [.jws, .handshake, .make, .delete]
}

/// How a request was answered.
struct Answer: Sendable {
    let request: Request
    let seconds: Double
    /// What the caller was told; nil if the request was met.
    let failure: String?
    /// Why that is wrong whatever the token does, for example a signature that does not verify.
    let wrong: String?
}

/// Asks the agent, and knows which keys there must be.
actor Requester {
    private let agent: TestAgent
    private let halves: [String: P256.Signing.PublicKey]
    private var spares = ["spare-1", "spare-2", "spare-3", "spare-4", "spare-5", "spare-6"]
    private var made = 0
    /// Keys that were made, or were there from the start; and those of which the caller does not know.
    private(set) var present: Set<String>
    private(set) var unknown: Set<String> = []

    /// - Parameter keys: What the agent has at the beginning.
    init(_ agent: TestAgent, keys: [KeyDescription]) throws {
        self.agent = agent
        present = Set(keys.map(\.name.rawValue))
        halves = try Dictionary(
            uniqueKeysWithValues: keys.map { ($0.name.rawValue, try P256.Signing.PublicKey(derRepresentation: $0.publicKey.spki)) })
    }

    private static let clock = ContinuousClock()
    private static let content =
        [UInt8](repeating: 0x20, count: 64) + Array("TLS 1.3, server CertificateVerify".utf8) + [0] + [UInt8](repeating: 7, count: 32)

    func ask(_ request: Request) async -> Answer {
        let begin = Self.clock.now
        var failure: String?, wrong: String?
        do {
            wrong = try await met(request)
        } catch let error as AgentError {
            failure = "\(error.member): \(error.message)"
        } catch {
            wrong = "no answer: \(error)"
        }
        let time = (Self.clock.now - begin).components
        return Answer(
            request: request, seconds: Double(time.seconds) + Double(time.attoseconds) / 1e18, failure: failure, wrong: wrong)
    }

    /// - Returns: What is wrong with the answer.
    private func met(_ request: Request) async throws -> String? {
        switch request {
        case .jws: return try await jws()
        case .handshake: return try await handshake("web", halves["web"])
        case .make:
            made += 1
            let name = "made-\(made)"
            unknown.insert(name)
            let key = try await agent.withClient {
                try await $0.createKey(named: KeyName(name), usage: .certificate, algorithm: .p256)
            }
            unknown.remove(name)
            present.insert(name)
            return key.name.rawValue == name ? nil : "another key was made: \(key.name)"
        case .delete:
            guard let name = spares.first else { return "the test has no more keys to delete" }
            spares.removeFirst()
            present.remove(name)
            unknown.insert(name)
            do { try await agent.withClient { try await $0.deleteKey(named: KeyName(name)) } } catch {
                // It is retired, and can be deleted later.
                spares.insert(name, at: 0)
                throw error
            }
            unknown.remove(name)
            return nil
        case .list:
            let names = try await agent.withClient { Set(try await $0.keys().map(\.name.rawValue)) }
            return names.isSuperset(of: ["account", "web"]) ? nil : "the list lacks keys: \(names.sorted())"
        }
    }

    private func jws() async throws -> String? {
        let url = try ACMEURL("https://ca.example.org/order/1"), account = try ACMEURL("https://ca.example.org/account/1")
        let call = SigningCall(key: "account", url: url, nonce: "bm9uY2U", account: account, request: .postAsGet)
        let signed = try await agent.withClient { try await $0.sign(call).request }
        guard let half = halves["account"], let bytes = Base64URL.decode(signed.signature),
            let signature = try? P256.Signing.ECDSASignature(rawRepresentation: bytes),
            half.isValidSignature(signature, for: signed.signedBytes)
        else { return "the JWS's signature is not the account key's" }
        return nil
    }

    private func handshake(_ name: String, _ half: P256.Signing.PublicKey?) async throws -> String? {
        let bytes = try await agent.withClient {
            try await $0.handshake(key: KeyName(name), content: Self.content, scheme: "ecdsa_secp256r1_sha256")
        }
        guard let half, let signature = try? P256.Signing.ECDSASignature(derRepresentation: bytes),
            half.isValidSignature(signature, for: Self.content)
        else { return "the handshake's signature is not that of the key \(name)" }
        return nil
    }

    /// Compares the token, the entries and what callers were told, and has each key sign.
    /// - Returns: What is wrong; nil if nothing is.
    func difference() async throws -> String? {
        let keys = try await agent.withClient { try await $0.keys() }
        let names = Set(keys.map(\.name.rawValue)), entries = agent.entries, objects = agent.objects
        if entries != names { return "entries without a key: \(entries.subtracting(names).sorted())" }
        if objects != 2 * keys.count { return "\(objects) objects in the token, and \(keys.count) keys have a name" }
        if !names.isSuperset(of: present) { return "keys are gone: \(present.subtracting(names).sorted())" }
        let tooMany = names.subtracting(present).subtracting(unknown)
        if !tooMany.isEmpty { return "keys that nobody made or that were deleted: \(tooMany.sorted())" }
        for key in keys where key.usage == .certificate && key.state == .active {
            let half = try P256.Signing.PublicKey(derRepresentation: key.publicKey.spki)
            if let wrong = try await handshake(key.name.rawValue, half) { return wrong }
        }
        return try await jws()
    }
}
