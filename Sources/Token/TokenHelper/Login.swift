import CPKCS11
import PKCS11
import TokenProtocol

/// Logs in to a token with the PIN from its file, as often as `PINAttempts` allows.
struct Login {
    let configuration: TokenConfiguration
    private let clock = ContinuousClock()
    /// When a try of this process ended without an answer about the PIN.
    private var lastUnclear: ContinuousClock.Instant?
    /// A try whose result could not be stored. That costs nothing yet; it is stored later.
    private(set) var unsettled: Unsettled?

    struct Unsettled: Sendable {
        let mark: PINAttempts.Mark
        let answer: PINAttempts.Answer
        let serial: String
    }

    init(configuration: TokenConfiguration) { self.configuration = configuration }

    /// Logs in all sessions of the process, through `session`. Throws the reason if it cannot; the session stays
    /// usable.
    mutating func logIn(_ session: Session, token: TokenInfo) throws(TokenFailure) {
        guard let source = configuration.pinSource else { return }
        if try failing({ () throws(PKCS11Error) in try session.isLoggedIn() }) { return }
        let module = session.module.path
        try attempt(source, token: token, module: module, isAwake: { () throws(PKCS11Error) in try session.keepAlive() }) {
            (pin: borrowing PIN) throws(PKCS11Error) in try session.logIn(pin)
        }
    }

    /// The login that a key with CKA_ALWAYS_AUTHENTICATE needs between C_SignInit and C_Sign.
    /// - Parameter token: Read before C_SignInit, since nothing may come in between (OpenSC #1071).
    mutating func authenticate(_ session: Session, token: TokenInfo) throws(TokenFailure) {
        guard let source = configuration.pinSource else {
            throw TokenFailure(.pinUnavailable, message: "the key needs the PIN for each signature, and no PIN file is configured")
        }
        // Nothing may come in between here either; the device has just taken C_SignInit.
        try attempt(source, token: token, module: session.module.path, isAwake: { () throws(PKCS11Error) in }) {
            (pin: borrowing PIN) throws(PKCS11Error) in try session.authenticate(pin)
        }
    }

    /// Stores the result of an earlier try, if that failed then.
    mutating func settle() {
        guard let unsettled, let memory = try? memory(serial: unsettled.serial), var attempts = try? memory.load() else { return }
        attempts.end(unsettled.mark, unsettled.answer)
        guard (try? memory.store(attempts)) != nil else { return }
        self.unsettled = nil
    }

    private static func pin(in source: String) throws(TokenFailure) -> PIN {
        do {
            return try PIN(file: source)
        } catch {
            throw TokenFailure(error, path: source)
        }
    }

    /// Why a PIN file cannot be used for a login. Makes no try.
    static func fault(ofPINIn source: String) -> TokenFailure? {
        do throws(TokenFailure) {
            _ = try pin(in: source)
            return nil
        } catch { return error }
    }

    private func memory(serial: String) throws(TokenFailure) -> PINMemory {
        do {
            return try PINMemory(folder: configuration.stateDirectory, tokenName: configuration.name, serial: serial)
        } catch {
            throw TokenFailure(error)
        }
    }

    /// Compares with each record, since each has its own salt.
    private static func record(of pin: borrowing PIN, in attempts: PINAttempts) -> PINAttempts.Record? {
        for record in attempts.records where pin.tag(salt: record.mark.salt) == record.mark.tag { return record }
        return nil
    }

    private static func load(_ memory: PINMemory) throws(TokenFailure) -> PINAttempts {
        do {
            return try memory.load()
        } catch {
            throw TokenFailure(error)
        }
    }

