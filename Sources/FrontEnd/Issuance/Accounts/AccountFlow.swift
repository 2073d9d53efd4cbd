import ACME
import ACMEClient
import CertificateStore
import JOSE

/// A requested account at a CA.
public struct AccountRegistration: Sendable {
    public var directory: ACMEURL
    /// The account key's name in the agent; the key is made if it does not exist.
    public var key: KeyName
    public var keyAlgorithm: KeyAlgorithm
    public var contact: [Contact]
    /// Whether the user agreed to the CA's terms of service, whatever their URL.
    public var agreesToTerms: Bool
    /// Name of an external account credential in the agent (RFC 8555 §7.3.4).
    public var externalAccount: String?
    /// Whether the user asked for this key type and external account, and must be told if they have no effect.
    public var isKeyAlgorithmWanted = false
    public var isExternalAccountWanted = false
    /// Whether the account may replace a working one that has another key.
    public var isReplacementAllowed = false

    public init(
        directory: ACMEURL, key: KeyName, keyAlgorithm: KeyAlgorithm = .p256, contact: [Contact] = [], agreesToTerms: Bool = false,
        externalAccount: String? = nil
    ) {
        self.directory = directory
        self.key = key
        self.keyAlgorithm = keyAlgorithm
        self.contact = contact
        self.agreesToTerms = agreesToTerms
        self.externalAccount = externalAccount
    }
}

/// Accounts at CAs: registered once, then found in the store.
public struct AccountFlow: Sendable {
    let store: any CertificateStore
    let keys: any KeyProvider
    let transport: any HTTPTransport
    let time: any Timekeeping
    let observer: IssuanceObserver

    public init(
        store: any CertificateStore, keys: any KeyProvider, transport: any HTTPTransport, time: any Timekeeping = SystemTime(),
        observer: @escaping IssuanceObserver = { _ in }
    ) {
        self.store = store
        self.keys = keys
        self.transport = transport
        self.time = time
        self.observer = observer
    }

    /// Registers an account, or resumes an interrupted registration. A key that has an account keeps it.
    /// - Throws: `IssuanceError`, `ACMEClientError`, `StoreError`, the key provider's errors.
    public func register(_ wanted: AccountRegistration) async throws -> StoredAccount {
        let lock = try await store.lockAccount(at: wanted.directory)
        defer { lock.release() }
        var registration = wanted
        let anonymous = client(registration.directory)
        let directory = try await anonymous.directory()
        if let terms = directory.termsOfService, !registration.agreesToTerms { throw IssuanceError.termsNotAgreed(terms) }
        let kept = try await store.account(at: registration.directory)
        if wanted.contact.isEmpty { registration.contact = kept?.contact.compactMap { try? Contact($0) } ?? [] }
        // A deactivated account may be replaced.
        let earlier = kept?.isDeactivated == true ? nil : kept
        if let earlier, earlier.key != registration.key, !registration.isReplacementAllowed, try await isWorking(earlier, anonymous) {
            throw IssuanceError.otherAccount(earlier.key, wanted: registration.key, directory: registration.directory)
        }
        var account = StoredAccount(
            directory: registration.directory, key: registration.key, contact: registration.contact.map(\.text),
            termsOfService: directory.termsOfService)
        let known = try await keys.key(named: registration.key)
        if let known, known.isRetired { throw IssuanceError.keyRetired(known.name) }
        if let known, registration.isKeyAlgorithmWanted, known.algorithm != registration.keyAlgorithm {
            throw IssuanceError.noEffect(
                "the key \"\(known.name)\" is of type \(known.algorithm.rawValue), not \(registration.keyAlgorithm.rawValue); "
                    + "no account was registered",
                hint: (earlier?.url == nil ? "--key NAME" : "--key NAME --yes") + " registers an account with another key")
        }
        if directory.externalAccountRequired, registration.externalAccount == nil, earlier?.url == nil, known == nil {
            throw IssuanceError.externalAccountRequired(directory: registration.directory)
        }
        // Report an unusable credential before making a key.
        if known == nil, let name = registration.externalAccount, let available = await keys.externalAccounts(), !available.contains(name) {
            throw IssuanceError.externalAccountMissing(name, available: available)
        }
        // Before the key is made, so that the next run finds its name. A working account is not replaced by one that
        // may not work.
        if earlier?.url == nil { try await store.save(account) }
        let registered: RegisteredAccount
        do { registered = try await self.account(registration, known, earlier, wanted, anonymous) } catch {
            if earlier == nil, await isFinal(error, registration.key) {
                if let kept { try? await store.save(kept) } else { try? await store.removeAccount(at: registration.directory) }
            }
            throw error
        }
        // An existing account keeps the contacts that the CA shows; this call's own contacts were sent as an update.
        if !registered.isNew, !registered.account.contact.isEmpty { account.contact = registered.account.contact }
        account.url = registered.url
        try await store.save(account)
        if !registered.isNew, registration.isExternalAccountWanted, let name = registration.externalAccount {
            observer(
                .warning(
                    "the key \"\(registration.key)\" already has an account: external account \"\(TerminalText.safe(name, limit: 64))\" "
                        + "has no effect; --key NAME --yes registers another account"))
        }
        observer(.accountRegistered(url: registered.url, key: registration.key, isNew: registered.isNew))
        return account
    }

