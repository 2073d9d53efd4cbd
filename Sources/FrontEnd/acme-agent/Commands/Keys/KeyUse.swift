import ACME
import Issuance

extension KeyUse {
    /// Refuses a step that would leave a certificate, an account or an order without its key.
    /// - Parameter deed: the requested step as a verb: `delete`.
    func refuse(_ deed: String, of key: KeyName, force: Bool) throws(Failure) {
        guard !force, !users.isEmpty else { return }
        throw Failure(
            "key-in-use", .failed, "key \(key) is in use: \(Wording.list(users, limit: 8))",
            hint: (remedies + ["--force will \(deed) it anyway"]).joined(separator: "; "))
    }

    /// How to free the key: a command for each kind of use.
    private var remedies: [String] {
        var remedies: [String] = []
        if let name = certificates.first {
            remedies.append("`acme-agent renew \(name) --new-key --force` gives the certificate another key first")
        }
        if let name = orders.first { remedies.append("`acme-agent forget --order \(name)` drops the order") }
        if !accounts.isEmpty { remedies.append("without its key the account can never be used again") }
        return remedies
    }
}
