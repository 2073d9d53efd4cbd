import ACME
import ACMEClient
import CertificateStore
import JOSE

/// Certificates of CAs without ACME: the request for one, and what comes back.
public struct CertificateRequests: Sendable {
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

    // MARK: The request

    /// What is requested.
    public struct Wish: Sendable {
        public var name: CertificateName
        /// Empty for those that were requested before, or else those that the certificate has.
        public var identifiers: [Identifier]
        /// `nil` for the key that was requested before, or the certificate's own, or one named after it.
        public var key: KeyName?
        public var keyAlgorithm: KeyAlgorithm
        /// Whether the user requested this algorithm.
        public var isKeyAlgorithmWanted = false
        public var newKey: Bool
        public var mustStaple: Bool?

        public init(
            name: CertificateName, identifiers: [Identifier], key: KeyName? = nil, keyAlgorithm: KeyAlgorithm = .p256,
            newKey: Bool = false, mustStaple: Bool? = nil
        ) {
            self.name = name
            self.identifiers = identifiers
            self.key = key
            self.keyAlgorithm = keyAlgorithm
            self.newKey = newKey
            self.mustStaple = mustStaple
        }
    }

    /// The key for a request, made if there is none, and a record in the store that its certificate is awaited. The same
    /// wish has the same key as long as the certificate is awaited.
    public func request(_ wish: Wish) async throws -> (awaited: AwaitedCertificate, key: ManagedKey) {
        let lock = try await store.lock(wish.name)
        defer { lock.release() }
        try await refuseOpenOrder(of: wish.name)
        let stored = try await store.certificate(named: wish.name), earlier = try await store.awaited(named: wish.name)
        let identifiers = wish.identifiers.isEmpty ? earlier?.identifiers ?? stored?.metadata.identifiers ?? [] : wish.identifiers
        guard !identifiers.isEmpty else { throw IssuanceError.noIdentifiers }
        let name = try await keyName(wish, stored, earlier)
        var awaited = AwaitedCertificate(
            name: wish.name, identifiers: identifiers, key: name, isNewKey: stored.map { $0.metadata.key.name != name } ?? true,
            mustStaple: wish.mustStaple ?? earlier?.mustStaple ?? stored?.chain.leaf.mustStaple ?? false,
            requested: time.unixTime())
        if let earlier, earlier.key == name { awaited.fingerprint = earlier.fingerprint }
        // Before the key is made: a run that is cut off leaves no key that nobody knows.
        try await store.write(awaited)
        let key: ManagedKey
        do { key = try await obtain(name, wish) } catch {
            if error is CancellationError { throw error }
            // Nothing was made, so nothing is awaited that was not before.
            if let earlier { try await store.write(earlier) } else { try await store.removeAwaited(named: wish.name) }
            throw error
        }
        if awaited.fingerprint != key.fingerprint {
            awaited.fingerprint = key.fingerprint
            try await store.write(awaited)
        }
        return (awaited, key)
    }

    /// How many names are tried for a new key; each may be taken by another certificate's key.
    private static let maximumNames = 100

    private func keyName(_ wish: Wish, _ stored: StoredCertificate?, _ earlier: AwaitedCertificate?) async throws -> KeyName {
        if let key = wish.key { return key }
        let current = stored?.metadata.key
        // A key that was made for this request is the new one.
        if let earlier, !wish.newKey || earlier.isNewKey, try await mayBe(earlier.key, wish) { return earlier.key }
        if let current, !wish.newKey, try await mayBe(current.name, wish) { return current.name }
        var name = try current.map { try CertificateKeyName.next(after: $0.name) } ?? CertificateKeyName.first(for: wish.name)
        for _ in 0..<Self.maximumNames {
            guard let key = try await keys.key(named: name) else { return name }
            // A key of this name that nothing uses: it was made for this purpose.
            if current == nil, !wish.newKey, key.algorithm == wish.keyAlgorithm, try await isUsable(key),
                try await KeyUse(name, in: store, besides: wish.name).users.isEmpty
            {
                return name
            }
            name = try CertificateKeyName.next(after: name)
        }
        throw IssuanceError.unexpectedAnswer("no name is free for a new key after \"\(name)\"; choose one with --key")
    }

