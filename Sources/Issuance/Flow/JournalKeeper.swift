import CertificateStore

/// The journal of one run: what is recorded here is durable before `record` returns.
///
/// An actor because identifiers are worked on side by side, and each write must contain the one before it.
actor JournalKeeper {
    private let store: any CertificateStore
    private(set) var journal: OrderJournal

    init(store: any CertificateStore, journal: OrderJournal) {
        self.store = store
        self.journal = journal
    }

    /// Adds steps in one write.
    func record(_ steps: [JournalStep]) async throws(StoreError) {
        guard !steps.isEmpty else { return }
        var next = journal
        for step in steps { next.append(step) }
        try await store.write(next)
        journal = next
    }

    func record(_ step: JournalStep) async throws(StoreError) { try await record([step]) }

    /// Notes steps that need no write of their own: where they are lost, doing them again does no harm.
    func note(_ steps: [JournalStep]) {
        for step in steps { journal.append(step) }
    }

    /// Writes the journal as it is.
    func write() async throws(StoreError) { try await store.write(journal) }
}