    /// Whether the stored account can still be used: the agent has its key, and the CA accepts it.
    private func isWorking(_ account: StoredAccount, _ anonymous: ACMEClient) async throws -> Bool {
        guard let url = account.url, let key = try await keys.key(named: account.key), !key.isRetired else { return false }
        do {
            return try await anonymous.signing(by: try await keys.signer(for: key), account: url).fetchAccount().status == .valid
        } catch let error as ACMEClientError where [.unauthorized, .accountDoesNotExist].contains(error.problem?.kind) {
            return false
        } catch let error as any PolicyRefusal where error.isPolicyRefusal {
            return false
        }
    }

    /// The key's account at the CA, found or registered. If policy refuses the account, a key made for it is deleted.
    private func account(
        _ registration: AccountRegistration, _ known: ManagedKey?, _ earlier: StoredAccount?, _ wanted: AccountRegistration,
        _ anonymous: ACMEClient
    ) async throws -> RegisteredAccount {
        let key: ManagedKey
        if let known {
            observer(.keyUsed(known))
            key = known
        } else {
            key = try await keys.createKey(
                named: registration.key, algorithm: registration.keyAlgorithm, purpose: .account(directory: registration.directory))
            observer(key.isNew ? .keyCreated(key) : .keyUsed(key))
        }
        var registered: RegisteredAccount
        do {
            let client = anonymous.signing(by: try await keys.signer(for: key))
            // An existing key may have an account from a run that was interrupted before the answer.
            if known != nil, let found = try await client.findAccount() {
                registered = found
            } else {
                registered = try await client.newAccount(
                    NewAccount(
                        contact: registration.contact.map(\.text), termsOfServiceAgreed: registration.agreesToTerms ? true : nil,
                        externalAccount: registration.externalAccount))
            }
            if registered.account.status == .valid { try await updateContacts(&registered, wanted, earlier, client) }
        } catch let error as ACMEClientError where known != nil && error.problem?.kind == .unauthorized {
            throw IssuanceError.accountClosed(
                registration.key, error.problem, contact: registration.contact.map(\.text), directory: registration.directory)
        } catch {
            // If the agent failed or policy refused, the CA does not know the key.
            if key.isNew, !(error is ACMEClientError), !(error is CancellationError) {
                do {
                    try await keys.deleteKey(named: registration.key)
                    observer(.keyDeleted(name: registration.key))
                } catch {
                    observer(
                        .warning(
                            "the key \"\(registration.key)\" of an account that was not registered could not be deleted: \(error)"
                        ))
                }
            }
            throw error
        }
        // A CA may return a deactivated account like any other (RFC 8555 §7.3.1).
        guard registered.account.status == .valid else {
            throw IssuanceError.accountClosed(
                registration.key, nil, contact: registration.contact.map(\.text), directory: registration.directory)
        }
        return registered
    }

