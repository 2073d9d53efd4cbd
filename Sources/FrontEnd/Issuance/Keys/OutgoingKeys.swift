import ACME
import ACMEClient
import CertificateStore

/// The keys that new ones have replaced. A server serves with the old key until it has loaded the new certificate, so a
/// replaced key is retired or deleted only after a grace period, by a later run.
public struct OutgoingKeys: Sendable {
    let store: any CertificateStore
    let keys: any KeyProvider
    let time: any Timekeeping
    let observer: IssuanceObserver

    public init(
        store: any CertificateStore, keys: any KeyProvider, time: any Timekeeping = SystemTime(),
        observer: @escaping IssuanceObserver = { _ in }
    ) {
        self.store = store
        self.keys = keys
        self.time = time
        self.observer = observer
    }

    /// The recorded keys whose time has come.
    /// - Throws: `StoreError` if the folder cannot be read. A damaged record is reported as a warning.
    public static func due(
        in store: any CertificateStore, at now: Int64, observer: IssuanceObserver
    ) async throws(StoreError) -> [OutgoingKey] {
        try await store.outgoingKeys { observer(.warning("a replaced key is not retired, because its record cannot be read: \($0)")) }
            .filter { $0.due <= now }
    }

    /// How long a key is tried again that the agent does not show or end, in seconds: a grant may be off for a while.
    private static let patience: Int64 = 7 * 86_400

    /// Retires or deletes the key of a record whose time has come, and removes the record. If that fails, a warning
    /// says so, and the record stays for the next run, for some days.
    public func settle(_ outgoing: OutgoingKey) async {
        let name = outgoing.key.name
        do {
            let lock = try await store.lock(outgoing.certificate)
            defer { lock.release() }
            if try await isSettled(outgoing) { try await store.removeOutgoing(outgoing.key.fingerprint) }
        } catch let error as StoreError where error.reason == .locked {
            // The run that holds the lock, or the next one, finds the record.
        } catch {
            let isGivenUp = time.unixTime() - outgoing.due > Self.patience
            observer(
                .warning(
                    "the old key \"\(name)\" could not be \(outgoing.fate.participle): \(error)"
                        + (isGivenUp ? "; it stays active: acme-agent keys \(outgoing.fate.rawValue) \(name)" : "")))
            if isGivenUp { try? await store.removeOutgoing(outgoing.key.fingerprint) }
        }
    }

    /// Ends the key, unless it is needed again.
    /// - Returns: Whether the record has done its duty.
    private func isSettled(_ outgoing: OutgoingKey) async throws -> Bool {
        guard let key = try await keys.key(named: outgoing.key.name) else {
            // It is gone, or the grant that shows it is off.
            return time.unixTime() - outgoing.due > Self.patience
        }
        // Another key may have got its name.
        guard key.fingerprint == outgoing.key.fingerprint else { return true }
        return try await end(key, outgoing.fate, besides: nil)
    }

    /// Lets a replaced key go: after the grace period, or at once if there is none or if others may have the key.
    /// - Throws: `StoreError` if the record cannot be written: without it the key would never be retired.
    func replaced(_ key: ManagedKey, of certificate: CertificateName, _ fate: OutgoingKey.Fate, grace: Duration) async throws {
        if grace > .zero, !key.isRetired, try await !store.isCompromised(key.fingerprint) {
            guard try await isUnused(key.name, besides: certificate) else { return }
            let due = time.unixTime() + grace.components.seconds
            try await store.markOutgoing(
                OutgoingKey(
                    key: KeyReference(name: key.name, uri: key.uri, fingerprint: key.fingerprint), certificate: certificate, fate: fate,
                    due: due))
            observer(.keyOutgoing(name: key.name, fate: fate, due: due))
        } else {
            do { _ = try await end(key, fate, besides: certificate) } catch let error as StoreError { throw error } catch {
                observer(.warning("the old key \"\(key.name)\" could not be \(fate.participle): \(error)"))
            }
        }
    }

    /// - Parameter certificate: One that does not count as a user of the key.
    /// - Returns: `false` if the key stays because something that cannot be read may need it.
    private func end(_ key: ManagedKey, _ fate: OutgoingKey.Fate, besides certificate: CertificateName?) async throws -> Bool {
        guard try await isUnused(key.name, besides: certificate) else {
            let use = try await KeyUse(key.name, in: store, besides: certificate)
            return !(use.certificates.isEmpty && use.orders.isEmpty && use.accounts.isEmpty)
        }
        switch fate {
        case .retire where key.isRetired: break
        case .retire:
            try await keys.retireKey(named: key.name)
            observer(.keyRetired(name: key.name))
        case .delete:
            try await keys.deleteKey(named: key.name)
            observer(.keyDeleted(name: key.name))
        }
        return true
    }

    private func isUnused(_ name: KeyName, besides certificate: CertificateName?) async throws -> Bool {
        let users = try await KeyUse(name, in: store, besides: certificate).users
        guard !users.isEmpty else { return true }
        observer(.warning("the old key \"\(name)\" is kept: it is the key of \(users.joined(separator: ", "))"))
        return false
    }
}

extension OutgoingKey.Fate {
    /// For sentences: "the key is retired".
    public var participle: String {
        switch self {
        case .retire: "retired"
        case .delete: "deleted"
        }
    }
}
