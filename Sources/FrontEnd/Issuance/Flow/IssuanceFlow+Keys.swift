import ACME
import CertificateStore
import JOSE

/// The key that a certificate will use.
struct KeyPlan: Sendable {
    var name: KeyName
    /// Whether it is made for this order; an earlier run may already have made it.
    var isNew: Bool
    /// Whether the agent has just said that it has no key of that name.
    var isKnownMissing = false
    /// The installed certificate's key, if another one replaces it.
    var replaced: KeyName?
    /// The earlier run's step that shows that it made the key, or was about to.
    var origin: JournalStep?

    /// The journal's first steps. They include the replaced key, so that the run that installs the certificate can
    /// retire it.
    var steps: [JournalStep] {
        let intent = JournalStep.intentKey(name: name, isNew: isNew)
        let old = replaced.map { [JournalStep.intentKey(name: $0, isNew: false)] } ?? []
        return old + [intent] + (origin.map { [$0] } ?? [])
    }
}

extension IssuanceFlow {
    /// How many names are tried for a new key; each may be taken by another certificate's key.
    private static let maximumNames = 100

    func planKey(_ request: IssuanceRequest, stored: StoredCertificate?, earlier: OrderJournal?) async throws -> KeyPlan {
        let current = stored?.metadata.key.name
        try await refuseUselessWishes(request, current: current, earlier: earlier)
        if let plan = try await planFromEarlier(request, current: current, earlier: earlier) { return plan }
        if let wanted = request.key, !(request.newKey && wanted == current) {
            let exists = try await keys.key(named: wanted) != nil
            return KeyPlan(
                name: wanted, isNew: !exists, isKnownMissing: !exists, replaced: current.flatMap { $0 == wanted ? nil : $0 })
        }
        if let current, !request.newKey {
            // A missing key is reported when it is needed, not replaced: a grant may be off.
            guard let key = try await keys.key(named: current) else { return KeyPlan(name: current, isNew: false) }
            if try await isUsable(key) { return KeyPlan(name: current, isNew: false) }
        }
        var name = try current.map { try CertificateKeyName.next(after: $0) } ?? CertificateKeyName.first(for: request.name)
        for _ in 0..<Self.maximumNames {
            guard let key = try await keys.key(named: name) else {
                return KeyPlan(name: name, isNew: true, isKnownMissing: true, replaced: current)
            }
            // A key of this name without a certificate: it was made for this purpose, or the store was lost.
            if current == nil, key.algorithm == request.keyAlgorithm, try await isUsable(key) { return KeyPlan(name: name, isNew: false) }
            name = try CertificateKeyName.next(after: name)
        }
        throw IssuanceError.unexpectedAnswer("no name is free for a new key after \"\(name)\"; choose one with --key")
    }

    /// Whether certificates may be ordered for a key: it is neither retired nor compromised. A compromised key may be
    /// active: the grant need not let this user retire keys.
    private func isUsable(_ key: ManagedKey) async throws -> Bool {
        if key.isRetired { return false }
        return try await !store.isCompromised(key.fingerprint)
    }

    /// Refuses key options that cannot take effect, before anything is changed.
    private func refuseUselessWishes(_ request: IssuanceRequest, current: KeyName?, earlier: OrderJournal?) async throws {
        guard let wanted = request.key else {
            guard request.isKeyAlgorithmWanted, !request.newKey, let current else { return }
            guard let key = try await keys.key(named: current), try await isUsable(key) else { return }
            return try expectAlgorithm(key, request)
        }
        guard let key = try await keys.key(named: wanted) else { return }
        if key.isAccountKey {
            throw IssuanceError.noEffect(
                "the key \"\(wanted)\" is an account key and never signs for a certificate (RFC 8555 §11.1); nothing was ordered",
                hint: "omit --key, or name a certificate key: acme-agent keys list")
        }
        if !(request.newKey && wanted == current) { try await refuseCompromised(key, request) }
        guard request.newKey else { return try expectAlgorithm(key, request) }
        // The key in use is replaced; a key that was made for this very order is the new one.
        if wanted == current || (earlier?.key == wanted && earlier?.announcesNewKey == true) { return }
        let isOrdered = earlier?.key == wanted
        throw IssuanceError.noEffect(
            isOrdered
                ? "the interrupted order of \(request.name) is for the key \"\(wanted)\", so it gets no new one; nothing was ordered"
                : "the key \"\(wanted)\" already exists, so it cannot be made; nothing was ordered",
            hint: isOrdered
                ? "acme-agent renew \(request.name) resumes the order; acme-agent forget --order \(request.name) drops it"
                : "omit --new-key to use it, or omit --key to make another one")
    }

