import ACME
import AgentInterface
import ArgumentParser
import KeyNameLiterals
import PolicyInquiry
import Testing

/// Questions on the command line.
@Suite struct InquiryOptionsTests {
    private static let directory = "https://ca.test/dir"

    /// How each operation is asked about.
    private static func arguments(_ operation: Operation) -> [String] {
        switch operation {
        case .newAccount: ["--register", "--eab", "zero"]
        case .updateAccount: ["--update-account"]
        case .deactivateAccount: ["--deactivate-account"]
        case .keyChange: ["--key-change", "key"]
        case .newOrder: ["--order", "a.test", "192.0.2.7"]
        case .postAsGet: ["--fetch"]
        case .respondToChallenge: ["--respond"]
        case .deactivateAuthorization: ["--deactivate-authorization"]
        case .finalize: ["--finalize", "key", "a.test", "*.b.test"]
        case .revokeCertificate: ["--revoke"]
        case .createKey: ["--create-key", "key", "--usage", "account"]
        case .adoptKey: ["--adopt-key", "key"]
        case .retireKey: ["--retire-key", "key"]
        case .deleteKey: ["--delete-key", "key"]
        case .listKeys: ["--list-keys", "key"]
        case .signRequest: ["--csr", "key", "a.test"]
        case .signHandshake: ["--handshake", "key"]
        case .signClientHandshake: ["--client-handshake", "key"]
        case .signServerKeyExchange: ["--server-key-exchange", "key"]
        case .readAudit: ["--read-audit"]
        case .readMetrics: ["--read-metrics"]
        }
    }

    @Test(arguments: Operation.allCases) func everyOperationHasItsQuestion(operation: Operation) throws {
        let options = try InquiryOptions.parse(Self.arguments(operation))
        let question = try options.question(directory: ACMEURL(Self.directory), accountKey: "account-1")
        #expect(question.operation == operation)
        #expect(question.keys.count == operation.keyRoles.count)
        #expect(
            question.keys.first
                == (operation.keyRoles.first.map { $0 == .account || operation == .revokeCertificate ? "account-1" : "key" }))
        #expect(question.identifiers.isEmpty == !operation.needsIdentifiers)
        #expect((question.url != nil) == (operation.isForCA || operation == .createKey))
        // What is asked is what the agent reads.
        let call = AgentCall.explainDecision(question)
        #expect(call.method == "ExplainDecision")
    }

    @Test func aRevocationByTheCertificatesKeyNamesIt() throws {
        let question = try InquiryOptions.parse(["--revoke-with", "web"]).question(directory: ACMEURL(Self.directory))
        #expect(question == DecisionQuestion(.revokeCertificate, keys: ["web"], url: try ACMEURL(Self.directory)))
    }

    @Test(
        arguments: [
            (["--order", "a.test", "--handshake", "key"], "one question at a time: --order and --handshake cannot be combined"),
            (["--csr", "key"], "--csr needs the key and at least one name"), (["--csr", "KEY", "a.test"], "KEY"),
            (["--order", "a_b.test"], "a_b.test"), (["--order", "a.test", "A.test"], "a name is given twice"),
            (["--handshake", "key", "--account", "a"], "--account has no effect with --handshake"),
            (["--fetch", "--eab", "a"], "--eab has no effect without --register"),
            (["--create-key", "key", "--usage", "both"], "\"both\" is not a usage"),
            (["--retire-key", "key", "--usage", "account"], "--usage has no effect with --retire-key"),
            (["--read-audit", "--as", "uid:1,uid:2"], "\"uid:1,uid:2\" is not a user"),
            (["--read-audit", "--as", "gid:1"], "\"gid:1\" is not a user"), (["--read-audit", "--as", "uid:x"], "\"uid:x\" is not a user"),
            (["--read-audit", "--as", "uid:4294967296"], "is not a user"),
        ]) func whatMeansNothingIsAnError(arguments: [String], message: String) throws
    {
        #expect { try InquiryOptions.parse(arguments) } throws: { InquiryOptions.message(for: $0).contains(message) }
    }

    @Test func whatIsMissingIsAskedFor() throws {
        #expect { try InquiryOptions.parse([]).question(directory: nil) } throws: { "\($0)".hasPrefix("no question") }
        let order = try InquiryOptions.parse(["--order", "a.test"])
        #expect(order.isAboutCA && order.needsAccountKey)
        #expect { try order.question(directory: ACMEURL(Self.directory)) } throws: { "\($0)".contains("--account KEY") }
        #expect { try order.question(directory: nil, accountKey: "a") } throws: { "\($0)".contains("--directory URL") }
        #expect(try !InquiryOptions.parse(["--order", "a.test", "--account", "a"]).needsAccountKey)
    }

    @Test func aSubjectIsAUserOrNumbers() throws {
        let numbers = DecisionQuestion.Subject(user: 1_000, groups: [100, 27])
        #expect(try InquiryOptions.parse(["--read-audit", "--as", "uid:1000,gid:100,gid:27"]).subject == .numbers(numbers))
        let alice = try #require(try InquiryOptions.parse(["--read-audit", "--as", "alice"]).subject)
        #expect(alice == .user("alice") && alice.text == "alice")
        #expect(try alice.subject { $0 == "alice" ? numbers : nil } == numbers)
        #expect { try alice.subject { _ in nil } } throws: { "\($0)" == "there is no user \"alice\"" }
        #expect(try InquiryOptions.parse(["--read-audit"]).subject == nil)
    }
}
