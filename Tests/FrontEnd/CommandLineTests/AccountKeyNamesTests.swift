import ACME
import Testing

@testable import acme_agent

/// The default names of account keys.
@Suite struct AccountKeyNamesTests {
    @Test(arguments: [
        ("https://localhost:14000/dir", "localhost-14000"), ("https://acme.example/dir", "acme.example"),
        ("https://[2001:db8::1]:8443/d", "2001-db8--1-8443"), ("https://127.0.0.1/", "127.0.0.1"),
    ]) func theyNameUserAndCA(directory: String, host: String) throws {
        let names = try AccountKeyNames(at: ACMEURL(directory), user: "anna")
        #expect(names.own.rawValue == "account-anna-\(host)")
        #expect(names.shared.rawValue == "account-\(host)")
    }

    @Test(arguments: ["anna", String(repeating: "u", count: 32)]) func aLongHostStillMakesAKeyName(user: String) throws {
        let host = Array(repeating: "a-label-of-some-length", count: 8).joined(separator: ".")
        let names = try AccountKeyNames(at: ACMEURL("https://\(host).example/dir"), user: user)
        for name in [names.own, names.shared] {
            #expect(name.rawValue.utf8.count <= KeyName.maximumLength)
            #expect(name.rawValue.hasSuffix(".example"))
        }
        #expect(names.own.rawValue.hasPrefix("account-\(user)-") && names.shared.rawValue.hasPrefix("account-"))
    }

    @Test(arguments: [
        ("www_data", "www_data"), ("www-data", "1000"), ("Anna", "1000"), ("a..b", "1000"),
        ("anna$", "1000"), (String(repeating: "u", count: 33), "1000"),
        ("ann\u{E4}", "1000"), (nil, "1000"), ("", "1000"),
    ]) func aUserWhoseNameCannotBeInItIsANumber(name: String?, part: String) {
        #expect(AccountKeyNames.user(named: name, number: 1000) == part)
    }

    /// The user's own, unless the grants say otherwise.
    @Test func grantsMaySayOtherwise() throws {
        let names = try AccountKeyNames(at: ACMEURL("https://acme.example/dir"), user: "anna")
        #expect(names.chosen { _ in true } == names.own)
        #expect(names.chosen { $0 == names.shared } == names.shared)
        #expect(names.chosen { $0 == names.own } == names.own)
        // If no grant covers the name, the agent's refusal says so.
        #expect(names.chosen { _ in false } == names.own)
    }

    @Test func twoUsersHaveTwoNames() throws {
        let directory = try ACMEURL("https://acme.example/dir")
        #expect(try AccountKeyNames(at: directory, user: "anna").own != AccountKeyNames(at: directory, user: "bert").own)
        #expect(!AccountKeyNames.currentUser().isEmpty)
    }
}
