import ACME
import ArgumentParser
import Issuance
import StrictJSON

struct Persist: AgentCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show or set the DNS records with which your account proves names by dns-persist-01.",
        discussion: """
            The records stay: as long as they are there, `acme-agent issue --dns-persist` needs no other proof at a CA \
            that offers dns-persist-01. Whoever has the account key can then have certificates for these names.

            Example: acme-agent persist example.org --wildcard
            """)

    @Argument(help: ArgumentHelp("The names.", valueName: "name"))
    var names: [String]

    @Flag(help: "Also allow certificates for *.NAME.")
    var wildcard = false

    @Option(help: ArgumentHelp("Until when the CA may use the records: a date, or a time as in RFC 3339.", valueName: "date"))
    var until: String?

    @Option(help: ArgumentHelp("The CA's name in the records. (default: what the CA's directory says)", valueName: "domain"))
    var issuer: String?

    @Flag(help: "Set the records by DNS updates (RFC 2136).")
    var set = false

    @Option(help: ArgumentHelp("With --set: update the zone at this server. (default: the zone's primary)", valueName: "server[:port]"))
    var dnsUpdate: String?

    @Option(help: ArgumentHelp("With --set: sign the updates with the TSIG key in this file.", valueName: "file"), completion: .file())
    var dnsKey: String?

    @Option(help: ArgumentHelp("With --set: ask this resolver for the zones. (default: those of /etc/resolv.conf)", valueName: "ip[:port]"))
    var dnsResolver: String?

    @OptionGroup var options: GlobalOptions

    func run(_ session: Session) async throws -> ExitStatus {
        let names = try wanted()
        let until = try until.map { text in try Persist.time(text, now: Session.now) }
        let update = set ? try updateSettings(session.settings.certificate) : nil
        if !set,
            let option = [
                dnsUpdate.map { _ in "--dns-update" }, dnsKey.map { _ in "--dns-key" }, dnsResolver.map { _ in "--dns-resolver" },
            ]
            .compactMap(\.self).first
        {
            throw Failure.usage("\(option) has no effect without --set")
        }
        let asked = issuer, known = session.settings.knownCA(at: session.settings.directory).issuerDomain
        let expectation = try await session.withAccounts { flow, directory in
            var (expectation, offered) = try await flow.persistRecord(directory)
            let issuer = asked ?? offered.issuerDomainNames.first ?? known ?? offered.caaIdentities.first
            guard let issuer, DNSPersistRecord.isUsable(issuer: issuer) else {
                throw Failure.usage(
                    "the CA's name for dns-persist-01 is not known", hint: "its documentation has it: --issuer DOMAIN, as in CAA records")
            }
            expectation.issuers = [issuer]
            return expectation
        }
        let records = names.map { (name: $0, record: expectation.record(for: $0, persistUntil: until)) }
        if let update {
            for (name, record) in records {
                try await DNSPersist.set(record, for: name, update)
                session.output.note("set \(DNSPersistRecord.name(for: name))")
            }
        }
        try session.output.result(records.map { $0.record.zoneFileLine(for: $0.name) }.joined(separator: "\n")) { json in
            json.name("records")
            json.beginArray()
            for (name, record) in records {
                json.beginObject()
                json.member("name", DNSPersistRecord.name(for: name))
                json.member("value", record.value)
                json.member("zoneFile", record.zoneFileLine(for: name))
                json.member("wildcard", record.isForWildcards)
                json.member("persistUntil", ifPresent: record.persistUntil)
                json.endObject()
            }
            json.endArray()
        }
        return .success
    }

    /// With `*.` where the record is to allow wildcards.
    private func wanted() throws -> [DNSName] {
        var wanted: [DNSName] = []
        for text in names {
            guard case .dns(let name) = try Identifier(argument: text) else {
                throw Failure.usage("dns-persist-01 is for names, not for the address \(TerminalText.safe(text, limit: 80))")
            }
            let covering = wildcard && !name.isWildcard ? try DNSName("*." + name.text) : name
            // One record for a name and its wildcard.
            if let index = wanted.firstIndex(where: { $0.base == covering.base }) {
                if covering.isWildcard { wanted[index] = covering }
            } else {
                wanted.append(covering)
            }
        }
        return wanted
    }

    /// The end of a day, or a time; it must not have passed.
    static func time(_ text: String, now: Int64) throws(Failure) -> Int64 {
        let isDay = text.utf8.count == "2027-01-31".utf8.count
        guard let seconds = RFC3339.seconds(isDay ? text + "T23:59:59Z" : text) else {
            throw .usage("\"\(TerminalText.safe(text, limit: 40))\" is not a date", hint: "--until 2027-12-31")
        }
        guard seconds > now else { throw .usage("--until \(TerminalText.safe(text, limit: 40)) has passed") }
        return seconds
    }

    /// The options, else the configuration's.
    private func updateSettings(_ configured: CertificateSettings) throws -> DNSUpdateSettings {
        if dnsUpdate == nil, dnsKey == nil, dnsResolver == nil {
            for case .dnsUpdate(let settings) in configured.challenges ?? [] { return settings }
        }
        do throws(IssuanceError) {
            return try DNSUpdateSettings(
                server: dnsUpdate ?? DNSUpdateSettings.automatic, keyFile: try dnsKeyPath(), resolver: dnsResolver)
        } catch { throw Failure.usage(error.description, hint: error.hint) }
    }

    private func dnsKeyPath() throws(IssuanceError) -> String? {
        guard let dnsKey else { return nil }
        do { return try AbsolutePath.of(dnsKey) } catch { throw .solver(nil, reason: "\(error)", hint: nil) }
    }
}
