import ACME
import ACMEClient
import ArgumentParser
import CertificateStore
import StrictJSON

struct CAShow: AgentCommand {
    static let stateUse = StateUse.none
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show what a CA offers: profiles, terms, what it is called in DNS.",
        discussion: """
            It fetches the directory of the CA that --ca or --directory names, or of the default one. No account is \
            needed, and the agent is not asked.

            Example: acme-agent ca show --ca letsencrypt
            """)

    @OptionGroup var options: GlobalOptions

    func run(_ session: Session) async throws -> ExitStatus {
        let ca = session.settings.ca
        let directory = try await Interruption.cancelling(notice: {}) {
            try await session.withTransport(to: ca.directory) { transport in
                try await ACMEClient(directory: ca.directory, transport: transport).directory()
            }
        }
        let account: CAList.Entry.Account
        do throws(StoreError) { account = CAList.Entry.Account(try await session.store.account(at: ca.directory)) } catch {
            account = .damaged
        }
        let entry = CAList.Entry(ca: ca, account: account, isDefault: ca.directory == session.settings.directory)
        try session.output.result(CAShow.text(directory, entry).text(for: .standardOutput)) { json in
            json.name("ca")
            entry.write(to: &json)
            json.name("offers")
            CAShow.write(directory, to: &json)
        }
        return .success
    }

    static func text(_ directory: Directory, _ entry: CAList.Entry) -> FieldList {
        var list = FieldList()
        list.add("CA", entry.ca.name)
        list.add("directory", entry.ca.directory.text)
        list.add("staging", entry.ca.staging?.text)
        list.add("account", entry.account == .none ? "none" : entry.account.rawValue)
        list.add("website", directory.website)
        list.add("terms", directory.termsOfService)
        list.add("external account", directory.externalAccountRequired ? "needed (--eab)" : "not needed")
        list.add("name in CAA", directory.caaIdentities)
        list.add("name in dns-persist-01", directory.issuerDomainNames)
        list.add("renewal windows", directory.renewalInfo == nil ? "no" : "yes (RFC 9773)")
        let lacks = [directory.revokeCert == nil ? "revocation" : nil, directory.keyChange == nil ? "account rollover" : nil]
        list.add("lacks", lacks.compactMap(\.self))
        list.add("limits", CAList.texts(entry.ca.limits))
        let profiles = directory.profiles.sorted { $0.key < $1.key }
        list.add("profiles", profiles.isEmpty ? ["none"] : profiles.map { $0.value.isEmpty ? $0.key : "\($0.key): \($0.value)" })
        return list
    }

    static func write(_ directory: Directory, to json: inout JSONWriter) {
        json.beginObject()
        json.member("website", ifPresent: directory.website)
        json.member("terms", ifPresent: directory.termsOfService)
        json.member("externalAccountRequired", directory.externalAccountRequired)
        json.member("caaIdentities", directory.caaIdentities)
        json.member("issuerDomainNames", directory.issuerDomainNames)
        json.member("renewalInformation", directory.renewalInfo != nil)
        json.member("revocation", directory.revokeCert != nil)
        json.member("keyChange", directory.keyChange != nil)
        json.name("profiles")
        json.beginArray()
        for (name, description) in directory.profiles.sorted(by: { $0.key < $1.key }) {
            json.beginObject()
            json.member("name", name)
            json.member("description", description)
            json.endObject()
        }
        json.endArray()
        json.endObject()
    }
}
