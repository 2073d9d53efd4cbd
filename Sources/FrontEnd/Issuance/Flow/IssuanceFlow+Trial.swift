import ACME
import ACMEClient
import CertificateStore

extension IssuanceFlow {
    /// Places an order and proves control of its names as for a certificate, then stops: nothing is finalized, so no key is
    /// needed and none is made. The CA forgets the order by itself (RFC 8555 §7.1.6). For a CA's staging environment, with
    /// a store of its own.
    /// - Throws: as `issue`. Challenges are cleaned up in every case, also those of an earlier trial that was killed.
    public func prove(_ request: IssuanceRequest) async throws {
        guard !request.identifiers.isEmpty else { throw IssuanceError.noIdentifiers }
        let lock = try await store.lock(request.name)
        defer { lock.release() }
        if let earlier = try await store.journal(named: request.name) { _ = await cleanUpLeftovers(of: earlier) }
        let keeper = JournalKeeper(
            store: store,
            journal: OrderJournal(
                name: request.name, directory: issuer.directory, identifiers: request.identifiers, profile: request.profile,
                accountKey: issuer.accountKey, account: issuer.account, started: time.unixTime()), installed: nil)
        try await keeper.write()
        do {
            let order = try await proven(try await place(request), request, isNew: true, keeper)
            if order.state == .failed { throw try await failure(of: order) }
        } catch {
            // What could not be removed stays noted for the next trial.
            if await keeper.journal.challengesToCleanUp.isEmpty { await forget(request.name) }
            throw error
        }
        await forget(request.name)
    }

    /// Also if this task is cancelled.
    private func forget(_ name: CertificateName) async {
        await Task {
            await store.withdraw(name)
            try? await store.removeJournal(named: name)
        }.value
    }
}
