import ACME
import ACMEClient
import CertificateStore
import Issuance
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
}
