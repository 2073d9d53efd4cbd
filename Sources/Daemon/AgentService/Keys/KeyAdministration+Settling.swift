import AuditTrail
import JOSE
import Keyring
import NIOCore
import TokenProtocol
import TokenSupervisor

/// Interrupted work: keys whose creation was started and not finished.
extension KeyAdministration {
    /// Finishes what was interrupted with a token: a key that is in it gets its name, an entry without a key is
    /// removed.
    func reconcile(token: String) {
        for record in keyring.begun where record.token == token && !underWay.contains(record.name) {
            settle(record).assumeIsolated().whenFailure { error in
                self.logger.log(
                    .keyUnsettled, "the state of an unfinished key could not be determined",
                    [.key: record.name.rawValue, .error: KeyAdministration.text(error)])
                self.settleLater()
            }
        }
    }

    /// Looks again after a while, as long as something is unfinished.
    func settleLater() {
        guard !isSettlingScheduled, keyring.begun.contains(where: { !underWay.contains($0.name) }) else { return }
        isSettlingScheduled = true
        eventLoop.assumeIsolated().scheduleTask(in: settlingPause) {
            self.isSettlingScheduled = false
            self.settlingPause = min(self.settlingPause * 2, KeyAdministration.settlingPauses.longest)
            for name in self.tokens.names {
                // The other tokens are checked when they are ready.
                if case .ready = self.tokens[name]?.state { self.reconcile(token: name) }
            }
            self.settleLater()
        }
    }

    /// Finds out what became of an unfinished key. Afterwards its name is free, or belongs to the key.
    /// - Returns: Fails if that could not be found out or stored; then nothing has changed.
    func settle(_ record: KeyRecord) -> EventLoopFuture<Void> {
        underWay.insert(record.name)
        let ended = eventLoop.makePromise(of: Void.self)
        settling[record.name] = ended.futureResult
        let settled = made(record).assumeIsolated().flatMap { key -> EventLoopFuture<Void> in
            guard let key else { return self.free(record.name) }
            guard let pinned = try? PinnedKey(key, uri: KeyURI.text(label: key.reference.label, id: key.reference.id, self.state(record)))
            else { return self.free(record.name) }
            if let name = self.keyring.name(ofPublicKey: key.reference.spki) {
                self.logger.log(
                    .keyEntryDropped, "the entry of an unfinished key belongs to a key that has a name already; the entry is removed",
                    [.key: record.name.rawValue, .other: name.rawValue])
                return self.free(record.name)
            }
            var event = AuditRecord(.event)
            event.operation = "recover-key"
            event.key = record.name
            event.fingerprint = Hexadecimal.encode(pinned.publicKey.fingerprint)
            event.detail = "a key of an interrupted creation is in the token and got its name"
            do { _ = try self.audit.record(event) } catch { return self.eventLoop.makeFailedFuture(error) }
            return self.finish(SigningKey(pinned, of: record)).assumeIsolated().map { _ in
                self.logger.log(
                    .keyRecovered, "a key of an interrupted creation is in the token and gets its name", [.key: record.name.rawValue])
            }.nonisolated()
        }
        settled.whenComplete { result in
            self.underWay.remove(record.name)
            self.settling[record.name] = nil
            ended.completeWith(result)
        }
        return ended.futureResult
    }

    private func state(_ record: KeyRecord) -> TokenState { tokens[record.token]?.state ?? .stopped }

    /// What the token has of an unfinished key; nil if there is nothing, not even half of it.
    private func made(_ record: KeyRecord) -> EventLoopFuture<TokenKey?> {
        guard case .creating(.making(let id)) = record.state else {
            // A key that was to be adopted is in the token anyway; nothing is lost if its adoption is requested again.
            return eventLoop.makeSucceededFuture(nil)
        }
        guard let supervisor = tokens[record.token] else {
            return eventLoop.makeFailedFuture(KeyAdministration.notConfigured(record.token))
        }
        return supervisor.settle(label: record.name.rawValue, id: id).assumeIsolated().flatMapThrowing { key in
            if let key, !KeyAdministration.isOwn(key, record, id: id) { throw KeyAdministration.anotherKey }
            return key
        }.nonisolated()
    }
}
