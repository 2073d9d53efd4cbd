import ACME
import ACMEClient
import CertificateStore
import Issuance
import JOSE
import Synchronization
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

        func registration(agrees: Bool = true, contact: [String] = [], key: KeyName = "account") throws -> AccountRegistration {
            AccountRegistration(
                directory: try ca.directory, key: key, contact: try contact.map { try Contact(argument: $0) }, agreesToTerms: agrees)
        }

        /// Registers and loses the answer's URL, like a run that is interrupted there.
        func registerAndForget() async throws -> ACMEURL {
            var account = try await flow.register(try registration())
            let url = try #require(account.url)
            account.url = nil
            try await store.save(account)
            return url
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

    /// No request could be signed for it: an unusable account is not stored.
    @Test(
        arguments: [
            "https://evil.test/acct/1", "https://ca.test/new-order", "/new-account/",
            "https://ca.test/" + String(repeating: "a", count: 1020),
        ])
    func anAccountsURLMustBeOne(_ location: String) async throws {
        let office = try Office()
        office.ca.change { behaviour in
            behaviour.tamper = { request, response in
                guard request.url.path == "/new-account" else { return response }
                let others = response.headers.fields.filter { $0.name != "Location" }
                return HTTPResponse(
                    status: response.status, headers: HTTPFields(others + [(name: "Location", value: location)]), body: response.body)
            }
        }
        await #expect { try await office.flow.register(try office.registration()) } throws: { error in
            guard case .invalidDocument? = error as? ACMEClientError else { return false }
            return "\(error)".contains("Location")
        }
        #expect(try await office.store.account(at: try office.ca.directory)?.url == nil)
        // It was registered nevertheless: once the CA answers correctly, its key finds it.
        office.ca.change { $0.tamper = nil }
        let account = try await office.flow.register(try office.registration())
        #expect(account.url?.path.hasPrefix("/acct/") == true && office.keys.made == 1)
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

    /// Key type and external account apply only to a new account.
    @Test func whatHasNoEffectOnAnAccountIsSaid() async throws {
        let office = try Office()
        var registration = try office.registration()
        _ = try await office.flow.register(registration)
        let warnings = Mutex<[String]>([])
        let flow = AccountFlow(store: office.store, keys: office.keys, transport: office.ca, time: VirtualTime()) { event in
            if case .warning(let text) = event { warnings.withLock { $0.append(text) } }
        }
        registration.externalAccount = "configured"
        _ = try await flow.register(registration)
        #expect(warnings.withLock { $0.isEmpty })
        registration.externalAccount = "given"
        registration.isExternalAccountWanted = true
        _ = try await flow.register(registration)
        #expect(warnings.withLock { $0.count == 1 && $0[0].contains("\"given\" has no effect") })
        office.ca.clearLog()
        registration.keyAlgorithm = .p384
        registration.isKeyAlgorithmWanted = true
        await #expect { try await office.flow.register(registration) } throws: { error in
            guard case .noEffect? = error as? IssuanceError else { return false }
            return true
        }
        #expect(!office.ca.log.contains { $0.hasPrefix("POST") })
    }

    @Test func registeringAgainWithOtherContactsChangesThem() async throws {
        let office = try Office()
        let first = try await office.flow.register(try office.registration(contact: ["a@example.org"]))
        let url = try #require(first.url)
        let second = try await office.flow.register(try office.registration(contact: ["b@example.org"]))
        #expect(office.ca.contacts(of: url) == ["mailto:b@example.org"] && second.contact == ["mailto:b@example.org"])
        // Repeating it changes nothing and costs nothing more.
        office.ca.clearLog()
        _ = try await office.flow.register(try office.registration(contact: ["b@example.org"]))
        #expect(!office.ca.log.contains { $0.hasPrefix("POST /acct/") })
    }

    /// Commands in hints have no --email: they keep the stored contacts.
    @Test func whoRegistersWithoutContactsKeepsThem() async throws {
        let office = try Office()
        _ = try await office.flow.register(try office.registration(contact: ["a@example.org"]))
        let again = try await office.flow.register(try office.registration())
        #expect(again.contact == ["mailto:a@example.org"])
        var registration = try office.registration(key: "other")
        registration.isReplacementAllowed = true
        let other = try await office.flow.register(registration)
        #expect(office.ca.contacts(of: try #require(other.url)) == ["mailto:a@example.org"])
    }

    @Test func anotherKeyDoesNotSwitchAccountsUnasked() async throws {
        let office = try Office()
        let first = try await office.flow.register(try office.registration())
        var other = try office.registration(key: "other")
        await #expect { try await office.flow.register(other) } throws: { error in
            guard case .otherAccount("account", wanted: "other", _)? = error as? IssuanceError else { return false }
            return (error as? IssuanceError)?.hint?.contains("--yes") == true
        }
        #expect(try await office.store.accounts() == [first])
        #expect(office.keys.names == ["account"])
        other.isReplacementAllowed = true
        let second = try await office.flow.register(other)
        #expect(second.url != first.url)
        #expect(try await office.store.accounts() == [second])
    }

    /// If the stored account can no longer be used, nothing is lost.
    @Test(arguments: ["closed", "deleted", "retired"]) func anAccountThatDoesNotWorkMakesRoom(_ what: String) async throws {
        let office = try Office()
        let first = try await office.flow.register(try office.registration())
        switch what {
        case "closed": office.ca.close(try #require(first.url))
        case "deleted": try await office.keys.deleteKey(named: "account")
        default: try await office.keys.retireKey(named: "account")
        }
        let second = try await office.flow.register(try office.registration(key: "other"))
        #expect(try await office.store.accounts() == [second])
    }

    /// Some CAs show a deactivated account like any other.
    @Test(arguments: [true, false]) func aClosedAccountIsNoneThatWorks(_ isShown: Bool) async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.showsClosedAccounts = isShown
        let office = try Office(behaviour)
        let url = try await office.registerAndForget()
        office.ca.close(url)
        let directory = try office.ca.directory
        await #expect(throws: IssuanceError.self) { _ = try await office.flow.client(for: directory) }
        var stored = try #require(try await office.store.account(at: directory))
        #expect(stored.url == nil)
        stored.url = url
        try await office.store.save(stored)
        await #expect {
            try await office.flow.update(directory, contact: [try Contact(argument: "a@example.org")])
        } throws: { error in
            guard case .accountClosed? = error as? IssuanceError else { return false }
            return true
        }
    }

    @Test func theHintForAClosedAccountKeepsItsContact() async throws {
        let office = try Office()
        let registration = try office.registration(contact: ["a@example.org"])
        office.ca.close(try #require(try await office.flow.register(registration).url))
        await #expect { try await office.flow.register(registration) } throws: { error in
            (error as? IssuanceError)?.hint?.contains("--email a@example.org") == true
        }
    }

    @Test func aCredentialThatTheAgentHasNotIsToldBeforeAKeyIsMade() async throws {
        let office = try Office()
        let keys = StrictKeys(base: office.keys, isKeyRefused: false, credentials: ["other"])
        let flow = AccountFlow(store: office.store, keys: keys, transport: office.ca, time: VirtualTime())
        var registration = try office.registration()
        registration.externalAccount = "mine"
        await #expect { try await flow.register(registration) } throws: { error in
            guard case .externalAccountMissing("mine", ["other"])? = error as? IssuanceError else { return false }
            return (error as? IssuanceError)?.hint?.contains("external-accounts") == true
        }
        #expect(office.keys.names.isEmpty && office.keys.made == 0)
        #expect(try await office.store.accounts().isEmpty)
    }

    /// A credential that is off, a token that is away: the CA was not contacted, so the key belongs to no account.
    @Test func aKeyWhoseRegistrationWasNeverSentDoesNotStay() async throws {
        let office = try Office()
        let keys = StrictKeys(base: office.keys, isKeyRefused: false, failure: StrictKeys.Broken())
        let flow = AccountFlow(store: office.store, keys: keys, transport: office.ca, time: VirtualTime())
        await #expect(throws: StrictKeys.Broken.self) { try await flow.register(try office.registration()) }
        #expect(office.keys.names.isEmpty)
        #expect(try await office.store.accounts().isEmpty)
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

    /// RFC 8555 §7.3.6: deactivation is permanent. The next account needs a new key, and the user is told so.
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
            guard case .accountClosed("account", _, _, _)? = error as? IssuanceError else { return false }
            return (error as? IssuanceError)?.hint?.hasSuffix("--directory https://ca.test/dir --key NAME") == true
        }
        #expect(try await office.store.accounts().map(\.isDeactivated) == [true])
        #expect(try await KeyUse("account", in: office.store).users.isEmpty)
        // An account with another key replaces it.
        office.ca.change {
            $0.intercept = nil
            $0.tamper = nil
        }
        _ = try await office.flow.register(try office.registration(key: "other"))
        #expect(try await office.store.accounts().map(\.key) == ["other"])
        #expect(try await office.flow.show(try office.ca.directory).account.status == .valid)
    }

    /// Requests about an account that was deactivated here or elsewhere say so, with a hint.
    @Test(arguments: [(true, false), (false, false), (false, true)])
    func whatADeactivatedAccountIsAskedForSaysSo(isHere: Bool, isShown: Bool) async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.showsClosedAccounts = isShown
        let office = try Office(behaviour)
        let account = try await office.flow.register(try office.registration(contact: ["admin@example.org"]))
        let directory = try office.ca.directory
        if isHere { try await office.flow.deactivate(directory) } else { office.ca.close(try #require(account.url)) }
        func isSaid(_ error: any Error) -> Bool {
            guard case .accountClosed("account", _, _, directory)? = error as? IssuanceError else { return false }
            let text = "\(error)", hint = (error as? IssuanceError)?.hint ?? ""
            return text.contains("deactivated at") && hint.contains("acme-agent account register --agree-tos --email admin@example.org")
                && hint.hasSuffix("--key NAME")
        }
        if isShown {
            #expect(try await office.flow.show(directory).account.status == .deactivated)
        } else {
            await #expect { _ = try await office.flow.show(directory) } throws: { isSaid($0) }
            await #expect { try await office.flow.deactivate(directory) } throws: { isSaid($0) }
        }
        await #expect { _ = try await office.flow.update(directory, contact: []) } throws: { isSaid($0) }
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

/// An agent that makes no key, or one with which it signs nothing.
private struct StrictKeys: KeyProvider {
    struct Refused: PolicyRefusal {
        var isPolicyRefusal: Bool { true }
    }

    struct Broken: Error {}

    let base: SoftwareKeys
    let isKeyRefused: Bool
    var failure: any Error = Refused()
    var credentials: [String]?

    func key(named name: KeyName) async throws -> ManagedKey? { try await base.key(named: name) }
    func createKey(named name: KeyName, algorithm: KeyAlgorithm, purpose: KeyPurpose) async throws -> ManagedKey {
        guard !isKeyRefused else { throw Refused() }
        return try await base.createKey(named: name, algorithm: algorithm, purpose: purpose)
    }
    func externalAccounts() async -> [String]? { credentials }
    func retireKey(named name: KeyName) async throws { try await base.retireKey(named: name) }
    func deleteKey(named name: KeyName) async throws { try await base.deleteKey(named: name) }
    func signer(for key: ManagedKey) async throws -> any AccountSigner { throw failure }
}
