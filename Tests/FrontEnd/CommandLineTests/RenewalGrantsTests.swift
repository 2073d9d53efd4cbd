import ACME
import AgentInterface
import CertificateStore
import JOSE
import TestSupport
import Testing

@testable import acme_agent

/// Whether the grants that the agent tells of let a user renew: each request needs one grant that covers all of it.
@Suite struct RenewalGrantsTests {
    private static let issue = ["new-order", "post-as-get", "respond-to-challenge", "finalize", "list-keys"]

    private func grant(
        _ name: String = "web", keys: [String] = ["*"], operations: [String] = issue, identifiers: [String] = ["*.example.org"],
        wildcards: Bool = false, cas: [String] = ["https://ca.example"]
    ) -> GrantStatus {
        GrantStatus(name: name, keys: keys, operations: operations, identifiers: identifiers, wildcards: wildcards, cas: cas)
    }

    private func lack(
        _ grants: [GrantStatus], names: [String] = ["www.example.org"], at directory: String = "https://ca.example/dir"
    ) throws -> RenewalGrants.Lack? {
        let folder = try TemporaryFolder()
        return RenewalGrants(grants, store: FolderStore(folder: folder.path), isOwn: true).lack(
            for: try names.map { try Identifier(argument: $0) }, key: "www", account: "account", at: try ACMEURL(directory).origin)
    }

    @Test func whatIsCoveredLacksNothing() throws {
        #expect(try lack([grant()]) == nil)
        #expect(try lack([grant(keys: ["www", "acc*"], identifiers: ["www.example.org"])]) == nil)
        #expect(try lack([grant("other", keys: ["db"]), grant()]) == nil)
        #expect(try lack([grant(wildcards: true)], names: ["*.example.org", "www.example.org"]) == nil)
        for directory in ["https://localhost:14000/dir", "https://localhost/dir"] {
            #expect(try lack([grant(cas: ["https://localhost:*"])], at: directory) == nil)
        }
        // What a later agent may say is not judged.
        #expect(try lack([grant(identifiers: ["{any}"])]) == nil)
        // One grant for the account's requests and another for those with the certificate's key do as well.
        let account = grant("account", keys: ["account"], operations: ["post-as-get", "respond-to-challenge"], identifiers: [])
        #expect(try lack([account, grant(operations: ["new-order", "finalize"])]) == nil)
    }

    @Test func theNearestGrantsGapIsNamed() throws {
        let cases: [(GrantStatus, gap: String, mend: String)] = [
            (grant(keys: ["account"]), "the key \"www\"", "\"www\" to the keys"),
            (grant(keys: ["www"]), "the key \"account\"", "\"account\" to the keys"),
            (grant(operations: ["new-order"]), "the operation finalize", "\"finalize\" to the operations"),
            (grant(cas: ["https://other.example"]), "the CA https://ca.example", "\"https://ca.example\" to the cas"),
            (grant(cas: ["https://localhost:*"]), "the CA https://ca.example", "\"https://ca.example\" to the cas"),
            (grant(identifiers: ["example.org"]), "www.example.org", "www.example.org to the identifiers"),
            (
                grant(operations: ["new-order", "post-as-get", "finalize"]), "the operation respond-to-challenge",
                "\"respond-to-challenge\" to the operations"
            ),
        ]
        for (grant, gap, mend) in cases {
            let found = try #require(try lack([self.grant("far", keys: ["x"], operations: [], identifiers: []), grant]), "\(gap)")
            #expect(found.message == "grant \"web\" does not cover \(gap)")
            #expect(found.hint.contains("adds \(mend) of grant \"web\""), "\(found.hint)")
        }
        #expect(try lack([])?.message == "no grant of the agent's policy names you")
        let wild = try lack([grant()], names: ["*.example.org"])
        #expect(wild?.message == "grant \"web\" does not cover wildcards", "\(String(describing: wild))")
    }

    /// Grants never add up.
    @Test func twoGrantsAreNotOne() throws {
        let names = ["www.example.org", "mail.example.org"]
        let found = try lack([grant(identifiers: ["www.example.org"]), grant("mail", identifiers: ["mail.example.org"])], names: names)
        #expect(found?.message == "grant \"web\" does not cover mail.example.org")
    }

    @Test func onlyOwnCertificatesOfACMECAsAreJudged() async throws {
        let session = try CommandLineSession()
        let stored = try await session.install("www.example.org")
        for (isOwn, isLacking) in [(true, true), (false, false)] {
            var grants = RenewalGrants([], store: session.store, isOwn: isOwn)
            #expect((await grants.lack(of: stored) != nil) == isLacking)
        }
        var grants = RenewalGrants([], store: session.store, isOwn: true), other = stored
        other.metadata.directory = nil
        #expect(await grants.lack(of: other) == nil)
        other = stored
        other.revokedGeneration = 1
        #expect(await grants.lack(of: other) == nil)
        var report = CertificateReport(stored)
        report.grantLack = await grants.lack(of: stored)
        #expect(report.concern == .notGranted && report.concern?.sentence(report).contains("no grant of the agent's policy") == true)
    }
}
