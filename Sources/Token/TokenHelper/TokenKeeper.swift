import Glibc
import KeyEncoding
import PKCS11
import Synchronization
import TokenProtocol

/// Keeps one token usable: loads its module, finds the token, holds the login in an anchor session, and recovers when
/// the device or a session fails. Used by the control thread and, for recovery, by signing threads; the second caller
/// waits and finds the work done.
final class TokenKeeper: Sendable {
    /// What signing threads need.
    struct Service: Sendable {
        let pool: SessionPool
        let cache: KeyCache
        /// Whether there is a PIN to log in with.
        let hasPIN: Bool
    }

    private struct State {
        var configuration: TokenConfiguration?
        var module: Module?
        var pool: SessionPool?
        /// Holds the login; sessions of the pool come and go, and the last one to close would end it (SoftHSM #464).
        var anchor: Session?
        var information: TokenInformation?
        var failure = TokenFailure(.invalidRequest, message: "the token has not been opened yet")
        var pace = RecoveryPace()
        /// Recoveries since something last worked.
        var vainRecoveries = 0
        /// The token gave random bytes when it was opened, so it has failed when it gives none.
        var givesRandom = false
        /// While the token is closed: whether the device still answered when it was closed, and the PIN file's stamp
        /// before the last try to open it.
        var didAnswer = false
        var pinFile: FileStamp?
        /// The keys' handles are to be looked up in advance.
        var isPrepared = false
        var isListingDue = false
        /// What the daemon was told last: whether the token is open. Nil before the first report.
        var toldOpen: Bool?
        /// What the process used once the token was open, in bytes.
        var memoryAtOpening: Int?
    }

    private let state = Mutex(State())
    private let service = Mutex<Service?>(nil)
    /// Tries of the PIN run one after another, so that a wrong one is noticed before the next. Locked after `state` or
    /// alone.
    private let login = Mutex<Login?>(nil)
    let cache = KeyCache()
    /// Rings when it is time for `announcement` and `listKeys`.
    let alarm = Alarm()
    /// Threads that want to recover the token and must not wait for a listing.
    private let recoveries = Atomic(0)
    private let hasWorked = Atomic(false)
    private let beginning = ContinuousClock.now
    private var now: Duration { ContinuousClock.now - beginning }

    /// What signing threads use now, or nil before the token was opened.
    func currentService() -> Service? { service.withLock { $0 } }

    /// Logs in for one signature of a key with CKA_ALWAYS_AUTHENTICATE.
    /// - Parameter token: Read before the operation started.
    func authenticate(_ session: Session, token: TokenInfo) throws(TokenFailure) {
        // Not under the state's lock: a recovery that holds it may be waiting for this very session to come back.
        let result = login.withLock { login -> Result<Void, TokenFailure> in
            Result { () throws(TokenFailure) in
                guard login != nil else { throw TokenFailure(.invalidRequest, message: "the token has not been opened yet") }
                try login?.authenticate(session, token: token)
            }
        }
        try result.get()
    }

    /// A signature or another call succeeded: the last recovery, if any, was enough.
    func noteSuccess() {
        // A plain load first: the cache line stays shared between the threads.
        if !hasWorked.load(ordering: .relaxed) { hasWorked.store(true, ordering: .relaxed) }
    }

    // MARK: Opening

    /// Opens the token of `configuration`. A second call with the same one retries what failed, or reports the state.
    func open(_ configuration: TokenConfiguration) -> Result<TokenInformation, TokenFailure> {
        state.withLock { state in
            if let known = state.configuration, known != configuration {
                return .failure(TokenFailure(.invalidRequest, message: "this helper serves another token"))
            }
            guard Self.isFileName(configuration.name) else {
                return .failure(TokenFailure(.invalidRequest, message: "the token's name cannot be part of a file's name"))
            }
            if state.configuration == nil { login.withLock { $0 = Login(configuration: configuration) } }
            state.configuration = configuration
            return told(status(&state), &state)
        }
    }

    /// The token's state; tries to open the token again if that failed.
    func status() -> Result<TokenInformation, TokenFailure> { state.withLock { told(status(&$0), &$0) } }

    private func status(_ state: inout State) -> Result<TokenInformation, TokenFailure> {
        login.withLock { $0?.settle() }
        guard let configuration = state.configuration else { return .failure(state.failure) }
        if state.information != nil { state.information?.pinFault = configuration.pinSource.flatMap(Login.fault(ofPINIn:)) }
        if let information = state.information { return .success(information) }
        return open(configuration, &state)
    }

