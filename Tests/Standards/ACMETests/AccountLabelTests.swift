import ACME
import Testing

@Suite struct AccountLabelTests {
    @Test("draft-ietf-acme-dns-account-label-03 §3.2: the draft's example")
    func theDraftsExample() throws {
        #expect(AccountLabel(try ACMEURL("https://example.com/acme/acct/ExampleAccount")).description == "_ujmmovf2vn55tgye")
    }

    @Test func everyLabelIsALabel() throws {
        for number in 0..<200 {
            let label = AccountLabel(try ACMEURL("https://ca.example/acct/\(number)")).description
            #expect(label.utf8.count == 17 && label.dropFirst().allSatisfy { "abcdefghijklmnopqrstuvwxyz234567".contains($0) })
        }
    }
}
