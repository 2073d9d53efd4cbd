import ACME
import CertificateStore
import Crypto
import Issuance
import JOSE
import StrictJSON

/// A certificate as the commands show it.
struct CertificateReport: Sendable {
    enum State: String { case valid, due, expired, revoked, revokedByCA = "revoked-by-ca", notYetValid = "not-yet-valid" }

    /// Why it needs attention, the worst first.
    enum Concern: String {
        case revokedByCA = "revoked-by-ca"
        case keyCompromised = "key-compromised"
        case keyGone = "key-gone"
        case keyRetired = "key-retired"
        case expired
        case hookFailed = "hook-failed"
        /// No grant lets this user renew it.
        case notGranted = "not-granted"
        case overdue
        case revocationUnknown = "revocation-unknown"
        /// No ACME CA renews it, and it is time for another one.
        case requestDue = "request-due"

        /// In a table.
        var word: String {
            switch self {
            case .revokedByCA: "revoked by CA"
            case .keyCompromised: "key compromised"
            case .keyGone: "key gone"
            case .keyRetired: "key retired"
            case .expired: "expired"
            case .hookFailed: "hook failed"
            case .notGranted: "not granted"
            case .overdue: "overdue"
            case .revocationUnknown: "unchecked"
            case .requestDue: "request due"
            }
        }

        func sentence(_ report: CertificateReport) -> String {
            let name = report.certificate.name, metadata = report.certificate.metadata
            switch self {
            case .revokedByCA:
                let what = report.revocation.map { CertificateReport.sentence($0, now: report.now) } ?? "its CA has revoked it"
                return "\(what) (acme-agent renew \(name) replaces it)"
            case .keyCompromised:
                return "its key \"\(metadata.key.name)\" is compromised (acme-agent revoke \(name) --reason keyCompromise revokes it; "
                    + "acme-agent renew \(name) makes another key)"
            case .keyGone:
                return "the agent no longer has the key \"\(metadata.key.name)\" (acme-agent renew \(name) --new-key --force)"
            case .keyRetired:
                return "its key \"\(metadata.key.name)\" is retired (acme-agent renew \(name) makes another one)"
            case .expired: return "expired \(Wording.moment(metadata.notAfter, from: report.now))"
            case .hookFailed where metadata.directory == nil:
                return "its deploy hook failed or did not finish (acme-agent import \(name) FILE runs it again)"
            case .hookFailed: return "its deploy hook failed or did not finish (acme-agent renew \(name) runs it again)"
            case .notGranted:
                let lack = report.grantLack.map { "\($0.message) (\($0.hint))" } ?? ""
                return "its renewal would be refused: \(lack)"
            case .overdue:
                let due = report.renewal.map { Wording.moment($0, from: report.now) } ?? ""
                return "was due for renewal \(due), and expires \(Wording.moment(metadata.notAfter, from: report.now))"
            case .revocationUnknown:
                let failures = report.listFailures
                let since = failures.map { " since \(Wording.moment($0.first, from: report.now))" } ?? ""
                return "whether its CA has revoked it is not known\(since): \(TerminalText.safe(failures?.reason ?? "", limit: 300))"
            case .requestDue:
                return "expires \(Wording.moment(metadata.notAfter, from: report.now)), and no ACME CA renews it (acme-agent csr \(name) "
                    + "makes the request for another one, acme-agent import \(name) FILE takes what comes back)"
            }
        }
    }

    let certificate: StoredCertificate
    /// What is wrong with its key, by the store and by what the agent says, if known.
    enum KeyFault: String, Sendable { case compromised, gone, retired }
    var keyFault: KeyFault?
    /// What no grant of this user's allows of its renewal, if that is known.
    var grantLack: RenewalGrants.Lack?
    /// The CA's window for its renewal, if it is known.
    var window: RenewalRecord.Window?
    /// That its CA has revoked it, if that is known.
    private(set) var revocation: RenewalRecord.Revocation?
    private(set) var listFailures: RenewalRecord.ListFailures?
    /// The failed attempts to renew it, or to run its hooks, since the last that did not fail.
    private(set) var failures: [RenewalRecord.Failures] = []
    /// Unix seconds.
    let now: Int64

    init(_ certificate: StoredCertificate, now: Int64 = Session.now) {
        self.certificate = certificate
        self.now = now
    }

    /// A completed issuance; its hook has run, or there is none.
    init(_ outcome: IssuanceOutcome) {
        var certificate = outcome.certificate
        certificate.deployedGeneration = certificate.metadata.generation
        self.init(certificate)
    }

