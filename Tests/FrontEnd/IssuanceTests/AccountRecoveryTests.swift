import ACME
import ACMEClient
import CertificateStore
import JOSE
import Synchronization
import TestSupport
import Testing

@testable import Issuance

/// An account that this machine or the CA has lost, and an account's new key: interrupted anywhere, the next run finds
/// out what the CA has.
@Suite struct AccountRecoveryTests {
    private struct Office {
        let keys = SoftwareKeys()
        let folder: TemporaryFolder
        let store: FolderStore
        let ca: FakeCA
        let time = VirtualTime()

        init(_ behaviour: FakeCA.Behaviour = .init()) throws {
            folder = try TemporaryFolder()
            store = FolderStore(folder: folder.file("state"))
            ca = FakeCA(time: time, behaviour: behaviour)
        }

        func flow(killedBy killSwitch: KillSwitch = KillSwitch()) -> AccountFlow {
            AccountFlow(
                store: KillableStore(base: store, killSwitch), keys: KillableKeys(base: keys, killSwitch),
                transport: KillableTransport(base: ca, killSwitch), time: time)
        }

        @discardableResult func register(key: KeyName = "account", contact: [String] = []) async throws -> StoredAccount {
            try await flow().register(
                AccountRegistration(
                    directory: try ca.directory, key: key, contact: try contact.map { try Contact(argument: $0) }, agreesToTerms: true))
        }

        func recovery(_ candidates: [KeyName] = [], agrees: Bool = false) throws -> AccountRecoveryRequest {
            AccountRecoveryRequest(directory: try ca.directory, candidates: candidates, agreesToTerms: agrees)
        }

        var stored: StoredAccount? { get async throws { try await store.account(at: try ca.directory) } }
    }

    @Test func nothingHappensToAnAccountThatWorks() async throws {
        let office = try Office()
        let account = try await office.register()
        let (recovered, recovery) = try await office.flow().recover(try office.recovery())
        #expect(recovered == account && recovery == .working)
        #expect(office.ca.log.filter { $0 == "POST /new-account" }.count == 1)
    }