    private func refuseCompromised(_ key: ManagedKey, _ request: IssuanceRequest) async throws {
        guard try await store.isCompromised(key.fingerprint) else { return }
        throw IssuanceError.keyCompromised(key.name, of: request.name)
    }

    private func expectAlgorithm(_ key: ManagedKey, _ request: IssuanceRequest) throws(IssuanceError) {
        guard request.isKeyAlgorithmWanted, key.algorithm != request.keyAlgorithm else { return }
        throw .noEffect(
            "the key \"\(key.name)\" is of type \(key.algorithm.rawValue), not \(request.keyAlgorithm.rawValue); "
                + "nothing was ordered",
            hint: "--new-key makes another key of the given type")
    }

    /// Uses the key that an interrupted run announced, or deletes it if this run wants another one.
    private func planFromEarlier(_ request: IssuanceRequest, current: KeyName?, earlier: OrderJournal?) async throws -> KeyPlan? {
        guard let earlier, let name = earlier.key, earlier.announcesNewKey, name != current else { return nil }
        let key = try await keys.key(named: name)
        var fits = true
        if let key { fits = key.algorithm == request.keyAlgorithm ? try await isUsable(key) : false }
        if fits, request.key == nil || request.key == name, try await mayTakeKey(of: earlier, request, current: current) {
            return KeyPlan(
                name: name, isNew: true, isKnownMissing: key == nil, replaced: current, origin: key == nil ? nil : earlier.keyOrigin)
        }
        if let key, earlier.hasMade(key) {
            do {
                try await takeBack(key, of: request.name)
            } catch {
                observer(.warning("the key \"\(name)\" of an earlier run is unused and could not be deleted: \(error)"))
            }
        }
        return nil
    }

    /// Deletes a key that was made for a certificate that does not need it, unless something else needs it now.
    private func takeBack(_ key: ManagedKey, of certificate: CertificateName) async throws {
        let users = try await KeyUse(key.name, in: store, besides: certificate).users
        guard users.isEmpty else {
            return observer(.warning("the key \"\(key.name)\" is kept: it is the key of \(users.joined(separator: ", "))"))
        }
        try await keys.deleteKey(named: key.name)
        observer(.keyDeleted(name: key.name))
    }

    /// Whether an earlier run's new key may become this order's. A renewal keeps the key: that an order with a new one has
    /// failed is no reason to change it weeks later, when nobody expects that.
    private func mayTakeKey(of earlier: OrderJournal, _ request: IssuanceRequest, current: KeyName?) async throws -> Bool {
        guard let current, !request.newKey, request.key == nil else { return true }
        guard isResumable(earlier, request) else { return false }
        if !earlier.hasFailed || earlier.isFinalizing { return true }
        // Where the current one cannot be used, a new one is needed, and keys do not pile up.
        guard let key = try await keys.key(named: current) else { return false }
        return try await !isUsable(key)
    }

    private func isResumable(_ journal: OrderJournal, _ request: IssuanceRequest) -> Bool {
        journal.order != nil && Set(journal.identifiers) == Set(request.identifiers)
    }

    /// The key in the agent, made if it does not exist yet.
    func obtainKey(_ plan: KeyPlan, _ request: IssuanceRequest, _ keeper: JournalKeeper) async throws -> ManagedKey {
        if !plan.isKnownMissing, let key = try await keys.key(named: plan.name) {
            guard !key.isRetired else { throw IssuanceError.keyRetired(plan.name) }
            try await refuseCompromised(key, request)
            observer(.keyUsed(key))
            return key
        }
        guard plan.isNew else { throw IssuanceError.certificateKeyMissing(plan.name, of: request.name) }
        let wasMaking = try await keeper.recordMakingKey()
        do {
            let key = try await keys.createKey(named: plan.name, algorithm: request.keyAlgorithm, purpose: .certificate)
            guard key.isNew else {
                // An earlier run requested it, or it is someone else's.
                if !wasMaking { try await keeper.record(.intentKey(name: plan.name, isNew: false)) }
                observer(.keyUsed(key))
                return key
            }
            await keeper.note([.keyMade(fingerprint: key.fingerprint)])
            observer(.keyCreated(key))
            return key
        } catch {
            if !(error is CancellationError) {
                // In a separate task: a cancelled one may not receive the agent's answer.
                await Task { await noteFailure(toMake: plan.name, keeper, wasMaking: wasMaking) }.value
            }
            throw error
        }
    }

