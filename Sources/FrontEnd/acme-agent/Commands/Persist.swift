import ACME
import ArgumentParser
import Issuance
import StrictJSON

struct Persist: AgentCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show or set the DNS records with which your account proves names by dns-persist-01.",
        discussion: """
            The records stay: as long as they are there, `acme-agent issue --dns-persist` needs no other proof at a CA \
            that offers dns-persist-01. Anyone with the account key can then get certificates for these names.

            Example: acme-agent persist example.org --wildcard
            """)

    @Argument(help: ArgumentHelp("The names.", valueName: "name"))
    var names: [String]

    @Flag(help: "Also allow certificates for *.NAME.")
    var wildcard = false

    @Option(help: ArgumentHelp("Until when the CA may use the records: a date, or a time as in RFC 3339.", valueName: "time"))
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
        let key = try dnsKey.map { try AbsolutePath.of($0) }
        let updates =
            set
            ? try names.map {
                try Persist.updateSettings(for: $0, session.settings, server: dnsUpdate, keyFile: key, resolver: dnsResolver)
            } : []
        if !set,
            let option = [
                dnsUpdate.map { _ in "--dns-update" }, dnsKey.map { _ in "--dns-key" }, dnsResolver.map { _ in "--dns-resolver" },
            ]
            .compactMap(\.self).first
        {
            throw Failure.usage("\(option) has no effect without --set")
        }
        let asked = issuer, known = session.settings.knownCA(at: session.settings.directory).issuerDomain
        let (expectation, own) = try await session.withAccounts { flow, directory in
            var (expectation, offered) = try await flow.persistRecord(directory)
            let issuer = asked ?? offered.issuerDomainNames.first ?? known ?? offered.caaIdentities.first
            guard let issuer, DNSPersistRecord.isUsable(issuer: issuer) else {
                throw Failure.usage(
                    "the CA's name for dns-persist-01 is not known", hint: "its documentation has it: --issuer DOMAIN, as in CAA records")
            }
            expectation.issuers = [issuer]
            // A record with any name of the CA lets the account have certificates.
            var own = expectation
            let identities = offered.caaIdentities.map { ($0.hasSuffix(".") ? String($0.dropLast()) : $0).lowercased() }
            own.issuers += offered.issuerDomainNames + identities + [known].compactMap(\.self)
            return (expectation, own)
        }
        let records = names.map { (name: $0, record: expectation.record(for: $0, persistUntil: until)) }
        try await Interruption.cancelling(notice: {}) {
            for ((name, record), update) in zip(records, updates) {
                try Task.checkCancellation()
                try await DNSPersist.set(record, for: name, inPlaceOf: own, update)
                session.output.note("set \(DNSPersistRecord.name(for: name))")
            }
        }
        try session.output.result(records.map { $0.record.zoneFileLine(for: $0.name) }.joined(separator: "\n")) { json in
            DNSPersistRecord.writeMember(records, to: &json)
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
            throw .usage("\"\(TerminalText.safe(text, limit: 40))\" is not a time", hint: "--until 2027-12-31, or 2027-12-31T12:00:00Z")
        }
        guard seconds > now else { throw .usage("--until \(TerminalText.safe(text, limit: 40)) has passed") }
        return seconds
    }

    /// The options, and for what they do not say the configuration: that of the ways that answer for the name, or of its
    /// base if it is a wildcard; else the general one.
    static func updateSettings(
        for name: DNSName, _ settings: Settings, server: String?, keyFile: String?, resolver: String?
    ) throws(Failure) -> DNSUpdateSettings {
        let certificate = settings.certificate(named: name.text, given: CertificateSettings(), remembered: CertificateSettings())
        let base = (try? DNSName(name.base)).map { certificate.methods(for: .dns($0)) } ?? []
        let own = certificate.methods(for: .dns(name))
        // The record is its base's, whose part says more than the general settings.
        let isCovered = certificate.challengeRules.contains { $0.covers(.dns(name)) }
        let methods = (isCovered ? own + base : base + own) + (settings.certificate.challenges ?? [])
        let configured = methods.lazy.compactMap { if case .dnsUpdate(let found) = $0 { found } else { nil } }.first
        let looked = methods.lazy.compactMap { if case .dnsPersist(let found) = $0 { found } else { nil } }.first
        do throws(IssuanceError) {
            return try DNSUpdateSettings(
                server: server ?? configured?.serverText ?? DNSUpdateSettings.automatic, keyFile: keyFile ?? configured?.keyFile,
                resolver: resolver ?? configured?.resolverText ?? looked?.resolverText)
        } catch { throw .usage(error.description, hint: error.hint) }
    }
}

extension DNSPersistRecord {
    /// Member `records` of an object.
    static func writeMember(_ records: [(name: DNSName, record: DNSPersistRecord)], to json: inout JSONWriter) {
        json.name("records")
        json.beginArray()
        for (name, record) in records {
            json.beginObject()
            json.member("name", DNSPersistRecord.name(for: name))
            json.member("value", record.value)
            json.member("zoneFile", record.zoneFileLine(for: name))
            json.member("wildcard", record.isForWildcards)
            json.member("persistUntil", ifPresent: record.persistUntil.map { RFC3339.string($0) })
            json.endObject()
        }
        json.endArray()
    }
}
