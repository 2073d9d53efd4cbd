import ACME
import ACMEClient
import AgentInterface
import CertificateStore
import Issuance
import TestSupport
import Testing

@testable import acme_agent

/// What commands say about keys, certificates and grants besides success.
@Suite struct KeyUseTests {
    /// A store with the certificate www.example.org, ordered with the account key "account" from a CA in memory.
    private struct Shelf {
        let keys = SoftwareKeys()
        let folder: TemporaryFolder
        let store: FolderStore
        let flow: IssuanceFlow
        let certificate: StoredCertificate

        init() async throws {
            let solver = MemorySolver(), time = VirtualTime()
            folder = try TemporaryFolder()
            store = FolderStore(folder: folder.file("state"))
            let ca = FakeCA(time: time) { _, _, token in solver.answer(token) }
            let accounts = AccountFlow(store: store, keys: keys, transport: ca, time: time)
            _ = try await accounts.register(
                AccountRegistration(directory: try ca.directory, key: KeyName("account"), agreesToTerms: true))
            flow = IssuanceFlow(
                issuer: try ACMEIssuer(client: try await accounts.client(for: try ca.directory)), store: store, keys: keys,
                solvers: [solver], time: time)
            let identifier = try Identifier(argument: "www.example.org")
            let request = IssuanceRequest(name: CertificateName(identifier), identifiers: [identifier], key: "web")
            certificate = try await flow.issue(request).certificate
        }
    }

    @Test func aKeyThatIsInUseIsNotDestroyedWithoutForce() async throws {
        let shelf = try await Shelf()
        let web = try await KeyUse("web", in: shelf.store)
        #expect(web.users == ["the certificate www.example.org"])
        let failure = #expect(throws: Failure.self) { try web.refuse("delete", of: "web", force: false) }
        #expect(failure?.message == "key web is in use: the certificate www.example.org")
        #expect(
            failure?.hint == "`acme-agent renew www.example.org --new-key --force` gives the certificate another key first; "
                + "--force will delete it anyway")
        try web.refuse("delete", of: "web", force: true)
        let account = try await KeyUse("account", in: shelf.store)
        #expect(account.users == ["the account at https://ca.test"])
        let lost = #expect(throws: Failure.self) { try account.refuse("delete", of: "account", force: false) }
        #expect(lost?.hint == "without its key the account can never be used again; --force will delete it anyway")
        let other = try await KeyUse("other", in: shelf.store)
        #expect(other.users.isEmpty)
        try other.refuse("delete", of: "other", force: false)
        try await shelf.flow.revoke(shelf.certificate.name, reason: nil)
        #expect(try await KeyUse("web", in: shelf.store).users.isEmpty)
    }

    @Test func theKeyOfAnInterruptedOrderIsInUse() async throws {
        let shelf = try await Shelf()
        let identifier = try Identifier(argument: "a.example.org")
        try await shelf.store.write(
            OrderJournal(
                name: CertificateName(identifier), directory: try #require(shelf.certificate.metadata.directory), identifiers: [identifier],
                accountKey: "account", started: 0, steps: [.intentKey(name: "next", isNew: true)]))
        let next = try await KeyUse("next", in: shelf.store)
        #expect(next.users == ["the interrupted order of a.example.org"])
        let failure = #expect(throws: Failure.self) { try next.refuse("delete", of: "next", force: false) }
        #expect(
            failure?.hint == "`acme-agent forget --order a.example.org` drops the order; --force will delete it anyway")
    }

    @Test func aRevokedCertificateHasNoRenewal() async throws {
        let shelf = try await Shelf()
        #expect(CertificateReport(shelf.certificate, now: 0).renewal != nil)
        #expect(CertificateReport(shelf.certificate, now: 0).text.contains("renewal due"))
        try await shelf.flow.revoke(shelf.certificate.name, reason: nil)
        let revoked = CertificateReport(try #require(try await shelf.store.certificate(named: shelf.certificate.name)), now: 0)
        #expect(revoked.renewal == nil && !revoked.text.contains("renewal due"))
    }

    @Test func whoeverHasNoGrantHearsWhetherGrantsAreOff() {
        func status(_ problems: [ProblemStatus]) -> AgentStatus {
            AgentStatus(
                version: "1", user: 1, groups: [], tokens: [], grants: [], externalAccounts: [], auditSequence: 0, auditState: "",
                problems: problems)
        }
        #expect(Status.nothing(status([])) == "nothing: no grant of the policy names you")
        let off = ProblemStatus(what: "grants", name: "", message: "2 in the configuration are off")
        #expect(Status.nothing(status([off])) == "nothing: grants are off, see below")
        #expect(Status.line(off) == "grants: 2 in the configuration are off")
    }

    @Test(arguments: [
        ("https://www.example.org/", "give only the name: -d www.example.org"),
        ("www.example.org:443", "give only the name: -d www.example.org"), ("a..b", nil),
    ]) func aURLInThePlaceOfANameIsAnsweredWithTheName(_ text: String, _ hint: String?) {
        let failure = #expect(throws: Failure.self) { try Issue.identifiers([text]) }
        #expect(failure?.hint == hint)
    }
}