    /// After a refusal there is nothing to resume. If the outcome is unknown, or an order was placed in the meantime,
    /// the journal stays.
    private func noteFailure(toMake name: KeyName, _ keeper: JournalKeeper, wasMaking: Bool) async {
        let key: ManagedKey?
        do { key = try await keys.key(named: name) } catch { return }
        guard key == nil else {
            // The name was taken, presumably by someone else: such a key is never deleted.
            if !wasMaking { try? await keeper.record(.intentKey(name: name, isNew: true)) }
            return
        }
        try? await keeper.removeUnlessOrdered()
    }

    /// Cleans up after a failed order: deletes the key that was made for it, and lets no later run resume it unasked.
    /// Keys that already existed stay. Once a certificate request was sent, there may be a certificate: the key stays,
    /// and the journal says what it belongs to, as it does if the key cannot be deleted.
    /// - Parameter isListed: whether a key that is left is worth a failed order in the lists; not if nobody wants the
    ///   certificate any more.
    func giveUp(_ plan: KeyPlan, _ keeper: JournalKeeper, isListed: Bool = true) async {
        let journal = await keeper.journal
        await store.withdraw(journal.name)
        if await keeper.mayBeCertified {
            do { try await keeper.record(.failed) } catch {
                observer(.warning("the failed order could not be recorded in its journal: \(error)"))
            }
            return
        }
        await releaseAuthorizations(of: journal)
        var isKeyLeft = false
        if plan.isNew, journal.keyOrigin != nil {
            do {
                if let key = try await keys.key(named: plan.name), journal.hasMade(key) { try await takeBack(key, of: journal.name) }
            } catch {
                isKeyLeft = true
                observer(.warning("the key \"\(plan.name)\" was made for the failed order and could not be deleted: \(error)"))
            }
        }
        do {
            if isKeyLeft, isListed { try await keeper.recordFailure() } else { try await keeper.removeUnlessPresented() }
        } catch {
            observer(.warning("the journal of the failed order could not be removed: \(error)"))
        }
    }

    /// Abandons the order that would replace a certificate, if possible, and forgets one that has failed unless its
    /// certificate may have been issued. The caller must hold the certificate's lock.
    func abandonOrder(of certificate: StoredCertificate) async {
        let name = certificate.name
        guard let journal = try? await store.journal(named: name), let key = journal.key, !journal.hasFailed || !journal.isFinalizing
        else { return }
        let left = await cleanUpLeftovers(of: journal)
        let keeper = JournalKeeper(
            store: store, journal: left,
            mayBeCertified: journal.order != nil && journal.isFinalizing && !journal.isInstalled(as: certificate))
        await giveUp(
            KeyPlan(name: key, isNew: journal.announcesNewKey && key != certificate.metadata.key.name), keeper, isListed: false)
    }

    /// Lets the keys go that the installed one has replaced.
    /// - Throws: `StoreError` if that cannot be recorded.
    func settleOldKeys(_ journal: OrderJournal, _ choice: IssuanceRequest.OldKey) async throws {
        let outgoing = OutgoingKeys(store: store, keys: keys, time: time, observer: observer)
        for old in journal.outgoingKeys {
            let key: ManagedKey
            do {
                guard let found = try await keys.key(named: old) else { continue }
                key = found
            } catch {
                if choice != .keep { observer(.warning("the old key \"\(old)\" stays active: \(error)")) }
                continue
            }
            // An earlier renewal may have decided otherwise about this key.
            try await store.removeOutgoing(key.fingerprint)
            if let fate = choice.fate { try await outgoing.replaced(key, of: journal.name, fate, grace: oldKeyGrace) }
        }
    }
}

extension IssuanceRequest.OldKey {
    var fate: OutgoingKey.Fate? {
        switch self {
        case .retire: .retire
        case .delete: .delete
        case .keep: nil
        }
    }
}

extension OrderJournal {
    /// The keys that the order's own key replaces.
    var outgoingKeys: [KeyName] {
        steps.compactMap { step in
            guard case .intentKey(let name, false) = step, name != key else { return nil }
            return name
        }
    }

    /// The step that says that a run has made, or was about to make, the last announced key; `nil` if no run got that
    /// far.
    var keyOrigin: JournalStep? {
        for step in steps.reversed() {
            switch step {
            case .keyMade, .makingKey: return step
            case .intentKey: return nil
            default: continue
            }
        }
        return nil
    }

    /// Whether a run has made this key for this order.
    func hasMade(_ key: ManagedKey) -> Bool {
        switch keyOrigin {
        case .keyMade(let fingerprint): fingerprint == key.fingerprint
        case .makingKey: true
        default: false
        }
    }

    /// Whether the certificate's key was, or was to be, made for this order.
    var announcesNewKey: Bool {
        for case .intentKey(_, let isNew) in steps.reversed() { return isNew }
        return false
    }
}