    /// - Parameter isAwake: Has the device do something that needs no login; throws if the device does not.
    private mutating func attempt(
        _ source: String, token: TokenInfo, module: String, isAwake: () throws(PKCS11Error) -> Void,
        _ login: (borrowing PIN) throws(PKCS11Error) -> Void
    ) throws(TokenFailure) {
        settle()
        let pin = try Self.pin(in: source)
        let memory = try self.memory(serial: token.serialNumber)
        var attempts = try Self.load(memory)
        let known = Self.record(of: pin, in: attempts)
        let mark: PINAttempts.Mark
        do {
            if let known {
                mark = known.mark
            } else {
                let salt = try PINMemory.newSalt()
                mark = PINAttempts.Mark(salt: salt, tag: pin.tag(salt: salt))
            }
        } catch {
            throw TokenFailure(.pinUnavailable, message: "no login is tried, because the system provides no random numbers: \(error)")
        }
        do {
            try attempts.begin(mark, flags: PINAttempts.Flags(isLocked: token.isPINLocked, isCountLow: token.isPINCountLow))
        } catch {
            throw TokenFailure(
                error, source: source, memory: memory.path, token: token, module: module, environment: configuration.environment)
        }
        if known != nil { try waitForDevice(isAwake) }
        do {
            try memory.store(attempts)
        } catch {
            throw TokenFailure(
                .pinUnavailable, message: "no login is tried, because \"\(memory.path)\" cannot be written: \(error.reason)",
                hint: "a login must be recorded before the token sees the PIN")
        }
        var failure: PKCS11Error?
        do {
            try login(pin)
        } catch {
            failure = error
        }
        let answer = Self.answer(failure)
        if answer == .unclear { lastUnclear = clock.now }
        attempts.end(mark, answer)
        if answer != .unclear {
            do {
                try memory.store(attempts)
            } catch {
                unsettled = Unsettled(mark: mark, answer: answer, serial: token.serialNumber)
                Log.warning("the result of a login cannot be written to \"\(memory.path)\" and will be written later: \(error.reason)")
            }
        }
        if let failure, failure.cryptoki?.returnValue.rawValue != CKR_USER_ALREADY_LOGGED_IN { throw TokenFailure(failure) }
    }

    /// The second try of a PIN is the last, so it must not fail for the same reason as the first.
    private func waitForDevice(_ isAwake: () throws(PKCS11Error) -> Void) throws(TokenFailure) {
        if let lastUnclear, clock.now - lastUnclear < Self.pauseBeforeSecondTry {
            throw TokenFailure(
                .device, message: "the token did not say whether the PIN is right; the second and last try follows in a moment")
        }
        try failing(isAwake)
    }

    private static func answer(_ failure: PKCS11Error?) -> PINAttempts.Answer {
        guard let failure else { return .accepted }
        guard let call = failure.cryptoki else { return .unclear }
        if Recovery.pinWasNotJudged(call.returnValue) { return .notTaken }
        return Recovery(for: call.returnValue) == .never ? .refused : .unclear
    }

    /// Shorter than the time after which the daemon asks for the second time. `isAwake` decides whether the device has
    /// recovered.
    private static let pauseBeforeSecondTry = Duration.seconds(1)
}

extension TokenFailure {
    fileprivate init(
        _ refusal: PINAttempts.Refusal, source: String, memory: String, token: TokenInfo, module: String,
        environment: [String: String]
    ) {
        // The module reads what it reads in the helper.
        let variables = environment.sorted { $0.key < $1.key }.map { "\($0.key)=\"\($0.value)\" " }.joined()
        let byHand = "\(variables)pkcs11-tool --module \(module) --token-label \"\(token.label)\" --login --list-objects"
        switch refusal {
        case .refusedBefore:
            self.init(
                .pinNotTriedAgain, message: "this PIN was tried before and was not accepted, so it is not tried again",
                hint: "correct \"\(source)\"; if the PIN is right, remove \"\(memory)\"")
        case .triedTwice:
            self.init(
                .pinNotTriedAgain, message: "this PIN was tried twice without an answer from the token, so it is not tried again",
                hint: "check that the token works and the PIN is right (\(byHand)), then remove \"\(memory)\"")
        case .tooManyValues:
            self.init(
                .pinNotTriedAgain,
                message: "\(PINAttempts.mostRecords) other PINs were tried and none has been accepted since, so no further PIN is tried",
                hint: "log in by hand (\(byHand)), correct \"\(source)\", then remove \"\(memory)\"")
        case .locked:
            self.init(.pinLocked, message: "the token's user PIN is locked", hint: "unlock it with the security officer's PIN")
        case .countLow:
            self.init(
                .pinLocked, message: "the token reports that few PIN tries are left, so no login is tried",
                hint: "log in by hand as the agent's user, which resets the token's count: \(byHand)")
        }
    }

    fileprivate init(_ failure: PINMemory.Failure) {
        switch failure {
        case .unreadable(let error):
            self.init(
                .pinUnavailable, message: "no login is tried, because \"\(error.path)\" cannot be read: \(error.reason)",
                hint: "it records which PINs were tried")
        case .damaged(let path):
            self.init(
                .pinNotTriedAgain, message: "no login is tried, because \"\(path)\", which records which PINs were tried, is damaged",
                hint: "check that the PIN is right, then remove the file")
        case .newer(let path, let version):
            self.init(
                .pinNotTriedAgain,
                message: "no login is tried, because \"\(path)\" was written by a newer acme-agent (format \(version))",
                hint: "install that version again, or check that the PIN is right and remove the file")
        case .busy(let path):
            self.init(
                .device, message: "no login is tried, because another process is logging in to the same token",
                hint: "it holds the lock on \"\(path)\"")
        }
    }
}
