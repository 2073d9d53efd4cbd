import ACME
import ACMEClient
import CertificateStore
import JOSE

/// An account that somebody wants at a CA.
public struct AccountRegistration: Sendable {
    public var directory: ACMEURL
    /// The agent's name of the account key; made where there is none.
    public var key: KeyName
    public var keyAlgorithm: KeyAlgorithm
    public var contact: [Contact]
    /// That the user agreed to the CA's terms of service, whatever their URL.
    public var agreesToTerms: Bool
    /// Name of an external account credential in the agent (RFC 8555 §7.3.4).
    public var externalAccount: String?
    /// Whether key type and external account are asked for now, so that somebody hears where they have no effect.
    public var isKeyAlgorithmWanted = false
    public var isExternalAccountWanted = false

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

    /// Makes an account, or goes on with one whose making was interrupted; a key that has an account keeps it.
    /// - Throws: `IssuanceError.termsNotAgreed`, `.externalAccountRequired`, `ACMEClientError`, `StoreError`, what the key provider says.
    public func register(_ wanted: AccountRegistration) async throws -> StoredAccount {
        var registration = wanted
        let anonymous = client(registration.directory)
        let directory = try await anonymous.directory()
        if let terms = directory.termsOfService, !registration.agreesToTerms { throw IssuanceError.termsNotAgreed(terms) }
        let kept = try await store.account(at: registration.directory)
        if wanted.contact.isEmpty { registration.contact = kept?.contact.compactMap { try? Contact($0) } ?? [] }
        // One that was deactivated makes room.
        let earlier = kept?.isDeactivated == true ? nil : kept
        var account = StoredAccount(
            directory: registration.directory, key: registration.key, contact: registration.contact.map(\.text),
            termsOfService: directory.termsOfService)
        let known = try await keys.key(named: registration.key)
        if let known, registration.isKeyAlgorithmWanted, known.algorithm != registration.keyAlgorithm {
            throw IssuanceError.noEffect(
                "the key \"\(known.name)\" is of type \(known.algorithm.rawValue) and not \(registration.keyAlgorithm.rawValue); "
                    + "no account was registered", hint: "--key NAME registers an account with another key")
        }
        if directory.externalAccountRequired, registration.externalAccount == nil, earlier?.url == nil, known == nil {
            throw IssuanceError.externalAccountRequired(directory: registration.directory)
        }
        // A credential that cannot be used is told before there is a key for nothing.
        if known == nil, let name = registration.externalAccount, let available = await keys.externalAccounts(), !available.contains(name) {
            throw IssuanceError.externalAccountMissing(name, available: available)
        }
        // Before the key is made: the next run finds its name here. An account that works is not given up for one that may not.
        if earlier?.url == nil { try await store.save(account) }
        let registered: RegisteredAccount
        do { registered = try await self.account(registration, known, earlier, wanted, anonymous) } catch {
            if earlier == nil, await isFinal(error, registration.key) {
                if let kept { try? await store.save(kept) } else { try? await store.removeAccount(at: registration.directory) }
            }
            throw error
        }
        // What this call itself says of contacts is meant for the account that is there as well.
        if !registered.isNew, !registered.account.contact.isEmpty { account.contact = registered.account.contact }
        account.url = registered.url
        try await store.save(account)
        if !registered.isNew, registration.isExternalAccountWanted, let name = registration.externalAccount {
            observer(
                .warning(
                    "the key \"\(registration.key)\" has an account already, so the external account \"\(TerminalText.safe(name, limit: 64))\" "
                        + "has no effect; --key NAME registers another account"))
        }
        observer(.accountRegistered(url: registered.url, key: registration.key, isNew: registered.isNew))
        return account
    }

