import CertificateStore

/// The journal of one run: what is recorded here is durable before `record` returns.
///
/// Steps may be recorded side by side, while the CA is asked something or a key is made. They are written one after another, so that each write
/// contains the one before it.
actor JournalKeeper {
    private let store: any CertificateStore
    private(set) var journal: OrderJournal
    /// What was installed when the run began.
    nonisolated let installed: StoredCertificate?
    /// Whether a certificate request was sent by this run or an earlier one: then there may be a certificate, whatever the CA says of the order.
    private(set) var mayBeCertified: Bool
    /// The write that is under way or was the last.
    private var lastWrite: Task<Result<Void, StoreError>, Never>?
    /// The last one while its turn has not come: it writes what is noted until then.
    private var waitingWrite: Task<Result<Void, StoreError>, Never>?

    init(store: any CertificateStore, journal: OrderJournal, installed: StoredCertificate? = nil, mayBeCertified: Bool = false) {
        self.store = store
        self.journal = journal
        self.installed = installed
        self.mayBeCertified = mayBeCertified
    }

    /// The certificate request is sent, or may have been.
    func noteFinalizeSent() { mayBeCertified = true }

    /// Adds steps in one write.
    func record(_ steps: [JournalStep]) async throws(StoreError) {
        guard !steps.isEmpty else { return }
        note(steps)
        try await write()
    }

    func record(_ step: JournalStep) async throws(StoreError) { try await record([step]) }

    /// Says that the key is about to be made.
    /// - Returns: Whether an earlier run had said so.
    func recordMakingKey() async throws(StoreError) -> Bool {
        let hasOrigin = journal.keyOrigin != nil
        try await record(.makingKey)
        return hasOrigin
    }

    /// Notes steps that need no write of their own: where they are lost, doing them again does no harm.
    func note(_ steps: [JournalStep]) {
        for step in steps { journal.append(step) }
    }

    /// Writes the journal as it is when its turn comes. A write that has begun is finished, also where the caller is cancelled.
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

    /// Removes the journal, unless there is an order in it.
    func removeUnlessOrdered() async throws(StoreError) {
        _ = await lastWrite?.value
        guard journal.order == nil else { return }
        try await store.removeJournal(named: journal.name)
    }

    /// Removes the journal of an order that failed. Where something is left that the next run has to take down, the journal stays, and says that
    /// the order failed.
    func removeUnlessPresented() async throws(StoreError) {
        _ = await lastWrite?.value
        guard journal.challengesToCleanUp.isEmpty else { return try await record(.failed) }
        try await store.removeJournal(named: journal.name)
    }
}
