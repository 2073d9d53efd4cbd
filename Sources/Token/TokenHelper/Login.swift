import PKCS11
import TokenProtocol

/// Logs in to a token with the PIN from its file, one try for each PIN value, and none when the token says that tries are running out.
struct Login {
    let configuration: TokenConfiguration

    /// Logs all sessions of the process in, through `session`. Throws why not; the session stays usable.
    func logIn(_ session: Session, token: TokenInfo) throws(TokenFailure) {
        guard let source = configuration.pinSource else { return }
        if try failing({ () throws(PKCS11Error) in try session.isLoggedIn() }) { return }
        let module = session.module.path
        try attempt(source, unless: { Self.refusal(by: token, module: module) }) { (pin: borrowing PIN) throws(PKCS11Error) in
            try session.logIn(pin)
        }
    }

    /// The login that a key with CKA_ALWAYS_AUTHENTICATE wants between C_SignInit and C_Sign.
    func authenticate(_ session: Session) throws(TokenFailure) {
        guard let source = configuration.pinSource else {
            throw TokenFailure(.pinUnavailable, message: "the key wants the PIN for each signature, and no PIN file is configured")
        }
        try attempt(source) { (pin: borrowing PIN) throws(PKCS11Error) in try session.authenticate(pin) }
    }

    /// Why the token's flags forbid a try. They can lie (OpenSC #871), but only a person can know.
    private static func refusal(by token: TokenInfo, module: String) -> TokenFailure? {
        if token.isPINLocked {
            return TokenFailure(.pinLocked, message: "the token's user PIN is locked", hint: "unlock it with the security officer's PIN")
        }
        if token.isPINCountLow {
            return TokenFailure(
                .pinLocked, message: "a wrong PIN was given to the token and few tries are left, so none is made",
                hint: "log in by hand, which sets the count back: "
                    + "pkcs11-tool --module \(module) --token-label \"\(token.label)\" --login --list-objects")
        }
        return nil
    }

    private func attempt(
        _ source: String, unless refusal: () -> TokenFailure? = { nil }, _ login: (borrowing PIN) throws(PKCS11Error) -> Void
    ) throws(TokenFailure) {
        let pin: PIN
        do {
            pin = try PIN(file: source)
        } catch {
            throw TokenFailure(error, path: source)
        }
        let memory = PINMemory(folder: configuration.stateDirectory, tokenName: configuration.name)
        if memory.holds(pin) {
            throw TokenFailure(
                .pinNotTriedAgain, message: "this PIN was tried before and no success is known of, so it is not tried again",
                hint: "correct \"\(source)\"; if the PIN is right, remove \"\(memory.path)\"")
        }
        if let refusal = refusal() { throw refusal }
        do {
            try memory.record(pin)
        } catch {
            throw TokenFailure(
                .pinUnavailable, message: "no login is tried, because \"\(memory.path)\" cannot be written: \(error)",
                hint: "the try has to be remembered before it is made")
        }
        do {
            try login(pin)
        } catch {
            if let call = error.cryptoki, Recovery.pinWasNotJudged(call.returnValue) { memory.forget() }
            throw TokenFailure(error)
        }
        memory.forget()
    }
}