    /// Takes over what is remembered for the certificate's renewal. Of the record of the certificate before, only the
    /// failures of the present one's hook count, as long as it has not succeeded.
    mutating func take(_ record: RenewalRecord?) {
        let own = record?.serial == certificate.metadata.serial ? record : nil
        window = own?.window
        revocation = own?.revocation
        listFailures = own?.listFailures
        failures = (record?.failures ?? []).filter { $0.isDeployment ? !certificate.isDeployed : own != nil }
    }

    /// Why nobody looks whether its CA has revoked it, in a few words; `nil` if somebody does, or its CA has no lists.
    var unlooked: String? {
        guard !certificate.isRevoked else { return nil }
        if metadata.directory == nil { return "not looked at, since it was imported" }
        guard let places = RevocationChecks.unaskedPlaces(of: certificate.chain) else { return nil }
        let shown = places.first.map { " (\(TerminalText.safe($0, limit: 200)))" } ?? ""
        return "not looked at: none of its revocation lists is at an http or https URL\(shown)"
    }

    /// Seconds after which it is said that no revocation list could be used. One that is down for a while is no news.
    private static let longSilence: Int64 = 3 * 86_400

    /// `its CA revoked it 2 days ago (keyCompromise)`
    static func sentence(_ revocation: RenewalRecord.Revocation, now: Int64) -> String {
        "its CA revoked it \(Wording.moment(revocation.date, from: now))" + (revocation.reason.map { " (\($0.name))" } ?? "")
    }

    private var metadata: CertificateMetadata { certificate.metadata }
    private var renewalDue: Int64 { revocation.map { min($0.date, now) } ?? RenewalTiming(certificate).due(window) }
    /// When a timer renews it; `nil` for a revoked certificate, which no timer replaces.
    var renewal: Int64? { certificate.isRevoked ? nil : renewalDue }

    var state: State {
        if certificate.isRevoked { return .revoked }
        if revocation != nil { return .revokedByCA }
        if now > metadata.notAfter { return .expired }
        if now < metadata.notBefore { return .notYetValid }
        return now >= renewalDue ? .due : .valid
    }

    /// `nil` if there is nothing to do, or a timer does it.
    var concern: Concern? {
        if certificate.isRevoked { return nil }
        if revocation != nil { return .revokedByCA }
        switch keyFault {
        case .compromised?: return .keyCompromised
        case .gone?: return .keyGone
        case .retired?: return .keyRetired
        case nil: break
        }
        if now > metadata.notAfter { return .expired }
        if !certificate.isDeployed { return .hookFailed }
        if grantLack != nil { return .notGranted }
        if metadata.directory == nil, now >= renewalDue { return .requestDue }
        // Half of the time for renewing has passed: no timer renews it.
        if now > renewalDue &+ (metadata.notAfter &- renewalDue) / 2 { return .overdue }
        return listFailures.map { now &- $0.first > Self.longSilence } ?? false ? .revocationUnknown : nil
    }

    /// State and concern in a word or two, for a table.
    var word: String {
        if let concern { return concern.word }
        return state == .notYetValid ? "not yet valid" : state.rawValue
    }

    /// The remaining validity: `89 days`, `-3 days`.
    var left: String {
        let seconds = metadata.notAfter &- now
        guard seconds < 0 else { return Wording.largestUnit(seconds: seconds) }
        return "-" + Wording.largestUnit(seconds: 0 &- seconds)
    }

    /// SHA-256 of the certificate, lower-case hex.
    var fingerprint: String { Hexadecimal.encode(Array(SHA256.hash(data: certificate.chain.leafDER))) }
    var issuer: String { certificate.chain.leaf.issuer.description }
    private var keyAlgorithm: KeyAlgorithm? { certificate.keyAlgorithm }

    /// Every detail, for a person.
    var text: String {
        var list = FieldList()
        list.add("certificate", certificate.name.rawValue)
        list.add("names", metadata.identifiers.map(\.value))
        list.add("state", stateText)
        list.add("not before", RFC3339.string(metadata.notBefore))
        list.add("not after", "\(RFC3339.string(metadata.notAfter)) (\(Wording.moment(metadata.notAfter, from: now)))")
        list.add("renewal due", renewal.map { "\(RFC3339.string($0)) (\(Wording.moment($0, from: now)))" } as String?)
        list.add("failed attempts", failures.map { $0.line(from: now) })
        list.add("revocation", unlooked)
        list.add("issuer", issuer)
        list.add("chain", Wording.count(certificate.chain.certificates.count, "certificate"))
        list.add("serial", metadata.serial)
        list.add("SHA-256", fingerprint)
        list.add("key", "\(metadata.key.reference)" + (keyAlgorithm.map { " (\($0.rawValue), in the token)" } ?? ""))
        list.add("key URI", metadata.key.uri)
        list.add("key SHA-256", metadata.key.fingerprint)
        list.add("generation", String(metadata.generation))
        list.add("profile", metadata.profile)
        list.add("CA", metadata.directory?.text ?? "imported; renewed by no ACME CA")
        list.add("order", metadata.order?.text)
        list.add("files", certificate.folder)
        return list.text
    }

