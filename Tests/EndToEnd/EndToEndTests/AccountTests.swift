import Foundation
import Testing

/// What an account's owner is told when something about the account changes.
@Suite struct AccountTests {
    /// The records of draft-02 name the account by a hash with its key.
    @Test func aNewKeyNamesTheRecordsThatItChanges() async throws {
        let sandbox = try await Sandbox(), front = try await CAInFront(sandbox), own = try front.settings(sandbox)
        try front.behave(#"{"meta": {"issuerDomainNames": ["ca.example"], "accountHashPrefix": "https://ca.example/hash/"}}"#)
        for command in [
            ["account", "register", "--agree-tos"], ["issue", "-d", "plain.example.org"], ["issue", "-d", "www.example.org"],
        ] {
            let done = try await sandbox.agent(command, environment: own)
            try #require(done.status == 0, "\(done)")
        }
        // No certificate depends on a record: nothing is said of them.
        var changed = try await sandbox.agent("account", "rollover", "--json", environment: own)
        #expect(changed.status == 0 && (changed.json["records"] as? [Any])?.isEmpty == true, "\(changed)")
        #expect(!changed.error.contains("dns-persist-01"), "\(changed)")
        let path = try #require(own["ACME_AGENT_CONFIG"])
        let text = try String(contentsOfFile: path, encoding: .utf8)
        try (text + "\n[[certificate]]\nname = \"www.example.org\"\ndns-persist = true\n").write(
            toFile: path, atomically: true, encoding: .utf8)
        let before = try await sandbox.agent("persist", "www.example.org", "--json", environment: own)
        let old = try #require((before.json["records"] as? [[String: Any]])?.first?["value"] as? String, "\(before)")
        #expect(old.hasPrefix("ca.example; accounturi=https://ca.example/hash/sha-256/"))
        changed = try await sandbox.agent("account", "rollover", "--json", environment: own)
        let records = try #require(changed.json["records"] as? [[String: Any]], "\(changed)")
        let after = try await sandbox.agent("persist", "www.example.org", "--json", environment: own)
        let value = try #require((after.json["records"] as? [[String: Any]])?.first?["value"] as? String, "\(after)")
        #expect(records.map { $0["value"] as? String } == [value] && value != old, "\(changed)")
        #expect(changed.error.contains("_validation-persist.www.example.org. IN TXT \"\(value)\""), "\(changed)")
        #expect(changed.error.contains("acme-agent persist") && changed.error.contains("--set www.example.org"), "\(changed)")
        await front.end()
        await sandbox.end()
    }

    /// RFC 8555 §7.3.3. Pebble takes an agreement only together with contacts; without any, its page alone counts.
    @Test(arguments: [true, false]) func newTermsAreExplainedAndAgreedTo(hasContact: Bool) async throws {
        let sandbox = try await Sandbox(), front = try await CAInFront(sandbox), own = try front.settings(sandbox)
        try front.behave(#"{"meta": {"termsOfService": "https://ca.example/terms-1"}}"#)
        let email = hasContact ? ["--email", "admin@example.org"] : []
        for command in [["account", "register", "--agree-tos"] + email, ["issue", "-d", "www.example.org"]] {
            let done = try await sandbox.agent(command, environment: own)
            try #require(done.status == 0, "\(done)")
        }
        try front.behave(
            #"""
            {"meta": {"termsOfService": "https://ca.example/terms-2"}, "instance": "https://ca.example/agree?account=1",
             "refuse-orders": [403, "userActionRequired", null]}
            """#)
        let refused = try await sandbox.agent("renew", "www.example.org", "--force", "--json", environment: own)
        let failure = (refused.json["failed"] as? [[String: Any]])?.first?["error"] as? [String: Any]
        #expect(refused.status == 4 && failure?["code"] as? String == "user-action-required", "\(refused)")
        let hint = try #require(failure?["hint"] as? String)
        #expect(hint.contains("visit https://ca.example/agree?account=1") && hint.contains("acme-agent account update"), "\(hint)")
        let doctor = try await sandbox.agent("doctor", "--json", environment: own)
        #expect(doctor.output.contains("terms of service are now https://ca.example/terms-2"), "\(doctor)")
        let agreed = try await sandbox.agent("account", "update", "--agree-tos", "--json", environment: own)
        #expect((agreed.json["account"] as? [String: Any])?["termsOfService"] as? String == "https://ca.example/terms-2", "\(agreed)")
        #expect(agreed.error.contains("the page that it named") == !hasContact, "\(agreed)")
        try front.behave(#"{"meta": {"termsOfService": "https://ca.example/terms-2"}}"#)
        let renewed = try await sandbox.agent("renew", "www.example.org", "--force", environment: own)
        #expect(renewed.status == 0, "\(renewed)")
        await front.end()
        await sandbox.end()
    }

    /// This machine's state is gone: the key in the token finds the account.
    @Test func anAccountIsFoundByItsKey() async throws {
        let sandbox = try await Sandbox()
        let registered = try await sandbox.agent("account", "register", "--agree-tos", "--json")
        let url = try #require((registered.json["account"] as? [String: Any])?["url"] as? String, "\(registered)")
        try FileManager.default.removeItem(atPath: sandbox.folder + "/state/accounts")
        let recovered = try await sandbox.agent("account", "recover", "--json")
        #expect(recovered.status == 0 && recovered.json["recovery"] as? String == "found", "\(recovered)")
        #expect((recovered.json["account"] as? [String: Any])?["url"] as? String == url, "\(recovered)")
        let again = try await sandbox.agent("account", "recover", "--json")
        #expect(again.status == 0 && again.json["recovery"] as? String == "working", "\(again)")
        await sandbox.end()
    }
}
