import ACME
import ArgumentParser
import CertificateStore

struct AccountList: AgentCommand {
    static let stateUse = StateUse.read
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the stored accounts; no CA is asked.",
        discussion: "Example: acme-agent account list")

    @OptionGroup var options: GlobalOptions

    func run(_ session: Session) async throws -> ExitStatus {
        let accounts = try await session.store.accounts().sorted { $0.directory.text < $1.directory.text }
        if accounts.isEmpty { session.output.note("no accounts yet: acme-agent account register --agree-tos") }
        var table = TextTable(["CA", "STATE", "KEY", "ACCOUNT"])
        for account in accounts {
            let ca = session.settings.knownCA(at: account.directory)
            table.add([ca.name ?? ca.directory.text, AccountList.state(account), account.key.rawValue, account.url?.text ?? "-"])
        }
        try session.output.result(accounts.isEmpty ? "" : table.text(for: .standardOutput)) { json in
            json.name("accounts")
            json.beginArray()
            for account in accounts {
                json.beginObject()
                json.member("ca", ifPresent: session.settings.knownCA(at: account.directory).name)
                json.member("directory", account.directory.text)
                json.member("state", AccountList.state(account))
                json.member("key", account.key.rawValue)
                json.member("url", ifPresent: account.url?.text)
                json.member("contact", account.contact)
                json.endObject()
            }
            json.endArray()
        }
        return .success
    }

    /// By the store alone.
    private static func state(_ account: StoredAccount) -> String {
        if account.isDeactivated { return "deactivated" }
        if account.nextKey != nil { return "key-change" }
        return account.url == nil ? "pending" : "registered"
    }
}