    /// The same key and contacts; the terms that were agreed to are still the same.
    @Test func whatTheCAHasLostIsRegisteredAgainWithTheSameKey() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.termsOfService = "https://ca.test/terms"
        let office = try Office(behaviour)
        let account = try await office.register(contact: ["admin@example.org"])
        office.ca.loseAccounts()
        let (recovered, recovery) = try await office.flow().recover(try office.recovery())
        #expect(recovery == .registered && recovered.key == account.key && recovered.url != account.url)
        let url = try #require(recovered.url)
        #expect(office.keys.made == 1 && office.ca.contacts(of: url) == ["mailto:admin@example.org"])
        #expect(try await office.stored == recovered)
    }

    @Test func otherTermsThanBeforeMustBeAgreedTo() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.termsOfService = "https://ca.test/terms"
        let office = try Office(behaviour)
        try await office.register()
        office.ca.loseAccounts()
        office.ca.change { $0.termsOfService = "https://ca.test/terms-2" }
        await #expect { try await office.flow().recover(try office.recovery()) } throws: { error in
            guard case .termsNotAgreed("https://ca.test/terms-2")? = error as? IssuanceError else { return false }
            return true
        }
        let (recovered, _) = try await office.flow().recover(try office.recovery(agrees: true))
        #expect(recovered.termsOfService == "https://ca.test/terms-2")
    }

    /// This machine's state is gone; the keys in the token remain.
    @Test func whatIsNotStoredIsFoundByTheKeysInTheToken() async throws {
        let office = try Office()
        let account = try await office.register(contact: ["admin@example.org"])
        _ = try await office.keys.createKey(named: "unused", algorithm: .p256, purpose: .account(directory: try office.ca.directory))
        try await office.store.removeAccount(at: try office.ca.directory)
        let (recovered, recovery) = try await office.flow().recover(try office.recovery(["unused", "account"]))
        #expect(recovery == .found && recovered.url == account.url && recovered.key == "account")
        #expect(recovered.contact == ["mailto:admin@example.org"])
        #expect(try await office.stored == recovered)
    }

    @Test func nothingIsRegisteredForAKeyWithoutAnAccount() async throws {
        let office = try Office()
        await #expect { try await office.flow().recover(try office.recovery(["account"])) } throws: { error in
            if case .keyMissing? = error as? IssuanceError { return true }
            return false
        }
        _ = try await office.keys.createKey(named: "account", algorithm: .p256, purpose: .account(directory: try office.ca.directory))
        await #expect { try await office.flow().recover(try office.recovery(["account"])) } throws: { error in
            if case .noAccount? = error as? IssuanceError { return true }
            return false
        }
        #expect(try await office.stored == nil)
    }

    @Test func severalAccountsAreNotChosenFrom() async throws {
        let office = try Office()
        try await office.register(key: "one")
        try await office.store.removeAccount(at: try office.ca.directory)
        try await office.register(key: "two")
        try await office.store.removeAccount(at: try office.ca.directory)
        await #expect { try await office.flow().recover(try office.recovery(["one", "two"])) } throws: { error in
            guard case .noEffect(let reason, let hint)? = error as? IssuanceError else { return false }
            return reason.contains("\"one\"") && reason.contains("\"two\"") && hint.contains("--key NAME")
        }
        #expect(try await office.flow().recover(try office.recovery(["two"])).account.key == "two")
    }

    @Test func aClosedAccountStaysClosed() async throws {
        let office = try Office()
        office.ca.close(try #require(try await office.register().url))
        await #expect { try await office.flow().recover(try office.recovery()) } throws: { error in
            if case .accountClosed? = error as? IssuanceError { return true }
            return false
        }
    }

    /// SIGKILL before and after every step: the next run ends with one account for the same key.
    @Test func aRecoveryMayBeCutOffAnywhere() async throws {
        for limit in 0... {
            let office = try Office()
            try await office.register()
            office.ca.loseAccounts()
            let request = try office.recovery()
            let isDone = (try? await office.flow(killedBy: KillSwitch(after: limit)).recover(request)) != nil
            if isDone {
                #expect(limit > 10)
                return
            }
            let (account, _) = try await office.flow().recover(request)
            #expect(account.key == "account" && office.keys.names == ["account"], "cut off after \(limit)")
            #expect(try await office.flow().show(try office.ca.directory).account.status == .valid, "cut off after \(limit)")
        }
    }

    /// The new key is tried first: whatever the CA has, the next run uses it, and only the other one is retired.
    @Test func aKeyChangeMayBeCutOffAnywhere() async throws {
        for limit in 0... {
            let office = try Office()
            try await office.register()
            let directory = try office.ca.directory
            let killSwitch = KillSwitch(after: limit)
            _ = try? await office.flow(killedBy: killSwitch).changeKey(directory, to: "next")
            if !killSwitch.isDead {
                #expect(limit > 12 && office.keys.retired == ["account"])
                return
            }
            // Any command settles it.
            #expect(try await office.flow().show(directory).account.status == .valid, "cut off after \(limit)")
            let settled = try #require(try await office.stored)
            #expect(settled.nextKey == nil, "cut off after \(limit)")
            let changed = try await office.flow().changeKey(directory, to: "next")
            #expect(changed.key == "next", "cut off after \(limit)")
            #expect(office.keys.names.count == 2 && office.keys.made == 2, "cut off after \(limit)")
            #expect(office.keys.retired == ["account"], "cut off after \(limit)")
            #expect(try await office.stored?.formerKey == nil, "cut off after \(limit)")
            #expect(try await office.flow().show(directory).account.status == .valid, "cut off after \(limit)")
        }
    }

    /// A run that uses the account while its key changes waits, and never undoes the note of the change.
    @Test func whoeverUsesAnAccountWaitsForTheChangeOfItsKey() async throws {
        let office = try Office()
        var account = try await office.register()
        let directory = try office.ca.directory
        account.nextKey = "next"
        try await office.store.save(account)
        let lock = try await office.store.lockAccount(at: directory)
        await #expect { _ = try await office.flow().client(for: directory) } throws: { ($0 as? StoreError)?.reason == .locked }
        await #expect { _ = try await office.flow().changeKey(directory, to: "next") } throws: { ($0 as? StoreError)?.reason == .locked }
        await #expect { _ = try await office.flow().recover(try office.recovery()) } throws: { ($0 as? StoreError)?.reason == .locked }
        #expect(try await office.stored?.nextKey == "next")
        lock.release()
        _ = try await office.flow().client(for: directory)
        #expect(try await office.stored?.nextKey == nil)
    }

    /// RFC 8555 §7.3.3.
    @Test func newTermsAreAgreedToByAnUpdate() async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.termsOfService = "https://ca.test/terms"
        let office = try Office(behaviour)
        try await office.register(contact: ["admin@example.org"])
        office.ca.change {
            $0.termsOfService = "https://ca.test/terms-2"
            $0.demandsAgreement = "https://ca.test/agree"
        }
        let directory = try office.ca.directory
        let client = try await office.flow().client(for: directory)
        let order = NewOrder(identifiers: [try Identifier(argument: "www.example.org")])
        await #expect { try await client.newOrder(order) } throws: { error in
            guard let error = error as? ACMEClientError, error.problem?.kind == .userActionRequired else { return false }
            return error.hint?.contains("visit https://ca.test/agree") == true && error.hint?.contains("account update --agree-tos") == true
        }
        _ = try await office.flow().update(directory, contact: nil, agreesToTerms: true)
        let stored = try #require(try await office.stored)
        #expect(stored.termsOfService == "https://ca.test/terms-2" && stored.contact == ["mailto:admin@example.org"])
        #expect(try await client.newOrder(order).value.status == .pending)
        let url = try #require(stored.url)
        #expect(office.ca.contacts(of: url) == ["mailto:admin@example.org"])
    }

    /// RFC 8555 §7.5.2, where the CA counts pending authorizations and policy allows it: what failed is left as it is.
    @Test(arguments: [true, false]) func whatAFailureLeavesPendingIsGivenUp(_ isAllowed: Bool) async throws {
        var behaviour = FakeCA.Behaviour()
        behaviour.refusals = ["www.example.org": "connection refused"]
        behaviour.challengeTypes = ["http-01"]
        let bench = try Bench(behaviour)
        let asked = Mutex(0)
        let client = ACMEClient(
            directory: try bench.ca.directory, transport: HoldingBack(base: bench.ca), signer: bench.accountKey, account: bench.account,
            time: bench.time)
        let flow = IssuanceFlow(
            issuer: try ACMEIssuer(client: client), store: bench.store, keys: bench.keys, solvers: [bench.solver], time: bench.time,
            releasesAuthorizations: {
                asked.withLock { $0 += 1 }
                return isAllowed
            })
        await #expect(throws: IssuanceError.self) {
            try await flow.issue(try Bench.request(["www.example.org", "a.example.org", "b.example.org"]))
        }
        let rest = isAllowed ? "deactivated" : "pending"
        #expect(bench.ca.authorizationStatuses == ["invalid", rest, rest])
        #expect(asked.withLock { $0 } == 1)
        // Nothing of that for an order that succeeds.
        bench.ca.change { $0.refusals = [:] }
        _ = try await flow.issue(try Bench.request(["c.example.org"]))
        #expect(asked.withLock { $0 } == 1)
    }
}

/// Never tells the CA that the challenges of the second and third name are ready.
private struct HoldingBack: HTTPTransport {
    let base: FakeCA

    func send(_ request: HTTPRequest) async throws -> HTTPResponse {
        if request.url.path.hasPrefix("/chall/1/") || request.url.path.hasPrefix("/chall/2/") {
            return HTTPResponse(
                status: 200, headers: ["Content-Type": "application/json", "Replay-Nonce": "held-\(request.url.path)"],
                body: Array(#"{"type":"http-01","url":"\#(request.url.text)","token":"held","status":"pending"}"#.utf8))
        }
        return try await base.send(request)
    }
}