    /// Updates an existing account's contacts to the requested ones (RFC 8555 §7.3.2). A CA that shows no contacts may
    /// still have some: the last ones sent count.
    private func updateContacts(
        _ registered: inout RegisteredAccount, _ registration: AccountRegistration, _ earlier: StoredAccount?, _ client: ACMEClient
    ) async throws {
        let wanted = registration.contact.map(\.text)
        let shown = registered.account.contact
        let current = shown.isEmpty && earlier?.url == registered.url ? earlier?.contact ?? [] : shown
        guard !registered.isNew, !wanted.isEmpty, Set(wanted) != Set(current) else { return }
        registered.account = try await client.updateAccount(AccountUpdate(contact: wanted))
    }

    /// Whether the same registration would fail again, or has left nothing to resume.
    private func isFinal(_ error: any Error, _ key: KeyName) async -> Bool {
        if case .accountClosed? = error as? IssuanceError { return true }
        if (error as? any PolicyRefusal)?.isPolicyRefusal == true { return true }
        guard !(error is ACMEClientError), !(error is CancellationError) else { return false }
        do { return try await keys.key(named: key) == nil } catch { return false }
    }

    /// A client that signs for the account at this CA; no request is sent if the account's URL is known.
    /// - Throws: `IssuanceError.noAccount`, `.keyMissing`, `.accountClosed`.
    public func client(for directory: ACMEURL) async throws -> ACMEClient {
        let account = try await store.account(at: directory)
        // The change of its key was interrupted, or is under way.
        guard let account, account.nextKey != nil || account.formerKey != nil else { return try await settledClient(for: directory) }
        let lock = try await lockWaiting(directory)
        defer { lock.release() }
        return try await settledClient(for: directory)
    }

    /// How often to look whether another process is done with an account, every 100 ms.
    private static let lockLooks = 100

    private func lockWaiting(_ directory: ACMEURL) async throws -> any CertificateLock {
        for _ in 0..<Self.lockLooks {
            do throws(StoreError) { return try await store.lockAccount(at: directory) } catch { if error.reason != .locked { throw error } }
            try await time.sleep(for: .milliseconds(100))
        }
        return try await store.lockAccount(at: directory)
    }

    /// The caller holds the account's lock if its key may be changing.
    func settledClient(for directory: ACMEURL) async throws -> ACMEClient {
        guard var account = try await store.account(at: directory) else { throw IssuanceError.noAccount(directory: directory) }
        let anonymous = client(directory)
        guard !account.isDeactivated else { throw closed(account, nil) }
        if account.nextKey != nil { account = try await settleKeyChange(account, anonymous) }
        if account.formerKey != nil { account = try await retireFormerKey(account) }
        let client = anonymous.signing(by: try await signer(account.key), account: account.url)
        if account.url == nil {
            // It is unknown whether newAccount was sent; its answer was lost (RFC 8555 §7.3.1).
            let found: RegisteredAccount?
            do { found = try await client.findAccount() } catch let error as ACMEClientError where error.problem?.kind == .unauthorized {
                throw closed(account, error.problem)
            }
            guard let found else { throw IssuanceError.noAccount(directory: directory) }
            // A CA may return a deactivated account like any other (RFC 8555 §7.3.1).
            guard found.account.status == .valid else { throw closed(account, nil) }
            account.url = found.url
            try await store.save(account)
        }
        return client
    }

    /// The CA, to revoke a certificate with the certificate's own key. No account is needed.
    /// - Throws: `IssuanceError.keyMissing`.
    public func issuer(at directory: ACMEURL, revokingBy certificateKey: KeyName) async throws -> ACMEIssuer {
        ACMEIssuer(client: client(directory), revokingBy: try await signer(certificateKey))
    }

    func closed(_ account: StoredAccount, _ problem: Problem?) -> IssuanceError {
        .accountClosed(account.key, problem, contact: account.contact, directory: account.directory)
    }

    func signer(_ name: KeyName) async throws -> any AccountSigner {
        guard let key = try await keys.key(named: name) else { throw IssuanceError.keyMissing(name) }
        return try await keys.signer(for: key)
    }