    private var stateText: String {
        let text =
            switch state {
            case .valid: "valid"
            case .due: "valid, and due for renewal"
            case .expired: "expired"
            case .revoked: "revoked"
            case .revokedByCA: "revoked by its CA"
            case .notYetValid: "not valid yet"
            }
        switch concern {
        case .revokedByCA?, .keyCompromised?, .keyGone?, .keyRetired?, .hookFailed?, .notGranted?, .overdue?, .requestDue?,
            .revocationUnknown?:
            return text + (concern.map { "; \($0.sentence(self))" } ?? "")
        case .expired?, nil: return text
        }
    }

    /// What `issue` and `renew` print.
    var brief: String {
        var list = FieldList()
        list.add("certificate", certificate.name.rawValue)
        list.add("names", Wording.list(metadata.identifiers, limit: 20))
        list.add("valid", "\(RFC3339.string(metadata.notBefore)) to \(RFC3339.string(metadata.notAfter))")
        list.add("issuer", issuer)
        list.add("key", "\(metadata.key.reference)" + (keyAlgorithm.map { " (\($0.rawValue), in the token)" } ?? ""))
        list.add("files", certificate.folder)
        return list.text
    }

    /// The certificate as a value.
    /// - Parameter withPEM: adds the chain.
    func write(to json: inout JSONWriter, withPEM: Bool = false) {
        json.beginObject()
        json.member("name", certificate.name.rawValue)
        json.name("identifiers")
        json.beginArray()
        for identifier in metadata.identifiers { identifier.write(to: &json) }
        json.endArray()
        json.member("state", state.rawValue)
        json.member("concern", ifPresent: concern?.rawValue)
        json.member("generation", metadata.generation)
        json.member("deployed", certificate.isDeployed)
        json.member("serial", metadata.serial)
        json.member("fingerprint", fingerprint)
        json.member("issuer", issuer)
        json.member("notBefore", RFC3339.string(metadata.notBefore))
        json.member("notAfter", RFC3339.string(metadata.notAfter))
        json.member("renewalDue", ifPresent: renewal.map { RFC3339.string($0) })
        if let revocation {
            json.name("revokedByCA")
            json.beginObject()
            json.member("date", RFC3339.string(revocation.date))
            json.member("reason", ifPresent: revocation.reason?.name)
            json.endObject()
        }
        if !failures.isEmpty {
            json.name("failedAttempts")
            json.beginArray()
            for failure in failures { failure.write(to: &json) }
            json.endArray()
        }
        json.member("revocationUnlooked", ifPresent: unlooked)
        json.member("installed", RFC3339.string(metadata.installed))
        json.name("keyDetails")
        json.beginObject()
        json.member("name", metadata.key.name.rawValue)
        json.member("reference", metadata.key.reference)
        json.member("uri", ifPresent: metadata.key.uri)
        json.member("fingerprint", metadata.key.fingerprint)
        json.member("algorithm", ifPresent: keyAlgorithm?.rawValue)
        json.endObject()
        json.member("directory", ifPresent: metadata.directory?.text)
        json.member("account", ifPresent: metadata.account?.text)
        json.member("order", ifPresent: metadata.order?.text)
        json.member("url", ifPresent: metadata.certificate?.text)
        json.member("profile", ifPresent: metadata.profile)
        json.member("folder", ifPresent: certificate.folder)
        if withPEM { json.member("pem", String(decoding: certificate.chain.fullChainPEM, as: UTF8.self)) }
        json.endObject()
    }
}

extension RenewalRecord.Failures {
    /// `3 at ca.example, the last one an hour ago (validation): …; the next one in 2 hours`
    fileprivate func line(from now: Int64) -> String {
        "\(count) at \(directory.host), the last one \(Wording.moment(last, from: now)) (\(FailureCause(self).rawValue)): "
            + "\(TerminalText.safe(reason, limit: 300)); the next one \(Wording.moment(next, from: now))"
    }

    /// Writes them as a value.
    fileprivate func write(to json: inout JSONWriter) {
        json.beginObject()
        json.member("directory", directory.text)
        json.member("failures", count)
        json.member("since", RFC3339.string(first))
        json.member("last", RFC3339.string(last))
        json.member("until", RFC3339.string(next))
        json.member("cause", FailureCause(self).rawValue)
        json.member("code", ifPresent: code)
        json.member("message", reason)
        json.endObject()
    }
}
