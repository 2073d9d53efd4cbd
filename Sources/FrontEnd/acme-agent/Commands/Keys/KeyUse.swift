import ACME
import Issuance

extension KeyUse {
    /// Refuses what would leave a certificate, an account or an order without its key.
    /// - Parameter deed: what is asked for, as a verb: `delete`.
    func refuse(_ deed: String, of key: KeyName, force: Bool) throws(Failure) {
        guard !force, !users.isEmpty else { return }
        throw Failure(
            "key-in-use", .failed, "key \(key) is in use: \(Wording.list(users, limit: 8))",
            hint: "--force will \(deed) it all the same; `acme-agent renew NAME --new-key --force` gives a certificate another key first, "
                + "`acme-agent forget NAME` drops an interrupted order")
    }
}
