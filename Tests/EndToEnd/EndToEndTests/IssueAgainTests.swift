import Testing

/// `issue` typed again, with a real agent and CA: refusals come before anything is ordered.
@Suite struct IssueAgainTests {
    @Test func whatIsTypedAgainOrdersNothingAndWhatHasNoEffectIsRefused() async throws {
        let sandbox = try await Sandbox()
        let registered = try await sandbox.agent("account", "register", "--agree-tos", "--json")
        try #require(registered.status == 0, "\(registered)")
        let account = try #require((registered.json["account"] as? [String: Any])?["key"] as? String)
        let issued = try await sandbox.agent("issue", "-d", "www.example.org", "--must-staple", "--json")
        try #require(issued.status == 0 && issued.json["ordered"] as? Bool == true, "\(issued)")

        let before = try sandbox.requests()
        let again = try await sandbox.agent("issue", "-d", "www.example.org", "--json")
        #expect(again.status == 0 && again.json["ordered"] as? Bool == false, "\(again)")
        #expect(try sandbox.requests() == before)
        let refusals: [([String], String)] = [
            (["--token", "nope"], "has no token \"nope\""), (["--key-type", "P-384"], "of type P-256, not P-384"),
            (["--key", account], "is an account key"), (["-d", "a.example.org"], "does not include a.example.org"),
        ]
        for (options, message) in refusals {
            let refused = try await sandbox.agent(["issue", "-d", "www.example.org"] + options)
            #expect(refused.status == 64 && refused.error.contains(message) && refused.error.contains("hint:"), "\(refused)")
        }
        let lost = try await sandbox.agent("issue", "-d", "b.example.org", "--webroot", "/nonexistent")
        #expect(lost.status == 5 && lost.error.contains("/nonexistent cannot be used"), "\(lost)")
        let keys = try await sandbox.agent("keys", "list", "--json")
        #expect((keys.json["keys"] as? [Any])?.count == 2, "\(keys)")

        let expanded = try await sandbox.agent("issue", "-d", "www.example.org", "-d", "a.example.org", "--expand", "--token", "softhsm")
        #expect(expanded.status == 0, "\(expanded)")
        let renewed = try await sandbox.agent("issue", "-d", "www.example.org", "--expand", "--force", "--new-key", "--key-type", "P-384")
        #expect(renewed.status == 0 && renewed.output.contains("P-384"), "\(renewed)")
        // A retired key is replaced, however long its certificate is valid.
        #expect(try await sandbox.agent("keys", "retire", "www.example.org-2", "--force", "--yes").status == 0)
        let replaced = try await sandbox.agent("issue", "-d", "www.example.org", "--expand", "--json")
        #expect(replaced.json["ordered"] as? Bool == true, "\(replaced)")
        let registeredAgain = try await sandbox.agent("account", "register", "--agree-tos", "--key-type", "P-384")
        #expect(registeredAgain.status == 64 && registeredAgain.error.contains("no account was registered"), "\(registeredAgain)")
        await sandbox.end()
    }
}
