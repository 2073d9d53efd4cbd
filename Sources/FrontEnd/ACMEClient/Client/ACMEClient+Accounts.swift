import ACME

/// An account with its URL.
public struct RegisteredAccount: Sendable {
    /// The account's URL: the `kid` of its requests.
    public var url: ACMEURL
    /// The account as the CA sent it.
    public var account: Account
    /// Whether the request created it; `false` if the key already had an account (RFC 8555 §7.3.1).
    public var isNew: Bool
}

extension ACMEClient {
    /// Creates an account for the signer's key, or finds the existing one (RFC 8555 §7.3). Later requests use its URL.
    /// - Throws: `ACMEClientError`; a `.problem` of kind `userActionRequired` if the terms of service were not agreed
    ///   to.
    public func newAccount(_ request: NewAccount) async throws -> RegisteredAccount {
        guard let signer else { throw ACMEClientError.noAccount }
        let directory = try await directory(), url = directory.newAccount
        let response = try await post(.newAccount(request), to: url, as: .key(signer), accept: MediaType.json)
        let location = try location(response, url: url)
        try checkMade(location, directory, of: url)
        use(account: location)
        let account = try await account(response, url: url)
        return RegisteredAccount(url: location, account: account, isNew: response.status == 201)
    }

    /// The account in an answer to newAccount. For an existing account some CAs send only its URL; it is then fetched.
    private func account(_ response: HTTPResponse, url: ACMEURL) async throws -> Account {
        guard response.body.isEmpty, let own = account else { return try document(response, url: url, as: Account.self) }
        guard response.status != 201 else { return Account(status: .valid) }
        let answer = try await post(.postAsGet, to: own, accept: MediaType.json)
        return answer.body.isEmpty ? Account(status: .valid) : try document(answer, url: own, as: Account.self)
    }

    /// The account of the signer's key (RFC 8555 §7.3.1); `nil` if there is none.
    public func findAccount() async throws -> RegisteredAccount? {
        do {
            return try await newAccount(NewAccount(onlyReturnExisting: true))
        } catch let error as ACMEClientError where error.problem?.kind == .accountDoesNotExist {
            return nil
        }
    }

    /// The account as the CA has it (RFC 8555 §7.3).
    public func fetchAccount() async throws -> Account { try await account(.postAsGet) }

    /// Changes contacts or agrees to new terms (RFC 8555 §7.3.2).
    public func updateAccount(_ update: AccountUpdate) async throws -> Account { try await account(.updateAccount(update)) }

    /// Deactivates the account permanently (RFC 8555 §7.3.6).
    public func deactivateAccount() async throws -> Account { try await account(.deactivateAccount) }

    /// Changes the account's key to the agent's key `newKey` (RFC 8555 §7.3.5). Afterwards this client's signer is
    /// obsolete.
    public func changeKey(to newKey: KeyName) async throws {
        guard let url = try await directory().keyChange else { throw ACMEClientError.notOffered("keyChange", directory: directoryURL) }
        _ = try await post(.keyChange(newKey: newKey), to: url)
    }

    private func account(_ request: ACMERequest) async throws -> Account {
        guard let url = account else { throw ACMEClientError.noAccount }
        let response = try await post(request, to: url, accept: MediaType.json)
        // Some CAs answer without a body.
        guard response.body.isEmpty else { return try document(response, url: url, as: Account.self) }
        return Account(status: request == .deactivateAccount ? .deactivated : .valid)
    }
}