    /// What the records of dns-persist-01 say about the account, by the CA's directory; the issuer names are only those
    /// that the directory lists.
    public func persistRecord(_ directory: ACMEURL) async throws -> (expectation: DNSPersistRecord.Expectation, directory: Directory) {
        let client = try await client(for: directory)
        guard let account = client.account, let signer = client.signer else { throw IssuanceError.noAccount(directory: directory) }
        let offered = try await client.directory()
        let expectation = DNSPersistRecord.Expectation(
            issuers: offered.issuerDomainNames, form: offered.accountHashPrefix.map { .hash(prefix: $0) } ?? .url, account: account,
            thumbprint: signer.publicKey.thumbprint)
        return (expectation, offered)
    }

    /// The account as the CA has it; an account that was deactivated elsewhere may be shown with its status.
    public func show(_ directory: ACMEURL) async throws -> (stored: StoredAccount, account: Account) {
        let client = try await client(for: directory)
        let account = try await asked(directory) { try await client.fetchAccount() }
        guard let stored = try await store.account(at: directory) else { throw IssuanceError.noAccount(directory: directory) }
        return (stored, account)
    }

    /// Changes the contacts (RFC 8555 §7.3.2), or agrees to the CA's present terms of service (§7.3.3).
    /// - Parameter contact: `nil` leaves them as they are.
    public func update(_ directory: ACMEURL, contact: [Contact]?, agreesToTerms: Bool = false) async throws -> Account {
        let client = try await client(for: directory)
        let terms = agreesToTerms ? try await client.directory().termsOfService : nil
        // Some CAs refuse an update without contacts as an empty one.
        let kept = agreesToTerms ? try await store.account(at: directory)?.contact : nil
        let update = AccountUpdate(
            contact: contact?.map(\.text) ?? kept.flatMap { $0.isEmpty ? nil : $0 }, termsOfServiceAgreed: agreesToTerms ? true : nil)
        let account = try await asked(directory) {
            do { return try await client.updateAccount(update) } catch let error as ACMEClientError
                where update.contact == nil && error.problem?.kind == .malformed
            {
                // RFC 8555 §7.3.3 leaves it to the page that the CA names how its user agrees.
                observer(.warning("the CA takes no agreement from this program: the page that it named when it refused does"))
                return try await client.fetchAccount()
            }
        }
        if var stored = try await store.account(at: directory) {
            guard account.status == .valid else { throw closed(stored, nil) }
            if contact != nil { stored.contact = account.contact }
            if let terms { stored.termsOfService = terms }
            try await store.save(stored)
        }
        return account
    }

    /// Deactivates the account permanently (RFC 8555 §7.3.6) and records that; its key stays.
    public func deactivate(_ directory: ACMEURL) async throws {
        let client = try await client(for: directory)
        guard try await asked(directory, { try await client.deactivateAccount() }).status != .valid else {
            throw IssuanceError.unexpectedAnswer("the CA answers that the account is still valid")
        }
        guard var stored = try await store.account(at: directory) else { return }
        stored.isDeactivated = true
        try await store.save(stored)
    }

    /// Runs a request about the account. If the CA answers `unauthorized`, the account is closed.
    private func asked(_ directory: ACMEURL, _ body: () async throws -> Account) async throws -> Account {
        do { return try await body() } catch let error as ACMEClientError where error.problem?.kind == .unauthorized {
            guard let stored = try await store.account(at: directory) else { throw error }
            throw closed(stored, error.problem)
        }
    }

    func client(_ directory: ACMEURL) -> ACMEClient {
        ACMEClient(directory: directory, transport: transport, time: time, observer: IssuanceEvent.forward(to: observer))
    }
}

extension IssuanceEvent {
    /// Forwards a client's events to an observer of the flow.
    public static func forward(to observer: @escaping IssuanceObserver) -> @Sendable (ACMEClientEvent) -> Void {
        { event in
            switch event {
            case .signed(let request, let url, let key): observer(.signed(request, url: url, key: key))
            case .waiting(let duration, let reason): observer(.waiting(seconds: duration.inSeconds, reason: reason))
            case .asking(let url): observer(.asking(url.origin))
            case .nonceRefused(_, let url): observer(.nonceRefused(url: url))
            case .exchanged: break
            }
        }
    }
}
