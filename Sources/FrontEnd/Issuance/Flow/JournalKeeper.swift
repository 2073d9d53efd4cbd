import CertificateStore

/// The journal of one run: recorded steps are durable before `record` returns.
///
/// Steps may be recorded concurrently, during requests to the CA or while a key is made. Writes are sequential, so that
/// each one contains the one before it.
actor JournalKeeper {
    private let store: any CertificateStore
    private(set) var journal: OrderJournal
    /// The certificate that was installed when the run started.
    nonisolated let installed: StoredCertificate?
    /// Whether this run or an earlier one sent a certificate request. If so, there may be a certificate, whatever the
    /// CA says about the order.
    private(set) var mayBeCertified: Bool
    /// The current or last write.
    private var lastWrite: Task<Result<Void, StoreError>, Never>?
    /// A queued write; it includes everything that is noted before it starts.
    private var waitingWrite: Task<Result<Void, StoreError>, Never>?

    init(store: any CertificateStore, journal: OrderJournal, installed: StoredCertificate? = nil, mayBeCertified: Bool = false) {
        self.store = store
        self.journal = journal
        self.installed = installed
        self.mayBeCertified = mayBeCertified
    }

    /// The certificate request was sent, or may have been.
    func noteFinalizeSent() { mayBeCertified = true }

    /// Records that the order has failed; if no certificate request was sent, also that there can be no certificate.
    func recordFailure() async throws(StoreError) {
        if !mayBeCertified { journal.withdrawFinalize() }
        try await record(.failed)
    }

    /// Adds steps in one write.
    func record(_ steps: [JournalStep]) async throws(StoreError) {
        guard !steps.isEmpty else { return }
        note(steps)
        try await write()
    }

    func record(_ step: JournalStep) async throws(StoreError) { try await record([step]) }

    /// Records that the key is about to be made.
    /// - Returns: Whether an earlier run had recorded it.
    func recordMakingKey() async throws(StoreError) -> Bool {
        let hasOrigin = journal.keyOrigin != nil
        try await record(.makingKey)
        return hasOrigin
    }

    /// Notes steps that need no separate write: if they are lost, repeating them does no harm.
    func note(_ steps: [JournalStep]) {
        for step in steps { journal.append(step) }
    }

    /// Writes the journal as it is when the write starts. A started write is completed even if the caller is cancelled.
    func write() async throws(StoreError) {
        if let waitingWrite { return try await waitingWrite.value.get() }
        let before = lastWrite
        let write = Task<Result<Void, StoreError>, Never> { [store] in
            _ = await before?.value
            waitingWrite = nil
            do throws(StoreError) {
                try await store.write(journal)
                return .success(())
            } catch {
                return .failure(error)
            }
        }
        lastWrite = write
        waitingWrite = write
        try await write.value.get()
    }

    /// Removes the journal unless it has an order.
    func removeUnlessOrdered() async throws(StoreError) {
        _ = await lastWrite?.value
        guard journal.order == nil else { return }
        try await store.removeJournal(named: journal.name)
    }

    /// Removes the journal of a failed order. If a challenge is left for the next run to clean up, the journal stays
    /// and says that the order failed.
    func removeUnlessPresented() async throws(StoreError) {
        _ = await lastWrite?.value
        guard journal.challengesToCleanUp.isEmpty else { return try await recordFailure() }
        try await store.removeJournal(named: journal.name)
    }
}
