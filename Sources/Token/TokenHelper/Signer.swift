import PKCS11
import TokenProtocol

/// Answers requests for signatures on one thread.
struct Signer {
    let keeper: TokenKeeper

    /// Signs `input` with the key that has this id, label and public half. Searches again after a stale handle,
    /// replaces a lost session, and recovers from a lost login or a failing device, each once. Then it returns the
    /// failure.
    func sign(
        _ reference: TokenKeyReference, _ mechanism: SigningMechanism, _ input: [UInt8]
    ) -> Result<[UInt8], TokenFailure> {
        var hasFoundAgain = false
        var hasNewSession = false
        var hasRecovered = false
        while true {
            guard let service = keeper.currentService() else {
                if let failure = keeper.reopen() { return .failure(failure) }
                continue
            }
            let lease: SessionPool.Lease
            do {
                lease = try service.pool.checkOut()
            } catch {
                let failure = TokenFailure(error)
                let generation = service.pool.generation
                guard !hasRecovered, let call = error.cryptoki, Recovery(for: call.returnValue) == .device else { return .failure(failure) }
                hasRecovered = true
                if let reason = keeper.recover(from: generation, after: failure) { return .failure(reason) }
                continue
            }

            let trouble: Trouble
            do {
                let signature = try attempt(reference, mechanism, input, lease, service)
                service.pool.checkIn(lease, reusable: true)
                keeper.noteSuccess()
                return .success(signature)
            } catch {
                trouble = error
            }
            service.pool.checkIn(lease, reusable: trouble.isSessionReusable)
            var recovery = trouble.recovery
            if recovery == .device, !hasNewSession { recovery = .newSession }
            switch recovery {
            case .findAgain where !hasFoundAgain:
                hasFoundAgain = true
                service.cache.remove(reference)
            case .newSession where !hasNewSession:
                hasNewSession = true
                service.cache.remove(reference)
            case .newSession where !hasRecovered, .logInAgain where !hasRecovered, .device where !hasRecovered:
                hasRecovered = true
                if let reason = keeper.recover(from: lease.generation, after: trouble.failure) { return .failure(reason) }
            default:
                return .failure(trouble.failure)
            }
        }
    }

    /// A failed try: what to report, what may help, and whether the session is usable.
    private struct Trouble: Error {
        let failure: TokenFailure
        let recovery: Recovery
        let isSessionReusable: Bool

        init(_ failure: TokenFailure, recovery: Recovery = .none, isSessionReusable: Bool) {
            self.failure = failure
            self.recovery = recovery
            self.isSessionReusable = isSessionReusable
        }

        init(_ error: PKCS11Error) {
            failure = TokenFailure(error)
            if let call = error.cryptoki {
                recovery = Recovery(for: call.returnValue)
                // A stale handle is noticed before an operation starts; after any other failure one may still be
                // active.
                isSessionReusable = recovery == .findAgain
            } else {
                recovery = .none
                isSessionReusable = if case .signatureLength = error { false } else { true }
            }
        }
    }

    private func attempt(
        _ reference: TokenKeyReference, _ mechanism: SigningMechanism, _ input: [UInt8], _ lease: SessionPool.Lease,
        _ service: TokenKeeper.Service
    ) throws(Trouble) -> [UInt8] {
        let key = try service.cache.key(reference, generation: lease.generation) { () throws(Trouble) in
            try find(reference, lease, service)
        }
        var refusal: TokenFailure?
        do throws(PKCS11Error) {
            // The token's flags decide whether the PIN may be given. Read them before C_SignInit: nothing may come
            // between it and C_Login.
            let token = key.alwaysAuthenticate ? try lease.session.module.tokenInfo(slot: lease.session.slot) : nil
            return try lease.session.sign(input, with: key, SignatureScheme(mechanism)) { session throws(PKCS11Error) in
                do throws(TokenFailure) {
                    guard let token else { throw TokenFailure(.device, message: "the token's flags are not known") }
                    try keeper.authenticate(session, token: token)
                } catch {
                    refusal = error
                    throw .unsupported(reason: "the key needs the PIN for each signature")
                }
            }
        } catch {
            if let refusal { throw Trouble(refusal, isSessionReusable: false) }
            throw Trouble(error)
        }
    }

    private func find(
        _ reference: TokenKeyReference, _ lease: SessionPool.Lease, _ service: TokenKeeper.Service
    ) throws(Trouble) -> KeyObject {
        let key: KeyObject
        do {
            key = try lease.session.key(id: reference.id, label: Array(reference.label.utf8))
        } catch {
            // A token that has lost the login hides its private keys.
            if error == .noKey, service.hasPIN, (try? lease.session.isLoggedIn()) == false {
                throw Trouble(
                    TokenFailure(.sessionLost, message: "the token has lost the login"), recovery: .logInAgain, isSessionReusable: false)
            }
            throw Trouble(error)
        }
        guard key.spki == reference.spki else {
            throw Trouble(
                TokenFailure(
                    .keyMismatch, message: "the token's key \"\(reference.label)\" is not the one that was pinned",
                    hint: "a key of this name was replaced in the token; adopt it under another name"),
                isSessionReusable: true)
        }
        return key
    }
}
