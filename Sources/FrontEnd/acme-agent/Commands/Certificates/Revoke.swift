import ACME
import ACMEClient
import ArgumentParser
import CertificateStore
import Issuance

struct Revoke: AgentCommand {
    static let configuration = CommandConfiguration(
        abstract: "Revoke a certificate.",
        discussion: """
            This cannot be undone. Certificate and key stay where they are. With --reason keyCompromise the key is \
            retired first, and no certificate is ordered for it again. On a terminal the command asks first; elsewhere \
            it does not. --serial names an earlier certificate of that name that is still valid.

            Example: acme-agent revoke www.example.org --reason superseded
            """)

    @Argument(help: ArgumentHelp("The certificate's name.", valueName: "name"), completion: .custom(CertificateNameCompletion.names))
    var name: String

    @Option(
        help: ArgumentHelp("The reason, by RFC 5280's name or number, e.g. keyCompromise or superseded.", valueName: "reason"),
        completion: .list(RevocationReason.allCases.map(\.name)))
    var reason: String?

    @Option(
        help: ArgumentHelp(
            "Revoke the certificate with this serial number, an earlier one that is still valid. (default: the current one)",
            valueName: "hex"))
    var serial: String?

    @Flag(help: "Sign with the certificate's own key instead of the account's.")
    var byCertificateKey = false

    @Flag(help: "Do not ask.")
    var yes = false

    @OptionGroup var options: GlobalOptions

    func run(_ session: Session) async throws -> ExitStatus {
        let name = try session.certificateName(argument: name)
        let reason = try reason.map { text in
            guard let reason = RevocationReason(argument: text) else {
                let all = RevocationReason.allCases.map(\.name).joined(separator: ", ")
                throw Failure.usage("\"\(TerminalText.safe(text, limit: 40))\" is not a revocation reason", hint: "reasons: \(all)")
            }
            return reason
        }
        let found = try await IssuanceFlow.revocable(name, reason: reason, serial: serial, in: session.store, at: Session.now)
        guard let stored = found else {
            throw IssuanceError.notFound(name)
        }
        try session.confirm(
            "permanently revoke certificate \(name), serial \(stored.metadata.serial)", yes: yes || !session.canAsk)
        let sharing = reason == .keyCompromise ? try await Revoke.sharing(stored, session.store) : []
        if let first = sharing.first {
            let isOne = sharing.count == 1
            session.output.warning(
                "\(Wording.list(sharing.map(\.rawValue), limit: .max)) \(isOne ? "has" : "have") the same key, which is compromised",
                hint: "acme-agent revoke \(isOne ? first.rawValue : "NAME") --reason keyCompromise" + (isOne ? "" : ", for each of them"))
        }
        guard let directory = session.settings.isDirectoryGiven ? session.settings.directory : stored.metadata.directory else {
            throw Failure(
                "not-acme", .usage, "no ACME CA issued \(name): it was imported; nothing was revoked",
                hint: "ask its CA to revoke the serial number \(stored.metadata.serial)")
        }
        let display = ProgressDisplay(session.output)
        var settings = CertificateSettings()
        settings.caCertificate = (try? RememberedSettings(stateDirectory: session.settings.stateDirectory).read(name))?.caCertificate
        let key = byCertificateKey ? stored.metadata.key.name : nil
        do {
            try await session.followed(display) { [settings, serial] _ in
                let keys = try await session.keys()
                try await session.withFlow(at: directory, keys: keys, settings, display, revokingBy: key) {
                    try await $0.revoke(name, reason: reason, serial: serial, byCertificateKey: key != nil)
                }
            }
        } catch {
            // The key is retired before the CA is asked.
            if reason == .keyCompromise, let key = try? await session.agent().key(named: stored.metadata.key.name),
                key.state == .retired, key.fingerprint == stored.metadata.key.fingerprint
            {
                await warnOfServers(stored, session)
            }
            guard !byCertificateKey else { throw error }
            let account = try? await session.store.account(at: directory)
            let again =
                "acme-agent revoke \(name) --by-certificate-key" + (serial == nil ? "" : " --serial \(stored.metadata.serial)")
                + (reason.map { " --reason \($0.name)" } ?? "")
            throw Revoke.failure(error, again: again, orderedBy: stored.metadata.account, account: account?.url)
        }
        if reason == .keyCompromise { await warnOfServers(stored, session) }
        try session.output.result("revoked \(name), serial \(stored.metadata.serial)" + (reason.map { " (\($0.name))" } ?? "")) { json in
            json.name("revoked")
            json.beginObject()
            json.member("name", name.rawValue)
            json.member("serial", stored.metadata.serial)
            json.member("generation", stored.metadata.generation)
            json.member("reason", ifPresent: reason?.name)
            json.member("signedBy", byCertificateKey ? "certificate" : "account")
            if !sharing.isEmpty { json.member("sameKey", sharing.map(\.rawValue)) }
            json.endObject()
        }
        return .success
    }

