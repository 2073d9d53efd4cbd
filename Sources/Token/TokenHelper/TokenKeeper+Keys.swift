import PKCS11
import TokenProtocol

/// Making, finding and destroying keys, with the anchor session.
extension TokenKeeper {
    /// Makes a key pair, and caches its handle for its first signature.
    ///
    /// The token may have made the pair even if its call failed or its session was lost. So the token is searched for
    /// it before a second try, and before the failure says that there is none. If the search fails, the failure says
    /// that the pair may have been made.
    func generate(_ type: KeyType, id: [UInt8], label: [UInt8]) -> Result<KeyObject, TokenFailure> {
        let isIDUnique = id.count >= TokenLimits.uniqueID, needsLogin = needsLogin
        var isSecondTry = false
        while true {
            var error: PKCS11Error?
            let made = withAnchorAndGeneration(isRepeatable: false) { session throws(PKCS11Error) -> KeyObject in
                do throws(PKCS11Error) {
                    return try session.generateKeyPair(type, id: id, label: label, isIDUnique: isIDUnique, needsLogin: needsLogin)
                } catch let failed {
                    error = failed
                    throw failed
                }
            }
            var failure: TokenFailure
            switch made {
            case .success(let (key, generation)):
                remember(key, generation: generation)
                return .success(key)
            case .failure(let reason): failure = reason
            }
            // Without an error the token was not open, and was asked for nothing.
            guard let error else {
                failure.mayHaveHappened = false
                return .failure(failure)
            }
            // If the id is not unique, objects with it may be much older.
            guard isIDUnique else { return .failure(failure) }
            switch settle(id: id, label: label, type: type) {
            case .success(let key?):
                Log.warning("the token made a key but reported a failure; the key is used: \(failure)")
                return .success(key)
            case .success(nil):
                failure.mayHaveHappened = false
            case .failure(let reason):
                Log.warning("cannot find out whether the token made a key: \(reason)")
                failure.mayHaveHappened = true
                return .failure(failure)
            }
            guard !isSecondTry, let call = error.cryptoki, Self.isLost(call.returnValue) else { return .failure(failure) }
            isSecondTry = true
        }
    }

    /// What a generation with this id left in the token; see `Session.settleKeyPair`. A failure if that cannot be found
    /// out.
    func settle(id: [UInt8], label: [UInt8], type: KeyType? = nil) -> Result<KeyObject?, TokenFailure> {
        guard id.count >= TokenLimits.uniqueID else {
            return .failure(TokenFailure(.invalidRequest, message: "the agent does not make ids of \(id.count) bytes"))
        }
        let needsLogin = needsLogin
        let settled = withAnchorAndGeneration { session throws(PKCS11Error) -> KeyObject? in
            try session.settleKeyPair(id: id, label: label, type: type, needsLogin: needsLogin)
        }
        if case .success(let (key?, generation)) = settled { remember(key, generation: generation) }
        return settled.map { $0.value }
    }

    /// All keys that match `uri`, or all keys. Without a URI their handles are cached, so that the first signature of
    /// each needs no search. Fails if the login was lost meanwhile: a token shows its private keys only after a login.
    func keys(matching uri: TokenURI?) -> Result<[KeyObject], TokenFailure> {
        let needsLogin = needsLogin
        let result = withAnchorAndGeneration { session throws(PKCS11Error) -> [KeyObject] in
            let keys = if let uri { try session.keys(matching: uri) } else { try session.keys() }
            if needsLogin { try session.requireLogin() }
            return keys
        }
        // A search by URI may miss a duplicate of the key.
        if uri == nil, case .success(let (keys, generation)) = result { remember(keys, generation: generation) }
        return result.map { $0.value }
    }

    /// Destroys a key pair; succeeds if it is gone already.
    /// - Returns: False if the key of that id and label has another public half.
    func destroy(_ key: TokenKeyReference) -> Result<Bool, TokenFailure> {
        let needsLogin = needsLogin
        let result = withAnchor { session throws(PKCS11Error) -> Bool in
            try session.destroyKey(id: key.id, label: Array(key.label.utf8), spki: key.spki, needsLogin: needsLogin)
        }
        if case .success(true) = result { cache.remove(key) }
        return result
    }

    /// - Parameter keys: All keys of the token.
    func remember(_ keys: [KeyObject], generation: UInt64) {
        // A key that shares its id and label with another never signs.
        var holders: [KeyNames: Int] = [:]
        for key in keys { holders[KeyNames(id: key.id, label: key.label), default: 0] += 1 }
        for key in keys where holders[KeyNames(id: key.id, label: key.label)] == 1 { remember(key, generation: generation) }
    }

    private func remember(_ key: KeyObject, generation: UInt64) {
        if let reference = TokenKey(key)?.reference { cache.insert(key, for: reference, generation: generation) }
    }

    private struct KeyNames: Hashable {
        let id: [UInt8]
        let label: [UInt8]
    }

    /// Whether the token shows its private keys only to a logged-in session. True while the token is not open.
    private var needsLogin: Bool { currentService()?.hasPIN ?? true }
}
