import ACME
import AgentClient
import AgentInterface
import ArgumentParser
import CertificateStore
import Issuance

struct Forget: AgentCommand {
    static let configuration = CommandConfiguration(
        abstract: "Remove a stored certificate, or an interrupted order.",
        discussion: """
            The CA is not told: a certificate that was not revoked stays valid. Its key stays in the token.

            Example: acme-agent forget --order www.example.org
            """)

    @Argument(help: ArgumentHelp("The certificate's name.", valueName: "name"), completion: .custom(CertificateNameCompletion.names))
    var name: String

    @Flag(help: "Remove only the interrupted or failed order or, if there is none, the request of `acme-agent csr`; keep a certificate.")
    var order = false

    @Flag(help: "Do not ask.")
    var yes = false

    @OptionGroup var options: GlobalOptions

    func run(_ session: Session) async throws -> ExitStatus {
        let name = try session.certificateName(argument: name)
        let store = session.store, memory = RememberedSettings(stateDirectory: session.settings.stateDirectory)
        let traces = store.traces(of: name)
        guard traces.order || traces.request || !order else {
            throw Failure("order-not-found", .failed, "there is no interrupted or failed order for \(name)", hint: "acme-agent list")
        }
        guard traces.certificate || traces.order || traces.request || memory.isKept(name) else { throw IssuanceError.notFound(name) }
        // Without a certificate an order's settings are no longer needed.
        let isWhole = !order || !(traces.isInstalled || traces.order && traces.request)
        // With --order one thing goes: a request may have been sent to its CA long ago.
        let goesOrder = traces.order || !order, goesRequest = !order || !traces.order
        let parts = [traces.order && goesOrder ? "order" : nil, traces.request && goesRequest ? "request" : nil].compactMap(\.self)
        let what = (parts.isEmpty ? "order" : parts.joined(separator: " and the "))
        let isCertificate = isWhole && traces.isInstalled
        try session.confirm(
            isCertificate ? "forget certificate \(name)\(parts.isEmpty ? "" : ", with the \(what)")" : "forget the \(what) for \(name)",
            yes: yes)
        let lock = try await store.lock(name)
        defer { lock.release() }
        let keys = await keys(of: name, isWhole: isWhole, goesOrder: goesOrder, goesRequest: goesRequest, session)
        // The settings go last: as long as they exist, the next run can complete an interrupted removal.
        if goesOrder { try await store.removeJournal(named: name) }
        if goesRequest { try await store.removeAwaited(named: name) }
        if isWhole {
            if store.traces(of: name).certificate { try await store.removeCertificate(named: name) }
            try await store.removeRenewalRecord(named: name)
            try HookRecord.forget(name, stateDirectory: session.settings.stateDirectory)
            try memory.forget(name)
        }
        let stay = keys.isEmpty ? "" : "; still in the token: \(keys.joined(separator: " and ")) (acme-agent keys delete NAME)"
        try session.output.result("forgot \(order ? "the \(what) for " : "")\(name)\(stay)") { json in
            json.member("forgotten", name.rawValue)
            json.member("keys", keys)
        }
        return .success
    }

    /// The keys that stay in the token, as far as the stored files can be read: those that the agent has, or all if it
    /// does not answer.
    private func keys(of name: CertificateName, isWhole: Bool, goesOrder: Bool, goesRequest: Bool, _ session: Session) async -> [String] {
        let store = session.store
        let current = (try? await store.certificate(named: name))?.metadata.key.name
        // The order's key may be the certificate's, which still uses it.
        let ordered = [
            goesOrder ? (try? await store.journal(named: name))?.key : nil,
            goesRequest ? (try? await store.awaited(named: name))?.key : nil,
        ]
        var named = Set(([current] + ordered).compactMap(\.self))
        if isWhole { named.formUnion(store.keyNames(of: name)) } else if let current { named.remove(current) }
        // Generations that are no longer stored had keys, too.
        let earlier = isWhole ? current.map { CertificateKeyName.all(for: name, through: $0) } ?? [] : []
        guard !(named.isEmpty && earlier.isEmpty), let agent = try? await session.agent() else { return named.map(\.rawValue).sorted() }
        var there: [String] = []
        for key in named.union(earlier).sorted() {
            do {
                let isCertificates = try await agent.key(named: key).usage == .certificate
                // A name alone does not say whose key it is.
                if !named.contains(key) {
                    guard isCertificates, try await KeyUse(key, in: store, besides: name).users.isEmpty else { continue }
                }
            } catch AgentError.keyNotFound {
                continue
            } catch {
                guard named.contains(key) else { continue }
            }
            there.append(key.rawValue)
        }
        return there
    }
}