    /// The token's state; tries to open the token again, with C_Finalize only if something has changed since that
    /// failed: the device answers now and did not then, or the PIN file is another one. Never tries a PIN that was
    /// judged.
    func look() -> Result<TokenInformation, TokenFailure> {
        state.withLock { state in
            if state.information == nil, let configuration = state.configuration {
                guard let module = state.module, !hasChanged(configuration, state) else { return told(open(configuration, &state), &state) }
                if !state.failure.isAboutPIN { return told(openInitialised(module, configuration, &state), &state) }
            }
            return told(state.information.map { .success($0) } ?? .failure(state.failure), &state)
        }
    }

    /// Finds and logs in, in a module that stays as it is. The device may have answered all the time, and only what the
    /// login needs have failed.
    private func openInitialised(
        _ module: Module, _ configuration: TokenConfiguration, _ state: inout State
    ) -> Result<TokenInformation, TokenFailure> {
        do throws(TokenFailure) {
            if !module.isInitialized { try failing { () throws(PKCS11Error) in try module.initialize() } }
            return .success(try unlock(module, configuration, &state))
        } catch {
            close(error, &state)
            return .failure(error)
        }
    }

    private func hasChanged(_ configuration: TokenConfiguration, _ state: borrowing State) -> Bool {
        if let source = configuration.pinSource, FileStamp(path: source) != state.pinFile { return true }
        guard !state.didAnswer, let module = state.module else { return false }
        return answers(module, configuration)
    }

    /// Whether the token is present, opens a session and does something in it.
    private func answers(_ module: Module, _ configuration: TokenConfiguration) -> Bool {
        guard let uri = try? TokenURI(configuration.uri), let token = try? module.token(matching: uri),
            let session = try? Session(module: module, slot: token.slot, readWrite: false)
        else { return false }
        return (try? session.keepAlive()) != nil
    }

    private func told(
        _ result: Result<TokenInformation, TokenFailure>, _ state: inout State
    ) -> Result<TokenInformation, TokenFailure> {
        state.toldOpen = state.information != nil
        return result
    }

    /// The token's state, if it differs from what the daemon was told last.
    func announcement() -> Result<TokenInformation, TokenFailure>? {
        state.withLock { state in
            guard let toldOpen = state.toldOpen, toldOpen != (state.information != nil) else { return nil }
            return told(state.information.map { .success($0) } ?? .failure(state.failure), &state)
        }
    }

    /// Loads, initialises, finds, logs in. Leaves the state open, or closed with a failure.
    private func open(_ configuration: TokenConfiguration, _ state: inout State) -> Result<TokenInformation, TokenFailure> {
        state.pinFile = configuration.pinSource.flatMap { FileStamp(path: $0) }
        do throws(TokenFailure) {
            let module: Module
            if let loaded = state.module {
                module = loaded
                // Modules look for tokens when they are initialised. Nobody is inside: nothing was open. One that cannot be
                // finalised may find its token nevertheless.
                do { try module.finalize() } catch { Log.warning("\(error)") }
                try failing { () throws(PKCS11Error) in try module.initialize() }
            } else {
                module = try load(configuration)
                state.module = module
            }
            return .success(try unlock(module, configuration, &state))
        } catch {
            close(error, &state)
            return .failure(error)
        }
    }

    private func load(_ configuration: TokenConfiguration) throws(TokenFailure) -> Module {
        let path = try ModuleTrust.resolve(configuration.module)
        // Before the module is loaded, and before any thread reads the environment.
        // Which folder has credentials is systemd's to say; the daemon has passed it on.
        for (name, value) in configuration.environment where name != "CREDENTIALS_DIRECTORY" { setenv(name, value, 1) }
        return try failing { () throws(PKCS11Error) in
            let module = try Module(path: path)
            try module.initialize()
            return module
        }
    }

    private func unlock(
        _ module: Module, _ configuration: TokenConfiguration, _ state: inout State
    ) throws(TokenFailure) -> TokenInformation {
        let uri = try failing { () throws(PKCS11Error) in try TokenURI(configuration.uri) }
        let token = try failing { () throws(PKCS11Error) in try module.token(matching: uri) }
        let anchor = try failing { () throws(PKCS11Error) in try Session(module: module, slot: token.slot, readWrite: true) }
        let result = login.withLock { login in
            Result { () throws(TokenFailure) in try login?.logIn(anchor, token: token) }
        }
        _ = try result.get()
        let isLoggedIn = try failing { () throws(PKCS11Error) in try anchor.isLoggedIn() }
        let types = try failing { () throws(PKCS11Error) in try anchor.supportedKeyTypes() }

        state.givesRandom = (try? anchor.keepAlive()) != nil

        let pool = state.pool ?? SessionPool(module: module, capacity: configuration.pool, readWrite: false)
        pool.open(slot: token.slot)
        state.isListingDue = state.isPrepared
        alarm.ring()
        state.pool = pool
        state.anchor = anchor
        let information = TokenInformation(
            label: token.label, manufacturer: token.manufacturer, model: token.model, serial: token.serialNumber,
            algorithms: types.compactMap { $0.algorithm }, isLoggedIn: isLoggedIn)
        state.information = information
        if state.memoryAtOpening == nil { state.memoryAtOpening = MemoryWatch.residentBytes }
        service.withLock { $0 = Service(pool: pool, cache: cache, hasPIN: configuration.pinSource != nil) }
        return information
    }