    /// The CA's account of the key, found or made. A key that is made for an account which policy then refuses does not stay.
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
            // A key that was there may have an account: made by a run that was cut off before the answer.
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
            // Where agent or policy failed, the CA has heard nothing of the key.
            if key.isNew, !(error is ACMEClientError), !(error is CancellationError) {
                do {
                    try await keys.deleteKey(named: registration.key)
                    observer(.keyDeleted(name: registration.key))
                } catch {
                    observer(
                        .warning(
                            "the key \"\(registration.key)\" was made for an account that was not registered, and could not be deleted: \(error)"
                        ))
                }
            }
            throw error
        }
        // A CA may show an account that was deactivated as it would any other (RFC 8555 §7.3.1).
        guard registered.account.status == .valid else {
            throw IssuanceError.accountClosed(
                registration.key, nil, contact: registration.contact.map(\.text), directory: registration.directory)
        }
        return registered
    }

    /// Gives an account that was there the contacts that are wanted now (RFC 8555 §7.3.2). A CA that shows none may keep them all the same: then what
    /// it was told last counts.
    private func updateContacts(
        _ registered: inout RegisteredAccount, _ registration: AccountRegistration, _ earlier: StoredAccount?, _ client: ACMEClient
    ) async throws {
        let wanted = registration.contact.map(\.text)
        let shown = registered.account.contact
        let current = shown.isEmpty && earlier?.url == registered.url ? earlier?.contact ?? [] : shown
        guard !registered.isNew, !wanted.isEmpty, Set(wanted) != Set(current) else { return }
        registered.account = try await client.updateAccount(AccountUpdate(contact: wanted))
    }

    /// Whether the same registration has no better end another time, or has left nothing that another time could go on with.
    private func isFinal(_ error: any Error, _ key: KeyName) async -> Bool {
        if case .accountClosed? = error as? IssuanceError { return true }
        if (error as? any PolicyRefusal)?.isPolicyRefusal == true { return true }
        guard !(error is ACMEClientError), !(error is CancellationError) else { return false }
        do { return try await keys.key(named: key) == nil } catch { return false }
    }

    /// A client that signs for the account at this CA; no request is sent where the account's URL is known.
    /// - Throws: `IssuanceError.noAccount`, `.keyMissing`.
    public func client(for directory: ACMEURL) async throws -> ACMEClient {
        guard var account = try await store.account(at: directory) else { throw IssuanceError.noAccount(directory: directory) }
        let anonymous = client(directory)
        guard !account.isDeactivated else { throw closed(account, nil) }
        if account.nextKey != nil { account = try await settleKeyChange(account, anonymous) }
        let client = anonymous.signing(by: try await signer(account.key), account: account.url)
        if account.url == nil {
            // newAccount was sent, or not; its answer did not come here (RFC 8555 §7.3.1).
            let found: RegisteredAccount?
            do { found = try await client.findAccount() } catch let error as ACMEClientError where error.problem?.kind == .unauthorized {
                throw closed(account, error.problem)
            }
            guard let found else { throw IssuanceError.noAccount(directory: directory) }
            // A CA may answer for an account that was deactivated as it would for any other (RFC 8555 §7.3.1).
            guard found.account.status == .valid else { throw closed(account, nil) }
            account.url = found.url
            try await store.save(account)
        }
        return client
    }

    private func closed(_ account: StoredAccount, _ problem: Problem?) -> IssuanceError {
        .accountClosed(account.key, problem, contact: account.contact, directory: account.directory)
    }

    private func signer(_ name: KeyName) async throws -> any AccountSigner {
        guard let key = try await keys.key(named: name) else { throw IssuanceError.keyMissing(name) }
        return try await keys.signer(for: key)
    }

    /// The account as the CA has it; one that was deactivated elsewhere may be shown, with its status.
    public func show(_ directory: ACMEURL) async throws -> (stored: StoredAccount, account: Account) {
        let client = try await client(for: directory)
        let account = try await asked(directory) { try await client.fetchAccount() }
        guard let stored = try await store.account(at: directory) else { throw IssuanceError.noAccount(directory: directory) }
        return (stored, account)
    }

    /// Changes the contacts (RFC 8555 §7.3.2).
    public func update(_ directory: ACMEURL, contact: [Contact]) async throws -> Account {
        let client = try await client(for: directory)
        let account = try await asked(directory) { try await client.updateAccount(AccountUpdate(contact: contact.map(\.text))) }
        if var stored = try await store.account(at: directory) {
            guard account.status == .valid else { throw closed(stored, nil) }
            stored.contact = account.contact
            try await store.save(stored)
        }
        return account
    }

    /// Deactivates the account for good (RFC 8555 §7.3.6) and notes that; its key stays.
    public func deactivate(_ directory: ACMEURL) async throws {
        let client = try await client(for: directory)
        guard try await asked(directory, { try await client.deactivateAccount() }).status != .valid else {
            throw IssuanceError.unexpectedAnswer("the CA answers that the account is still valid")
        }
        guard var stored = try await store.account(at: directory) else { return }
        stored.isDeactivated = true
        try await store.save(stored)
    }

    /// What the CA says of the account. Refused by account and key that work elsewhere, the account itself is closed.
    private func asked(_ directory: ACMEURL, _ body: () async throws -> Account) async throws -> Account {
        do { return try await body() } catch let error as ACMEClientError where error.problem?.kind == .unauthorized {
            guard let stored = try await store.account(at: directory) else { throw error }
            throw closed(stored, error.problem)
        }
    }

    private func client(_ directory: ACMEURL) -> ACMEClient {
        ACMEClient(directory: directory, transport: transport, time: time, observer: IssuanceEvent.forward(to: observer))
    }
}

extension IssuanceEvent {
    /// Tells an observer of the flow what happens in a client.
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
