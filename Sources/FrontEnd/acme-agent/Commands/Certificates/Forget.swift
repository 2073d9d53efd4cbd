import ArgumentParser
import CertificateStore
import Issuance

struct Forget: AgentCommand {
    static let configuration = CommandConfiguration(
        abstract: "Remove a certificate, or an interrupted order, from what is kept here.",
        discussion: "Nothing is said to the CA: a certificate that was not revoked stays valid. Its key stays in the token.")

    @Argument(help: ArgumentHelp("The certificate's name.", valueName: "name"), completion: .custom(CertificateNameCompletion.names))
    var name: String

    @Flag(help: "Do not ask.")
    var yes = false

    @OptionGroup var options: GlobalOptions

    func run(_ session: Session) async throws -> ExitStatus {
        let name = try CertificateName(argument: name)
        let store = session.store
        let certificate = try await store.certificate(named: name), journal = try await store.journal(named: name)
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
}
