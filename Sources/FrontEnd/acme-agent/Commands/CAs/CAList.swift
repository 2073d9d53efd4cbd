import ACME
import ArgumentParser
import CertificateStore
import Issuance
import StrictJSON

struct CAList: AgentCommand {
    static let stateUse = StateUse.none
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the CAs for --ca, and whether you have an account there.",
        discussion: """
            The configuration's [[ca]] parts come first, then the public CAs. EAB says whether an account needs an \
            external account (--eab). CAA is the CA's name in DNS records.

            Example: acme-agent ca list
            """)

    @OptionGroup var options: GlobalOptions

    func run(_ session: Session) async throws -> ExitStatus {
        let settings = session.settings
        // A directory without a name is in the list only if it is the default.
        let unnamed = settings.ca.name == nil ? [settings.ca] : []
        var entries: [Entry] = []
        for ca in unnamed + settings.cas.all.map({ settings.resolved($0) }) {
            var account: Entry.Account
            do throws(StoreError) { account = Entry.Account(try await session.store.account(at: ca.directory)) } catch {
                account = .damaged
                session.output.reportPart(Failure(error), of: ca.name ?? ca.directory.text)
            }
            entries.append(Entry(ca: ca, account: account, isDefault: ca.directory == settings.directory))
        }
        try session.output.result(CAList.table(entries).text(for: .standardOutput)) { json in
            json.name("cas")
            json.beginArray()
            for entry in entries { entry.write(to: &json) }
            json.endArray()
        }
        return entries.contains { $0.account == .damaged } ? .failed : .success
    }

    static func table(_ entries: [Entry]) -> TextTable {
        var table = TextTable(["NAME", "ACCOUNT", "EAB", "CAA", "DIRECTORY", "LIMITS"])
        for entry in entries {
            let limits = CAList.texts(entry.ca.limits)
            table.add([
                (entry.ca.name ?? "-") + (entry.isDefault ? " (default)" : ""), entry.account.rawValue, entry.externalAccount,
                entry.ca.issuerDomain ?? "-", entry.ca.directory.text, limits.isEmpty ? "-" : limits.joined(separator: ", "),
            ])
        }
        return table
    }

    /// One phrase for each limit.
    static func texts(_ limits: CALimits) -> [String] {
        func rate(_ rate: CALimits.Rate?, _ one: String, _ many: String) -> String? {
            rate.map { "\(Wording.count($0.count, one, plural: many)) in \(Wording.duration(seconds: $0.seconds))" }
        }
        return [
            rate(limits.orders, "order", "orders"),
            rate(limits.failedValidations, "failed validation of a name", "failed validations of a name"),
            rate(limits.identicalCertificates, "certificate for the same names", "certificates for the same names"),
            rate(limits.certificatesPerDomain, "certificate for a registered domain", "certificates for a registered domain"),
            limits.namesPerCertificate.map { Wording.count($0, "name") + " in a certificate" },
            limits.pendingAuthorizations.map { Wording.count($0, "pending authorization") },
        ].compactMap(\.self)
    }

    /// A CA as the list shows it.
    struct Entry {
        enum Account: String {
            case registered = "yes"
            case pending
            case deactivated
            case none = "-"
            case damaged

            init(_ stored: StoredAccount?) {
                guard let stored else {
                    self = .none
                    return
                }
                self = stored.isDeactivated ? .deactivated : stored.url == nil ? .pending : .registered
            }
        }

        var ca: ResolvedCA
        var account: Account
        var isDefault: Bool

        /// The credential that the configuration names, else whether one is needed, as far as that is known.
        var externalAccount: String {
            if let name = ca.settings.externalAccount { return name.rawValue }
            return ca.preset.map { $0.needsExternalAccount ? "needed" : "-" } ?? "?"
        }

        func write(to json: inout JSONWriter) {
            json.beginObject()
            json.member("name", ifPresent: ca.name)
            json.member("directory", ca.directory.text)
            json.member("stagingDirectory", ifPresent: ca.staging?.text)
            json.member("default", isDefault)
            json.member("account", account == .none ? "none" : account == .registered ? "registered" : account.rawValue)
            if let preset = ca.preset { json.member("externalAccountRequired", preset.needsExternalAccount) }
            json.member("externalAccount", ifPresent: ca.settings.externalAccount?.rawValue)
            json.member("issuerDomain", ifPresent: ca.issuerDomain)
            json.member("terms", ifPresent: ca.preset?.terms)
            json.name("rateLimits")
            json.beginObject()
            for (name, rate) in [
                ("orders", ca.limits.orders), ("failedValidations", ca.limits.failedValidations),
                ("identicalCertificates", ca.limits.identicalCertificates), ("certificatesPerDomain", ca.limits.certificatesPerDomain),
            ] {
                guard let rate else { continue }
                json.name(name)
                json.beginObject()
                json.member("count", Int64(rate.count))
                json.member("seconds", rate.seconds)
                json.endObject()
            }
            json.member("namesPerCertificate", ifPresent: ca.limits.namesPerCertificate.map { Int64($0) })
            json.member("pendingAuthorizations", ifPresent: ca.limits.pendingAuthorizations.map { Int64($0) })
            json.endObject()
            json.endObject()
        }
    }
}