    /// Whether a key can be that of the request; also one that is not made yet.
    private func mayBe(_ name: KeyName, _ wish: Wish) async throws -> Bool {
        guard let key = try await keys.key(named: name) else { return true }
        guard !wish.isKeyAlgorithmWanted || key.algorithm == wish.keyAlgorithm else { return false }
        return try await isUsable(key)
    }

    private func isUsable(_ key: ManagedKey) async throws -> Bool {
        if key.isRetired || key.isAccountKey { return false }
        return try await !store.isCompromised(key.fingerprint)
    }

    private func obtain(_ name: KeyName, _ wish: Wish) async throws -> ManagedKey {
        if let key = try await keys.key(named: name) {
            try await expectUsable(key, of: wish.name)
            guard !wish.isKeyAlgorithmWanted || key.algorithm == wish.keyAlgorithm else {
                throw IssuanceError.noEffect(
                    "the key \"\(name)\" is of type \(key.algorithm.rawValue), not \(wish.keyAlgorithm.rawValue); nothing was requested",
                    hint: "--new-key makes another key of the given type")
            }
            observer(.keyUsed(key))
            return key
        }
        let key = try await keys.createKey(named: name, algorithm: wish.keyAlgorithm, purpose: .certificate)
        observer(key.isNew ? .keyCreated(key) : .keyUsed(key))
        return key
    }

    private func expectUsable(_ key: ManagedKey, of certificate: CertificateName) async throws {
        guard !key.isAccountKey else {
            throw IssuanceError.noEffect(
                "the key \"\(key.name)\" is an account key and never signs for a certificate (RFC 8555 §11.1)",
                hint: "name a certificate key: acme-agent keys list")
        }
        guard !key.isRetired else { throw IssuanceError.keyRetired(key.name) }
        guard try await !store.isCompromised(key.fingerprint) else { throw IssuanceError.keyCompromised(key.name, of: certificate) }
    }

    private func refuseOpenOrder(of name: CertificateName) async throws {
        guard let journal = try await store.journal(named: name), !journal.hasFailed else { return }
        throw IssuanceError.noEffect(
            "there is an interrupted order for \(name) at \(journal.directory.origin); nothing was changed",
            hint: "acme-agent renew \(name) resumes it; acme-agent forget --order \(name) drops it")
    }

    // MARK: What comes back

    /// A certificate to be stored.
    public struct Arrival: Sendable {
        public var name: CertificateName
        /// DER, in any order.
        public var certificates: [[UInt8]]
        /// A key of the agent; `nil` for the awaited one, or that of the stored certificate.
        public var key: KeyName?
        /// Whether the certificate's names count, whatever was requested.
        public var acceptsNames: Bool
        /// The ACME CA that renews it; `nil` if none does.
        public var directory: ACMEURL?
        /// Whether it may take the place of a certificate that an ACME CA renews, though none renews it.
        public var endsRenewal = false
        /// `nil` if there are no deploy hooks.
        public var deploy: IssuanceFlow.DeployHook?
        public var oldKey = IssuanceRequest.OldKey.retire
        public var oldKeyGrace: Duration

        public init(
            name: CertificateName, certificates: [[UInt8]], key: KeyName? = nil, acceptsNames: Bool = false, directory: ACMEURL? = nil,
            deploy: IssuanceFlow.DeployHook? = nil, oldKeyGrace: Duration
        ) {
            self.name = name
            self.certificates = certificates
            self.key = key
            self.acceptsNames = acceptsNames
            self.directory = directory
            self.deploy = deploy
            self.oldKeyGrace = oldKeyGrace
        }
    }

