import Foundation
import Testing

/// A CA revokes a certificate, and says so in its revocation list alone: the whole program replaces it, with a running
/// agent.
@Suite struct RevocationListTests {
    /// A CA of the test's own, whose certificates name its list.
    private func makeCA(_ sandbox: Sandbox, _ front: CAInFront) async throws {
        let made = try await sandbox.shell(
            """
            cd '\(front.folder)'
            openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.pem -days 900 -subj '/CN=Listing CA' 2>log
            printf '%s\\n' 'crlDistributionPoints = URI:\(try front.listURL)' 'authorityKeyIdentifier = keyid' >leaf.cnf
            printf '%s\\n' '[ca]' 'default_ca = own' '[own]' 'database = index.txt' 'certificate = ca.pem' 'private_key = ca.key' \
                'crlnumber = crlnumber' 'default_md = sha256' 'default_crl_days = 7' 'crl_extensions = list' \
                '[list]' 'authorityKeyIdentifier = keyid' >ca.cnf
            : >index.txt
            echo 01 >crlnumber
            """)
        try #require(made.status == 0, "\(made)")
        try front.behave(
            #"{"issue": ["-CA", "ca.pem", "-CAkey", "ca.key", "-copy_extensions", "copy", "-extfile", "leaf.cnf", "-days", "90"]}"#)
        try await list(sandbox, front, "")
    }

    private func list(_ sandbox: Sandbox, _ front: CAInFront, _ revocation: String) async throws {
        let made = try await sandbox.shell(
            """
            cd '\(front.folder)'
            \(revocation)
            openssl ca -config ca.cnf -gencrl -out list.pem 2>>log
            openssl crl -in list.pem -outform DER -out list.new && mv list.new list.der
            """)
        try #require(made.status == 0, "\(made)")
    }

    @Test func aCompromisedCertificateIsReplacedAtOnceWithANewKey() async throws {
        let sandbox = try await Sandbox(), front = try await CAInFront(sandbox)
        let own = try front.settings(sandbox)
        try await makeCA(sandbox, front)
        var outcome = try await sandbox.agent("account", "register", "--agree-tos", environment: own)
        try #require(outcome.status == 0, "\(outcome)")
        for name in ["www.example.org", "other.example.org"] {
            outcome = try await sandbox.agent("issue", "-d", name, environment: own)
            try #require(outcome.status == 0 && outcome.output.contains("CN=Listing CA"), "\(outcome)")
        }
        let before = try await certificate(sandbox, "www.example.org"), file = sandbox.folder + "/state/certificates/www.example.org"
        try await list(
            sandbox, front, "openssl ca -config ca.cnf -revoke '\(file)/cert.pem' -crl_reason keyCompromise 2>>log")
        outcome = try await sandbox.agent("renew", "--all", environment: own)
        #expect(outcome.status == 0, "\(outcome)")
        #expect(
            outcome.error.contains("www.example.org: its CA revoked it") && outcome.error.contains("(keyCompromise); it is replaced"),
            "\(outcome)")
        #expect(outcome.output.contains("other.example.org: not due until"), "\(outcome)")
        #expect(front.log.filter { $0.hasPrefix("list ") }.count == 1, "one list for both: \(front.log)")
        let after = try await certificate(sandbox, "www.example.org")
        #expect(after.generation == 2 && after.serial != before.serial && after.key == "www.example.org-2", "\(after)")
        #expect(try await certificate(sandbox, "other.example.org").generation == 1)
        // Others may have the old key.
        let keys = try await sandbox.agent("keys", "list", environment: own)
        #expect(keys.output.split(separator: "\n").contains { $0.hasPrefix("www.example.org ") && $0.contains("retired") }, "\(keys)")
        // The new one is not on the list.
        outcome = try await sandbox.agent("renew", "--all", environment: own)
        #expect(outcome.status == 0 && outcome.output.contains("www.example.org: not due until"), "\(outcome)")
        #expect(try await certificate(sandbox, "www.example.org").generation == 2)
        await front.end()
        await sandbox.end()
    }

    private func certificate(_ sandbox: Sandbox, _ name: String) async throws -> (generation: Int, serial: String, key: String) {
        let shown = try await sandbox.agent("show", name, "--json")
        let certificate = try #require(shown.json["certificate"] as? [String: Any], "\(shown)")
        let key = try #require(certificate["keyDetails"] as? [String: Any])
        return (
            try #require(certificate["generation"] as? Int), try #require(certificate["serial"] as? String),
            try #require(key["name"] as? String)
        )
    }
}