    private func close(_ failure: TokenFailure, _ state: inout State) {
        service.withLock { $0 = nil }
        state.pool?.drain()
        state.anchor = nil
        state.information = nil
        state.failure = failure
        if let module = state.module, let configuration = state.configuration { state.didAnswer = answers(module, configuration) }
        alarm.ring()
    }

    /// Tries to open a lost token again when somebody wants to use it, as often as the pace allows.
    func reopen() -> TokenFailure? {
        state.withLock { state in
            guard state.information == nil else { return nil }
            guard let configuration = state.configuration else { return state.failure }
            guard state.pace.allows(at: now) else { return state.failure }
            if case .failure(let failure) = open(configuration, &state) { return failure }
            return nil
        }
    }

    // MARK: Recovery

    /// Recovers the token after a call failed in a session of `generation`: first with a new login; with C_Finalize and
    /// C_Initialize if that did not help; finally with a new process. As often as the pace allows: at once if the token
    /// had worked and no longer answers. The PIN is read again from its source, under the same rules as the first time.
    ///
    /// Nil if a retry makes sense, else the reason why not. The caller must hold no session of the pool.
    func recover(from generation: UInt64, after failure: TokenFailure) -> TokenFailure? {
        recoveries.add(1, ordering: .relaxed)
        defer { recoveries.subtract(1, ordering: .relaxed) }
        return state.withLock { state in
            guard let module = state.module, let configuration = state.configuration, let pool = state.pool else { return state.failure }
            // Another thread was faster.
            guard pool.generation == generation else { return state.information == nil ? state.failure : nil }
            let hadWorked = hasWorked.exchange(false, ordering: .relaxed)
            if hadWorked { state.vainRecoveries = 0 }
            // One key that always fails must not have the token reopened again and again for all others. In that case
            // the anchor works.
            if hadWorked, !isAnchorWell(configuration, state) { state.pace.reset() }
            guard state.pace.allows(at: now) else { return failure }
            Log.warning("recovering the token after: \(failure)")
            state.vainRecoveries += 1
            switch state.vainRecoveries {
            case 1:
                do throws(TokenFailure) {
                    state.anchor = nil
                    _ = try unlock(module, configuration, &state)
                    return nil
                } catch {
                    guard error.kind == .device || error.kind == .sessionLost || error.kind == .noToken else {
                        close(error, &state)
                        return error
                    }
                    return initialise(configuration, &state)
                }
            case ...Self.mostVainRecoveries:
                return initialise(configuration, &state)
            default:
                // The supervisor starts a new helper, which loads the module afresh.
                Log.warning("the token did not come back; the helper exits to be restarted")
                _exit(ExitCode.tokenLost)
            }
        }
    }

    /// Whether the session that holds the login is open and logged in, and its device responds.
    private func isAnchorWell(_ configuration: TokenConfiguration, _ state: borrowing State) -> Bool {
        guard let anchor = state.anchor, let isLoggedIn = try? anchor.isLoggedIn() else { return false }
        if configuration.pinSource != nil, !isLoggedIn { return false }
        return !state.givesRandom || (try? anchor.keepAlive()) != nil
    }

    private func initialise(_ configuration: TokenConfiguration, _ state: inout State) -> TokenFailure? {
        service.withLock { $0 = nil }
        // C_Finalize while a thread signs is undefined: wait until all sessions are returned.
        state.pool?.drain()
        state.anchor = nil
        state.information = nil
        switch open(configuration, &state) {
        case .success: return nil
        case .failure(let failure): return failure
        }
    }

    // MARK: Management

    /// Runs `body` with the anchor session; one caller at a time, which also makes key generation serial (SoftHSM
    /// #573). Recovers once from a lost session or login, under the rules of `recover`.
    func withAnchor<Value: Sendable>(_ body: (Session) throws(PKCS11Error) -> Value) -> Result<Value, TokenFailure> {
        withAnchorAndGeneration(body).map { $0.value }
    }