    /// Checks a certificate as one that was ordered, makes it the current generation and deploys it. If it is that
    /// already, only what an earlier run could not do is done.
    /// - Returns: also whether it was installed now.
    public func install(_ arrival: Arrival) async throws -> (certificate: StoredCertificate, isNew: Bool) {
        let lock = try await store.lock(arrival.name)
        defer { lock.release() }
        try await refuseOpenOrder(of: arrival.name)
        let current = try await store.certificate(named: arrival.name), awaited = try await store.awaited(named: arrival.name)
        guard let name = arrival.key ?? awaited?.key ?? current?.metadata.key.name else {
            throw IssuanceError.noEffect(
                "no certificate is awaited for \(arrival.name)",
                hint: "--key NAME names the key in the agent; acme-agent keys adopt makes one known that is in the token")
        }
        guard let key = try await keys.key(named: name) else { throw IssuanceError.certificateKeyMissing(name, of: arrival.name) }
        try await expectUsable(key, of: arrival.name)
        let chain = try ReceivedCertificates.chain(arrival.certificates, for: key.publicKey.spki, time: time.unixTime())
        let isAwaited = awaited?.key == name
        let requested = isAwaited ? awaited?.identifiers : arrival.key == nil ? current?.metadata.identifiers : nil
        // A request for other names does not make the installed certificate wrong.
        let isKnown = current?.chain.leafDER == chain.leafDER, acceptsNames = arrival.acceptsNames || isKnown
        let own = try names(of: chain, acceptsOthers: acceptsNames)
        let identifiers = acceptsNames ? own : requested ?? own
        guard !identifiers.isEmpty else {
            throw StoreError(.chainRefused, message: "the certificate is refused: it has no names (subjectAltName)")
        }
        try Self.expectNames(identifiers, own)
        let checked = try chain.check(
            spki: key.publicKey.spki, identifiers: identifiers, ignoringOtherNames: acceptsNames, time: time.unixTime())
        // The same certificate alone says nothing against the chain that it was installed with.
        let isSameChain = isKnown && (current?.chain.der == checked.der || checked.der.count == 1)
        if checked.issuers.isEmpty, !isSameChain {
            observer(.warning("the chain has no issuer's certificate; clients need the CA's intermediate certificates"))
        }
        if let current, let renewer = current.metadata.directory, arrival.directory == nil, !arrival.endsRenewal, !isSameChain {
            throw IssuanceError.noEffect(
                "\(arrival.name) is renewed by the ACME CA at \(renewer.origin), which would end; nothing was changed",
                hint: "--acme has an ACME CA renew this one too; --no-acme ends the renewal")
        }
        var stored: StoredCertificate, isNew = false
        if let current, isSameChain, current.metadata.directory == arrival.directory || arrival.directory == nil && !arrival.endsRenewal {
            stored = current
        } else {
            if let current, checked.notAfter < current.metadata.notAfter {
                observer(
                    .warning(
                        "it expires on \(RFC3339.string(checked.notAfter)), before the one that was installed, which expires on "
                            + RFC3339.string(current.metadata.notAfter)))
            }
            let keepsKey = current.map { $0.isDeployed && $0.metadata.key.fingerprint == key.fingerprint } ?? true
            stored = try await store.install(
                NewCertificate(
                    name: arrival.name, pem: isSameChain ? current?.chain.fullChainPEM ?? checked.fullChainPEM : checked.fullChainPEM,
                    key: name, keyURI: key.uri, spki: key.publicKey.spki, identifiers: identifiers,
                    ignoresOtherNames: acceptsNames, directory: arrival.directory, time: time.unixTime(),
                    // Otherwise not before it is recorded what becomes of the old key.
                    isDeployed: arrival.deploy == nil && keepsKey))
            for warning in checked.warnings { observer(.warning(warning)) }
            observer(.installed(stored))
            isNew = true
        }
        if isAwaited, let awaited {
            // The installed one answers only what was requested before it was installed.
            if Self.mayAnswer(checked, awaited), !isKnown || (current?.metadata.installed ?? 0) > awaited.requested {
                try await store.removeAwaited(named: arrival.name)
            } else if !isKnown {
                observer(
                    .warning(
                        "it is valid from \(RFC3339.string(checked.notBefore)), before it was requested on "
                            + "\(RFC3339.string(awaited.requested)), so another one is still awaited; acme-agent forget --order "
                            + "\(arrival.name) drops the request"))
            }
        }
        try await deploy(&stored, key, arrival.deploy, arrival.oldKey, grace: arrival.oldKeyGrace)
        return (stored, isNew)
    }

    /// How far back CAs date their certificates, in seconds: Let's Encrypt an hour, others to the day's beginning, by
    /// their own time.
    private static let backdating: Int64 = 2 * 86_400

