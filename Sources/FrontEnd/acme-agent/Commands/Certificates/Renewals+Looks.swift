import ACME
import ACMEClient
import CertificateStore
import Issuance

/// What the CAs are asked about the certificates.
extension Renewals {
    // MARK: RFC 9773

    /// How long a CA may take to say when a certificate should be renewed.
    private static let lookPatience: Duration = .seconds(30)

    func look(at candidate: RenewalCandidate, within limit: Duration) async -> RenewalLook {
        guard let stored = progress.state.withLock({ $0.found[candidate.name]?.stored }), let certID = stored.certID else { return .none }
        // Only the CA that issued it knows it.
        guard let directory = stored.metadata.directory else { return .none }
        let memory = RememberedSettings(stateDirectory: session.settings.stateDirectory)
        let remembered = (try? memory.read(candidate.name))?.caCertificate
        return await withTaskGroup(of: RenewalLook.self) { group in
            group.addTask {
                do {
                    let client = try await progress.looks.client(for: directory, remembered, session)
                    guard let answer = try await client.renewalInformation(certID: certID) else { return .none }
                    return .window(answer.information, retryAfter: answer.retryAfter)
                } catch {
                    session.output.detail("\(candidate.name): the CA does not say when to renew it: \(error)")
                    guard case .transport(let failure)? = error as? ACMEClientError else { return .failed }
                    return failure.kind == .unreachable || failure.kind == .timeout ? .unreachable : .failed
                }
            }
            group.addTask {
                try? await Task.sleep(for: min(Self.lookPatience, limit))
                // One that was cut short says nothing about the CA.
                return limit < Self.lookPatience ? .failed : .unreachable
            }
            let first = await group.next() ?? .failed
            group.cancelAll()
            return first
        }
    }

    // MARK: Revocation lists

    /// How long a CA's lists may take in a round.
    private static let listsPatience: Duration = .seconds(45)

    private struct LateList: Error, CustomStringConvertible {
        var description: String { "it did not arrive within \(Renewals.listsPatience.components.seconds) s" }
    }

    func revocations(of candidates: [RenewalCandidate], seen: [RenewalRecord.SeenList?]) async throws -> [RevocationLook] {
        var looks = [RevocationLook](repeating: .none, count: candidates.count)
        guard session.settings.checksRevocationLists else { return looks }
        let found = progress.state.withLock { $0.found }
        let known = candidates.indices.compactMap { index in found[candidates[index].name]?.stored.map { (index, $0) } }
        guard let directory = known.first?.1.metadata.directory else { return looks }
        let end = ContinuousClock.now + Self.listsPatience
        let checks = RevocationChecks(patience: Self.listsPatience) { [looks = progress.looks] url in
            let transport = try await looks.transport(to: url, of: directory, session)
            return try await withThrowingTaskGroup(of: [UInt8].self) { group in
                group.addTask { try await transport.revocationList(at: url) }
                group.addTask {
                    try await Task.sleep(until: end, clock: .continuous)
                    throw LateList()
                }
                defer { group.cancelAll() }
                return try await group.next() ?? []
            }
        }
        let answers = try await checks.looks(at: known.map { .init(chain: $1.chain, seen: seen[$0]) })
        for ((index, stored), look) in zip(known, answers) {
            looks[index] = look
            await note(look, of: stored)
        }
        return looks
    }

    private func note(_ look: RevocationLook, of stored: StoredCertificate) async {
        switch look {
        case .none, .notRevoked: return
        case .postponed: session.output.detail("\(stored.name): its revocation list was not asked for; there was no time left")
        case .failed(let reason): session.output.detail("\(stored.name): its revocation list says nothing: \(reason)")
        case .revoked(let revocation, _):
            session.output.warning("\(stored.name): \(CertificateReport.sentence(revocation, now: Session.now)); it is replaced")
            await markIfCompromised(stored, revocation)
        }
    }

    /// Remembers that a key is compromised: no certificate is ordered for it again, here or under another name.
    func markIfCompromised(_ stored: StoredCertificate, _ revocation: RenewalRecord.Revocation) async {
        guard revocation.reason == .keyCompromise else { return }
        let key = stored.metadata.key
        do throws(StoreError) {
            guard try await !session.store.isCompromised(key.fingerprint) else { return }
            try await session.store.markCompromised(CompromisedKey(key: key, reported: Session.now))
        } catch {
            session.output.warning("\(stored.name): that its key is compromised could not be stored: \(error.message)")
        }
    }
}