    /// - Parameter isRepeatable: False for what must not be done twice: once tried, it is not tried again, and the
    ///   token is not recovered.
    func withAnchorAndGeneration<Value: Sendable>(
        isRepeatable: Bool = true, _ body: (Session) throws(PKCS11Error) -> Value
    ) -> Result<(value: Value, generation: UInt64), TokenFailure> {
        var isSecondTry = false
        while true {
            let (result, generation) = state.withLock { state -> (Result<Value, PKCS11Error>?, UInt64) in
                guard let anchor = state.anchor, let pool = state.pool else { return (nil, 0) }
                do throws(PKCS11Error) {
                    return (.success(try body(anchor)), pool.generation)
                } catch {
                    return (.failure(error), pool.generation)
                }
            }
            guard let result else {
                guard !isSecondTry else { return .failure(state.withLock { $0.failure }) }
                if let stillFailing = reopen() { return .failure(stillFailing) }
                isSecondTry = true
                continue
            }
            switch result {
            case .success(let value):
                noteSuccess()
                return .success((value, generation))
            case .failure(let error):
                let failure = TokenFailure(error)
                guard isRepeatable, !isSecondTry, let call = error.cryptoki, Self.isLost(call.returnValue) else {
                    return .failure(failure)
                }
                if let stillFailing = recover(from: generation, after: failure) { return .failure(stillFailing) }
                isSecondTry = true
            }
        }
    }

    /// From now on `listKeys` looks up the keys' handles in advance.
    func prepare() {
        state.withLock { state in
            state.isPrepared = true
            state.isListingDue = true
        }
        alarm.ring()
    }

    /// Looks up the handles of all keys, so that the first signature of each needs no search. A failure is ignored:
    /// signing threads search again. A large token may take minutes, so the listing is abandoned and restarted later
    /// when a thread wants to recover the token or `goOn` returns false.
    func listKeys(while goOn: () -> Bool) {
        let found = state.withLock { state -> (keys: [KeyObject]?, generation: UInt64)? in
            guard state.isListingDue, let anchor = state.anchor, let pool = state.pool else { return nil }
            state.isListingDue = false
            do {
                return (try anchor.keys { recoveries.load(ordering: .relaxed) == 0 && goOn() }, pool.generation)
            } catch {
                return nil
            }
        }
        guard let found else { return }
        if let keys = found.keys {
            remember(keys, generation: found.generation)
        } else {
            state.withLock { $0.isListingDue = true }
            alarm.ring()
        }
    }

    /// Between requests: has the device do something, so that it does not drop its session. Recovers the token if it is
    /// gone, so that the daemon knows before somebody wants a signature.
    func keepAlive() {
        login.withLock { $0?.settle() }
        guard let pool = currentService()?.pool else {
            // A device that was unplugged may be back.
            _ = reopen()
            return
        }
        let generation = pool.generation
        let trouble = state.withLock { state -> TokenFailure? in
            guard let anchor = state.anchor, let configuration = state.configuration else { return nil }
            do throws(TokenFailure) {
                try failing { () throws(PKCS11Error) in
                    // A token that never gave random numbers can still sign.
                    if state.givesRandom { try anchor.keepAlive() }
                }
                let isLoggedIn = try failing { () throws(PKCS11Error) in try anchor.isLoggedIn() }
                guard isLoggedIn || configuration.pinSource == nil else {
                    throw TokenFailure(.sessionLost, message: "the token has lost the login")
                }
                return nil
            } catch {
                return error
            }
        }
        guard let trouble else { return }
        Log.warning("the idle token did not answer: \(trouble)")
        _ = recover(from: generation, after: trouble)
    }

    /// Whether the process uses more memory than it may.
    var isGrown: Bool {
        let (beginning, mebibytes) = state.withLock { ($0.memoryAtOpening, $0.configuration?.helperMebibytes) }
        guard let beginning, let mebibytes else { return false }
        return MemoryWatch.isGrown(to: MemoryWatch.residentBytes, from: beginning, beyond: mebibytes << 20)
    }

    /// Ends the process between signatures, so that the daemon starts a new one.
    func retire() -> Never {
        let pool = currentService()?.pool
        Log.warning("the helper has grown too large and exits to be restarted")
        pool?.drain()
        _exit(ExitCode.grown)
    }

    /// Whether the anchor session or the login it holds is gone.
    static func isLost(_ returnValue: ReturnValue) -> Bool {
        switch Recovery(for: returnValue) {
        case .newSession, .logInAgain, .device: true
        case .none, .findAgain, .never: false
        }
    }

    private static func isFileName(_ name: String) -> Bool {
        !name.isEmpty && name.utf8.count <= TokenLimits.tokenName && name.utf8.first != UInt8(ascii: ".")
            && name.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "/") }
    }

    /// 0, 1 and 3 seconds after the first failure. The first begins with a new login, the others with C_Finalize.
    private static let mostVainRecoveries = 3
}

/// Runs `body`, and converts its error into what the daemon is told.
func failing<Value>(_ body: () throws(PKCS11Error) -> Value) throws(TokenFailure) -> Value {
    do {
        return try body()
    } catch {
        throw TokenFailure(error)
    }
}