    /// Says what servers do without the key, and how they get another one.
    private func warnOfServers(_ certificate: StoredCertificate, _ session: Session) async {
        // A key that could not be retired still signs; a warning has said so.
        if let key = try? await session.agent().key(named: certificate.metadata.key.name), key.state == .active { return }
        let current = try? await session.store.certificate(named: certificate.name)
        if let current, current.metadata.key.fingerprint != certificate.metadata.key.fingerprint {
            return session.output.warning(
                "servers that still use the key \(certificate.metadata.key.name) fail, until they have loaded the current certificate",
                hint: "it has another key: run its deploy hook, or reload the servers")
        }
        let names = certificate.metadata.identifiers.map { "-d \(GivenOptions.quoted($0.value))" }.joined(separator: " ")
        let isFirst = certificate.metadata.identifiers.first.map { CertificateName($0) == certificate.name } ?? false
        let name = isFirst ? "" : " --name \(GivenOptions.quoted(certificate.name.rawValue))"
        session.output.warning(
            "servers that use the key \(certificate.metadata.key.name) fail from now on, until they have loaded another certificate",
            hint:
                "acme-agent issue \(names)\(name) makes another key and certificate; then its deploy hook, or you, must reload the servers")
    }

    /// The other certificates with the same key that are not revoked. One that cannot be read is reported by `list`.
    private static func sharing(_ certificate: StoredCertificate, _ store: FolderStore) async throws -> [CertificateName] {
        var names: [CertificateName] = []
        for name in try await store.certificateNames() where name != certificate.name {
            guard let other = try? await store.certificate(named: name), !other.isRevoked else { continue }
            if other.metadata.key.fingerprint == certificate.metadata.key.fingerprint { names.append(name) }
        }
        return names
    }

    /// Why the account could not revoke the certificate, with the alternative if there is one: an account may revoke
    /// the certificates that it ordered, and a certificate's own key needs no account (RFC 8555 §7.6).
    /// - Parameters:
    ///   - again: the command that signs with the certificate's key.
    ///   - account: the account that asked; `nil` if there is none.
    static func failure(_ error: any Error, again: String, orderedBy owner: ACMEURL?, account: ACMEURL?) -> any Error {
        let isOthers = owner.map { $0 != account } ?? false
        let reason: String
        switch error {
        case let error as ACMEClientError where error.problem != nil && isOthers && !error.isOutage && error.problem?.kind != .rateLimited:
            reason = "another account ordered this certificate"
        case let error as ACMEClientError where error.problem?.kind == .unauthorized:
            reason = "the certificate may belong to another account"
        case IssuanceError.noAccount, IssuanceError.keyMissing, IssuanceError.accountClosed:
            reason = "this needs no account"
        default: return error
        }
        var failure = Failure(error)
        failure.hint = "\(reason); the certificate's own key can revoke it: \(again)"
        return failure
    }
}
