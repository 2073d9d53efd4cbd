import ArgumentParser
import CertificateStore
import Issuance

struct Forget: AgentCommand {
    static let configuration = CommandConfiguration(
        abstract: "Remove a certificate, or an interrupted order, from what is kept here.",
        discussion: "Nothing is said to the CA: a certificate that was not revoked stays valid. Its key stays in the token.")

    @Argument(help: ArgumentHelp("The certificate's name.", valueName: "name"), completion: .custom(CertificateNameCompletion.names))
    var name: String

    @Flag(help: "The interrupted or failed order alone: a certificate stays.")
    var order = false

    @Flag(help: "Do not ask.")
    var yes = false

    @OptionGroup var options: GlobalOptions

    func run(_ session: Session) async throws -> ExitStatus {
        let name = try CertificateName(argument: name)
        let store = session.store
        let certificate = try await store.certificate(named: name), journal = try await store.journal(named: name)
        if order { return try await forgetOrder(of: name, certificate, journal, session) }
        guard certificate != nil || journal != nil else { throw IssuanceError.notFound(name) }
        try session.confirm("forget \(certificate == nil ? "the interrupted order for" : "certificate") \(name)", yes: yes)
        let lock = try await store.lock(name)
        defer { lock.release() }
        try await store.removeJournal(named: name)
        if certificate != nil { try await store.removeCertificate(named: name) }
        try RememberedSettings(stateDirectory: session.settings.stateDirectory).forget(name)
        let keys = Set([certificate?.metadata.key.name, journal?.key].compactMap(\.self)).sorted().map(\.rawValue)
        let stay = keys.isEmpty ? "" : "; in the token stays \(keys.joined(separator: " and ")) (acme-agent keys delete NAME)"
        try session.output.result("forgot \(name)\(stay)") { json in
            json.member("forgotten", name.rawValue)
            json.member("keys", keys)
        }
        return .success
    }

    /// Removes the journal alone. The settings stay where there is a certificate that they are for.
    private func forgetOrder(
        of name: CertificateName, _ certificate: StoredCertificate?, _ journal: OrderJournal?, _ session: Session
    ) async throws -> ExitStatus {
        guard let journal else {
            throw Failure("order-not-found", .failed, "there is no interrupted or failed order for \(name)", hint: "acme-agent list")
        }
        try session.confirm("forget the order for \(name)", yes: yes)
        let lock = try await session.store.lock(name)
        defer { lock.release() }
        try await session.store.removeJournal(named: name)
        if certificate == nil {
            await session.store.withdraw(name)
            try RememberedSettings(stateDirectory: session.settings.stateDirectory).forget(name)
        }
        let keys = [journal.key].compactMap(\.self).filter { $0 != certificate?.metadata.key.name }.map(\.rawValue)
        let stay = keys.isEmpty ? "" : "; in the token stays \(keys.joined()) (acme-agent keys delete NAME)"
        try session.output.result("forgot the order for \(name)\(stay)") { json in
            json.member("forgotten", name.rawValue)
            json.member("keys", keys)
        }
        return .success
    }
}
