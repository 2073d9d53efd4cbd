import ACME
import CertificateStore

extension MigrationText {
    /// Another one for another folder: two grants with one name are refused, and with them the whole file.
    private var grantName: String { "\(tool.rawValue) \(folder)" }

    /// The grant without which the agent would refuse the first order: for acme-agentd.toml. Empty if there is no
    /// certificate.
    var grant: String {
        guard !entries.isEmpty else { return "" }
        var cas: [String] = [], identifiers: [String] = [], keys: [String] = [], accountKeys: [String] = [], unclear: [String] = []
        func add(_ text: String, to texts: inout [String]) { if !texts.contains(text) { texts.append(text) } }
        for entry in entries {
            for identifier in entry.certificate.names { add(identifier.value, to: &identifiers) }
            // The names of the keys that renewals with --new-key make.
            for key in [entry.name.rawValue, "\(entry.name.rawValue)-*"] { add(key, to: &keys) }
            guard case .directory(let directory) = entry.certificate.ca else {
                unclear.append(entry.name.rawValue)
                continue
            }
            add(directory.origin.text, to: &cas)
            add(settings.ca(at: directory).accountKey?.rawValue ?? user.keyPart.map { "account-\($0)-*" } ?? "account-*", to: &accountKeys)
        }
        var lines = [
            "", "[[grant]]", "name = \(TOMLText.string(grantName))", "users = \(TOMLText.strings([user.name]))",
            "keys = \(TOMLText.strings(accountKeys + keys))",
            "operations = [\"issue\", \"account\", \"create-key\", \"retire-key\", \"revoke-certificate\"]",
            "identifiers = \(TOMLText.strings(identifiers))",
        ]
        if entries.contains(where: { $0.certificate.names.contains(where: \.isWildcard) }) { lines.append("wildcards = true") }
        if !unclear.isEmpty { lines += TOMLText.comment("Add the CA of \(Wording.list(unclear)).") }
        lines.append("cas = \(TOMLText.strings(cas))")
        if accounts.contains(where: \.needsExternalAccount) {
            lines += TOMLText.comment("Needed for a CA that requires an external account: the names of its [[external-account]] parts.")
            lines.append("#external-accounts = [\"NAME\"]")
        }
        return lines.joined(separator: "\n") + "\n"
    }
}
