import ACME
import Issuance
import JOSE

/// Times the calls to the agent.
struct TimedKeys: KeyProvider {
    let base: any KeyProvider
    let timings: Timings

    func key(named name: KeyName) async throws -> ManagedKey? {
        try await timings.measure(.agent, "find key") { try await base.key(named: name) }
    }

    func mayCreateKey(named name: KeyName) async -> Bool {
        await timings.measure(.agent, "ask for grants") { await base.mayCreateKey(named: name) }
    }

    func externalAccounts() async -> [String]? { await base.externalAccounts() }
    func createKey(named name: KeyName, algorithm: KeyAlgorithm, purpose: KeyPurpose) async throws -> ManagedKey {
        try await timings.measure(.agent, "make key") { try await base.createKey(named: name, algorithm: algorithm, purpose: purpose) }
    }

    func retireKey(named name: KeyName) async throws {
        try await timings.measure(.agent, "retire key") { try await base.retireKey(named: name) }
    }

    func deleteKey(named name: KeyName) async throws {
        try await timings.measure(.agent, "delete key") { try await base.deleteKey(named: name) }
    }

    func signer(for key: ManagedKey) async throws -> any AccountSigner {
        TimedSigner(base: try await base.signer(for: key), timings: timings)
    }
}

/// Times the signatures.
struct TimedSigner: AccountSigner {
    let base: any AccountSigner
    let timings: Timings

    var keyName: KeyName { base.keyName }
    var publicKey: PublicKey { base.publicKey }

    func sign(_ request: ACMERequest, url: ACMEURL, nonce: String, account: ACMEURL?) async throws -> FlattenedJWS {
        try await timings.measure(.agent, "sign \(request.operation.rawValue)") {
            try await base.sign(request, url: url, nonce: nonce, account: account)
        }
    }
}
