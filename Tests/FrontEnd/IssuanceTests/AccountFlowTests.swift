import ACME
import ACMEClient
import CertificateStore
import Issuance
import JOSE
import TestSupport
import Testing

@Suite struct AccountFlowTests {
    private struct Office {
        let keys = SoftwareKeys()
        let folder: TemporaryFolder
        let store: FolderStore
        let ca: FakeCA
        let flow: AccountFlow

        init(_ behaviour: FakeCA.Behaviour = .init()) throws {
            let time = VirtualTime()
            folder = try TemporaryFolder()
            store = FolderStore(folder: folder.file("state"))
            ca = FakeCA(time: time, behaviour: behaviour)
            flow = AccountFlow(store: store, keys: keys, transport: ca, time: time)
        }

        func registration(agrees: Bool = true) throws -> AccountRegistration {
            AccountRegistration(directory: try ca.directory, key: KeyName("account"), agreesToTerms: agrees)
        }
    }

    @Test func nothingIsMadeWithoutTheTermsBeingAgreedTo() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.termsOfService = "https://ca.test/terms"
        let office = try Office(behaviour)
        await #expect { try await office.flow.register(try office.registration(agrees: false)) } throws: { error in
            guard case .termsNotAgreed("https://ca.test/terms")? = error as? IssuanceError else { return false }
            return true
        }
        #expect(office.keys.names.isEmpty && office.ca.log == ["GET /dir"])
        let account = try await office.flow.register(try office.registration())
        #expect(account.termsOfService == "https://ca.test/terms" && account.url != nil)
    }

    @Test func aWarmAccountCostsNoRequest() async throws {
        let office = try Office()
        let account = try await office.flow.register(try office.registration())
        #expect(office.ca.log == ["GET /dir", "HEAD /nonce", "POST /new-account"])
        let client = try await office.flow.client(for: try office.ca.directory)
        #expect(client.account == account.url && client.requestCount == 0)
    }

    @Test func registeringTwiceKeepsTheAccount() async throws {
        let office = try Office()
        let first = try await office.flow.register(try office.registration())
        let second = try await office.flow.register(try office.registration())
        #expect(first.url == second.url && office.keys.names == ["account"])
    }

    @Test func withoutAnAccountTheUserIsToldWhatToDo() async throws {
        let office = try Office()
        await #expect { try await office.flow.client(for: try office.ca.directory) } throws: { error in
            (error as? IssuanceError)?.hint?.contains("account register") == true
        }
    }

    @Test func anExternalAccountThatIsMissingIsToldBeforeAKeyIsMade() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.requiresExternalAccount = true
        let office = try Office(behaviour)
        await #expect { try await office.flow.register(try office.registration()) } throws: { error in
            guard case .externalAccountRequired? = error as? IssuanceError else { return false }
            return true
        }
        #expect(office.keys.names.isEmpty)
    }

    /// RFC 8555 §7.3.6: for good. The next account needs a key of its own, and the user is told so.
    @Test(arguments: [true, false]) func theKeyOfAClosedAccountIsSaidToNeedAnother(_ isProblem: Bool) async throws {
        let office = try Office()
        _ = try await office.flow.register(try office.registration())
        try await office.flow.deactivate(try office.ca.directory)
        office.ca.change {
            if isProblem {
                $0.intercept = { request, count in
                    guard request.url.path == "/new-account" else { return nil }
                    let body = #"{"type":"urn:ietf:params:acme:error:unauthorized","detail":"deactivated","status":401}"#
                    return HTTPResponse(
                        status: 401, headers: ["Content-Type": "application/problem+json", "Replay-Nonce": "n\(count)"],
                        body: Array(body.utf8))
                }
            } else {
                $0.tamper = { request, response in
                    guard request.url.path == "/new-account" else { return response }
                    let text = String(decoding: response.body, as: UTF8.self).replacing("\"valid\"", with: "\"deactivated\"")
                    return HTTPResponse(status: response.status, headers: response.headers, body: Array(text.utf8))
                }
            }
        }
        await #expect { try await office.flow.register(try office.registration()) } throws: { error in
            guard case .accountClosed("account", _)? = error as? IssuanceError else { return false }
            return (error as? IssuanceError)?.hint?.hasSuffix("--key NAME") == true
        }
        #expect(try await office.store.accounts().isEmpty)
    }

    @Test(arguments: [true, false]) func aRegistrationThatPolicyRefusesLeavesNothing(_ isKeyRefused: Bool) async throws {
        let office = try Office()
        let keys = StrictKeys(base: office.keys, isKeyRefused: isKeyRefused)
        let flow = AccountFlow(store: office.store, keys: keys, transport: office.ca, time: VirtualTime())
        await #expect(throws: StrictKeys.Refused.self) { try await flow.register(try office.registration()) }
        #expect(office.keys.names.isEmpty)
        #expect(try await office.store.accounts().isEmpty)
    }
}

/// An agent that makes no key, or one and signs nothing with it.
private struct StrictKeys: KeyProvider {
    struct Refused: PolicyRefusal {
        var isPolicyRefusal: Bool { true }
    }

    let base: SoftwareKeys
    let isKeyRefused: Bool

    func key(named name: KeyName) async throws -> ManagedKey? { try await base.key(named: name) }
    func createKey(named name: KeyName, algorithm: KeyAlgorithm, purpose: KeyPurpose) async throws -> ManagedKey {
        guard !isKeyRefused else { throw Refused() }
        return try await base.createKey(named: name, algorithm: algorithm, purpose: purpose)
    }
    func retireKey(named name: KeyName) async throws { try await base.retireKey(named: name) }
    func deleteKey(named name: KeyName) async throws { try await base.deleteKey(named: name) }
    func signer(for key: ManagedKey) async throws -> any AccountSigner { throw Refused() }
}