    /// Whether a certificate may have been made for a request: an earlier file for the same key says nothing about the
    /// request that came after it.
    private static func mayAnswer(_ chain: CertificateChain, _ awaited: AwaitedCertificate) -> Bool {
        chain.notBefore >= awaited.requested - backdating
    }

    /// Does what is left to be done for an installed certificate: a hook failed, or a run was cut off.
    /// - Returns: `nil` if nothing is left.
    public func deployAgain(
        _ name: CertificateName, _ hook: IssuanceFlow.DeployHook?, _ oldKey: IssuanceRequest.OldKey, grace: Duration
    ) async throws -> StoredCertificate? {
        let lock = try await store.lock(name)
        defer { lock.release() }
        guard var stored = try await store.certificate(named: name), !stored.isDeployed, !stored.isRevoked else { return nil }
        guard let key = try await keys.key(named: stored.metadata.key.name) else {
            throw IssuanceError.certificateKeyMissing(stored.metadata.key.name, of: name)
        }
        try await deploy(&stored, key, hook, oldKey, grace: grace)
        return stored
    }

    /// Runs the deploy hooks, and lets the keys go that this one has replaced since the last time they ran.
    private func deploy(
        _ stored: inout StoredCertificate, _ key: ManagedKey, _ hook: IssuanceFlow.DeployHook?, _ oldKey: IssuanceRequest.OldKey,
        grace: Duration
    ) async throws {
        // After a rollback: it is in use again.
        try await store.removeOutgoing(key.fingerprint)
        guard !stored.isDeployed else { return }
        if let hook {
            do { try await hook(stored) } catch let error as CancellationError { throw error } catch {
                throw IssuanceError.deployFailed(stored.name, reason: "\(error)")
            }
            observer(.deployed(stored.name))
        }
        if let fate = oldKey.fate {
            let outgoing = OutgoingKeys(store: store, keys: keys, time: time, observer: observer)
            for old in try await replacedKeys(stored, by: key) {
                guard let found = try await keys.key(named: old.name), found.fingerprint == old.fingerprint else { continue }
                try await outgoing.replaced(found, of: stored.name, fate, grace: grace)
            }
        }
        try await store.markDeployed(stored.name, generation: stored.metadata.generation)
        stored.deployedGeneration = stored.metadata.generation
    }

    /// The keys of the generation whose hooks ran last, and of those since then.
    private func replacedKeys(_ stored: StoredCertificate, by key: ManagedKey) async throws(StoreError) -> [KeyReference] {
        var found: [KeyReference] = []
        for earlier in try await store.earlierGenerations(of: stored.name)
        where earlier.metadata.generation >= (stored.deployedGeneration ?? 0) {
            let old = earlier.metadata.key
            if old.fingerprint != key.fingerprint, !found.contains(where: { $0.fingerprint == old.fingerprint }) { found.append(old) }
        }
        return found
    }

    /// The certificate's DNS names and addresses. It may have others only if the user takes it with its own names.
    private func names(of chain: CertificateChain, acceptsOthers: Bool) throws -> [Identifier] {
        guard acceptsOthers else { return try chain.identifiers() }
        let others = try chain.otherNames()
        if !others.isEmpty {
            observer(
                .warning(
                    "it also has names that are neither DNS names nor IP addresses, which are not kept: "
                        + others.prefix(8).joined(separator: ", ")))
        }
        return try chain.identifiers(ignoringOthers: true)
    }

    /// Says in which names a certificate differs from what was requested.
    private static func expectNames(_ requested: [Identifier], _ own: [Identifier]) throws(StoreError) {
        let missing = requested.filter { !own.contains($0) }, more = own.filter { !requested.contains($0) }
        guard !missing.isEmpty || !more.isEmpty else { return }
        func list(_ names: [Identifier]) -> String {
            names.prefix(8).map(\.value).joined(separator: ", ") + (names.count > 8 ? " and \(names.count - 8) more" : "")
        }
        let parts = [missing.isEmpty ? nil : "it is not for \(list(missing))", more.isEmpty ? nil : "it is also for \(list(more))"]
        throw StoreError(
            .chainRefused, message: "the certificate is not as requested: \(parts.compactMap(\.self).joined(separator: ", and "))",
            hint: "--accept-names takes it with its own names")
    }
}
