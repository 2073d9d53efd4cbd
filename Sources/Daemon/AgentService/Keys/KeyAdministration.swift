import ACME
import AgentInterface
import AuditTrail
import DaemonLog
import DurableFile
import JOSE
import Keyring
import NIOCore
import NIOPosix
import SigningPolicy
import TokenProtocol
import TokenSupervisor
import Varlink

/// Creates, adopts, retires and destroys keys. Off the signing path: futures are fine here, and what waits for the disk
/// does so on another thread.
///
/// A key is recorded before the token is asked for it, and its name is taken from then on. An interrupted creation is
/// settled when the token is next ready, when the name is requested, and by a timer. So no key is left in a token
/// without a name, and no name is taken by a key that was never made.
final class KeyAdministration {
    let eventLoop: any EventLoop
    private let folder: KeyFolder
    private let disk: NIOThreadPool
    let audit: AuditLog
    let tokens: TokenSet
    private let metrics: ServiceMetrics
    let logger: DaemonLogger
    private(set) var keyring: Keyring
    /// Keys that may be in creation for one user: a token makes one after another, and RSA takes seconds.
    static let makingPerUser = 8
    private var making: [UInt32: Int] = [:]
    /// Names whose creation, settling or change is under way; all other unfinished ones are leftovers.
    var underWay: Set<KeyName> = []
    /// Those of them that are being settled: a request for such a name waits for the result.
    var settling: [KeyName: EventLoopFuture<Void>] = [:]
    /// Public halves that are getting a name and are not in the keyring yet: if several callers adopt one key, one gets
    /// it.
    private var claimed: Set<[UInt8]> = []
    /// How long a leftover waits until it is examined again: at first, and at most. Each inconclusive try doubles it.
    static let settlingPauses = (first: TimeAmount.seconds(2), longest: TimeAmount.seconds(30))
    var settlingPause = KeyAdministration.settlingPauses.first
    var isSettlingScheduled = false
    /// The most keys whose problems a status reports.
    private static let mostProblems = 64

    /// - Parameter contents: What was in the folder when the daemon started.
    init(
        eventLoop: any EventLoop, folder: KeyFolder, contents: KeyFolderContents, disk: NIOThreadPool, audit: AuditLog,
        tokens: TokenSet, metrics: ServiceMetrics, logger: DaemonLogger
    ) {
        self.eventLoop = eventLoop
        self.folder = folder
        self.disk = disk
        self.audit = audit
        self.tokens = tokens
        self.metrics = metrics
        self.logger = logger
        keyring = Keyring(contents)
        for key in keyring.unusableKeys { logger.log(.keyOff, "a key is off", [.key: key.name.rawValue, .why: key.reason]) }
        for file in contents.strays {
            logger.log(
                .keyFileUnknown, "a file in the keys' folder is not a key's entry", [.file: TerminalText.safe(file, limit: 200)])
        }
    }

    /// The answer to a caller who may use a key of that name when there is none.
    func absence(of name: KeyName) -> AgentError {
        guard let key = keyring.unusableKey(named: name) else { return .keyNotFound(name: name.rawValue) }
        return .keyUnusable(name: name.rawValue, message: key.reason)
    }

    /// Keys that are off and keys that are weak, as far as the caller may know of them.
    func problems(for caller: Caller) -> [ProblemStatus] {
        let off = keyring.unusableKeys.filter { caller.mayList($0.name) }.map {
            ProblemStatus(what: "key", name: $0.name.rawValue, message: $0.reason)
        }
        let weak = keyring.weakKeys.filter { caller.mayList($0.key) }.sorted { $0.key < $1.key }.map { name, weaknesses in
            ProblemStatus(
                what: "weak-key", name: name.rawValue, message: "it was accepted as it is: \(weaknesses.names.joined(separator: ", "))")
        }
        let unknown = keyring.keysOfUnknownWeakness.filter { caller.mayList($0) }.sorted().map {
            ProblemStatus(
                what: "weak-key", name: $0.rawValue,
                message: "it is not known whether it may leave the token or do more than sign: an older version did not check")
        }
        let all = off + weak + unknown
        guard all.count > KeyAdministration.mostProblems else { return all }
        let rest = ProblemStatus(what: "keys", name: "", message: "\(all.count - KeyAdministration.mostProblems) more are off or weak")
        return all.prefix(KeyAdministration.mostProblems) + [rest]
    }

    // MARK: Creating and adopting

    /// Creates or adopts a key.
    /// - Parameters:
    ///   - admitted: Permission for `create-key` or `adopt-key` of the name in `creation`.
    ///   - isSettled: Whether a leftover of that name has been settled.
    func create(_ creation: KeyCreation, _ admitted: Admitted, reply: VarlinkReplier, isSettled: Bool = false) {
        let request = Request(admitted, reply), caller = admitted.caller, peer = caller.peer
        let token = creation.token ?? tokens.defaultName, name = creation.name
        guard let supervisor = tokens[token] else {
            return request.fail(.invalidRequest(parameter: "token", message: unknownToken(token)))
        }
        guard making[peer.uid, default: 0] < KeyAdministration.makingPerUser else {
            return request.fail(.overloaded(message: "\(KeyAdministration.makingPerUser) keys are being made for you already"))
        }
        if let begun = keyring.begunKey(named: name), !isSettled,
            let settled = settling[name] ?? (underWay.contains(name) ? nil : settle(begun))
        {
            return settled.assumeIsolated().whenComplete { result in
                switch result {
                case .success: self.create(creation, admitted, reply: reply, isSettled: true)
                case .failure(let error):
                    request.fail(AgentError(cause: UnsettledKey(token: begun.token, cause: error), token: begun.token))
                }
            }
        }
        if let unusable = keyring.unusableKey(named: name) {
            return request.fail(.keyUnusable(name: name.rawValue, message: unusable.reason))
        }
        guard keyring.isFree(name) else { return request.fail(.keyExists(name: name.rawValue)) }
        if let failure = supervisor.refusalOfCall { return request.fail(AgentError(failure, token: token)) }
        underWay.insert(name)
        making[peer.uid, default: 0] += 1
        let id = (0..<TokenLimits.uniqueID).map { _ in UInt8.random(in: .min ... .max) }
        let begun = KeyRecord(
            name: name, usage: creation.usage, directory: creation.directory, token: token,
            created: RFC3339.string(AuditRecord.now() / 1_000),
            state: .creating(creation.uri.map { .adopting(uri: $0) } ?? .making(id: id)))
        keyring.begin(begun)
        let made = intend(request).assumeIsolated()
            .flatMap { self.onDisk { [folder = self.folder] in try folder.write(begun) } }
            .flatMap { self.key(for: creation, begun, id: id, supervisor, peer.uid) { caller.mayList($0) } }
            .flatMap { key in
                let finished = self.finish(key).assumeIsolated().flatMapErrorThrowing { error in
                    throw creation.uri == nil ? MadeKeyNotWritten(cause: error) : error
                }
                finished.whenComplete { _ in self.claimed.remove(key.reference.spki) }
                return finished.nonisolated()
            }
        let ended = made.flatMapError { error in
            self.abandon(begun, after: error).assumeIsolated().flatMap { self.eventLoop.makeFailedFuture(error) }.nonisolated()
        }
        ended.whenComplete { result in
            self.underWay.remove(name)
            self.making[peer.uid] = self.making[peer.uid].flatMap { $0 > 1 ? $0 - 1 : nil }
            self.settlingPause = KeyAdministration.settlingPauses.first
            self.settleLater()
            let weaknesses = (try? result.get())?.weaknesses ?? []
            let detail =
                weaknesses.isEmpty || creation.uri == nil ? nil : "a weak key was accepted: " + weaknesses.names.joined(separator: ", ")
            self.conclude(request, result, token: token, detail: detail) { key in
                reply.succeed { json in
                    json.name("key")
                    caller.description(of: key).write(to: &json)
                }
            }
        }
    }

    /// A caller who may make keys may know the tokens.
    private func unknownToken(_ name: String) -> String {
        let known = tokens.names.map { "\"\($0)\"" }.joined(separator: ", ")
        return "no token named \"\(TerminalText.safe(name, limit: 64))\" is configured; "
            + "there \(tokens.names.count == 1 ? "is" : "are") \(known)"
    }

    /// The token's key: a new one, or the one that the URI names.
    private func key(
        for creation: KeyCreation, _ begun: KeyRecord, id: [UInt8], _ supervisor: TokenSupervisor, _ user: UInt32,
        mayList: @escaping (KeyName) -> Bool
    ) -> EventLoopFuture<SigningKey> {
        if let uri = creation.uri {
            return supervisor.find(uri: uri, user: user).assumeIsolated().flatMapErrorThrowing { error in
                guard let failure = error as? TokenFailure, failure.kind == .invalidRequest else { throw error }
                throw AgentError.invalidRequest(parameter: "uri", message: failure.message)
            }.flatMapThrowing { keys in
                SigningKey(try self.adopted(keys, supervisor.state, acceptWeak: creation.acceptWeak, mayList: mayList), of: begun)
            }.nonisolated()
        }
        guard let algorithm = creation.algorithm else {
            return eventLoop.makeFailedFuture(AgentError.invalidRequest(parameter: "algorithm", message: "is missing"))
        }
        return supervisor.generate(label: begun.name.rawValue, id: id, algorithm: algorithm, user: user).assumeIsolated()
            .flatMapThrowing { key in
                guard KeyAdministration.isOwn(key, begun, id: id), self.keyring.name(ofPublicKey: key.reference.spki) == nil else {
                    throw KeyAdministration.anotherKey
                }
                return SigningKey(
                    try PinnedKey(key, uri: KeyURI.text(label: key.reference.label, id: key.reference.id, supervisor.state)), of: begun)
            }.nonisolated()
    }

    /// Whether the key that the helper reports has the names that were asked for: a helper that was broken into could
    /// report another's.
    static func isOwn(_ key: TokenKey, _ record: KeyRecord, id: [UInt8]) -> Bool {
        key.reference.id == id && key.reference.label == record.name.rawValue
    }

    static let anotherKey = TokenFailure(
        .keyRejected, message: "the token's helper reported another key than the one that was to be made", mayHaveHappened: true)

    /// - Parameter mayList: Whether the caller may know of a key of that name.
    private func adopted(_ keys: [TokenKey], _ token: TokenState, acceptWeak: Bool, mayList: (KeyName) -> Bool) throws -> PinnedKey {
        guard let key = keys.first, keys.count == 1 else {
            throw AgentError.invalidRequest(
                parameter: "uri",
                message: keys.isEmpty ? "the URI names no private key in the token" : "the URI names \(keys.count) private keys; add the id"
            )
        }
        // An entry that cannot be read does not say which key it belongs to.
        guard !keyring.hasUnusableKeys else {
            throw AgentError.refused(
                reason: "key-entry-off", message: "the entry of a key cannot be used, and the URI may name that key",
                hint: "the agent's log, and the status of a user who may use that key, name the entry; repair it and restart the agent")
        }
        let pinned: PinnedKey
        // Not the caller's URI: only what the token says about itself.
        do { pinned = try PinnedKey(key, uri: KeyURI.text(label: key.reference.label, id: key.reference.id, token)) } catch {
            throw AgentError.invalidRequest(parameter: "uri", message: "the URI names a key that the agent cannot use: \(error)")
        }
        let name = keyring.name(ofPublicKey: key.reference.spki)
        guard name == nil, !isBeingMade(key.reference), !claimed.contains(key.reference.spki) else {
            let whose = name.flatMap { mayList($0) ? "; its name is \"\($0)\"" : nil } ?? ""
            throw AgentError.refused(
                reason: "key-has-a-name", message: "the key already has a name",
                hint: "one key has one name and one usage (RFC 8555 section 11.1)\(whose)")
        }
        guard key.weaknesses.isEmpty || acceptWeak else {
            throw AgentError.refused(
                reason: "key-is-weak",
                message: "the key is weak: \(key.weaknesses.names.joined(separator: ", "))",
                hint: "make a key in the token instead, or accept it with --accept-weak")
        }
        claimed.insert(key.reference.spki)
        return pinned
    }

    /// Whether the agent has started to make the key and has not finished: a key is in the token before it is in the
    /// keyring.
    private func isBeingMade(_ key: TokenKeyReference) -> Bool {
        keyring.begun.contains { record in
            guard case .creating(.making(let id)) = record.state else { return false }
            return id == key.id && record.name.rawValue == key.label
        }
    }

    func finish(_ key: SigningKey) -> EventLoopFuture<SigningKey> {
        onDisk { [folder] in try folder.write(key.record) }.assumeIsolated().map {
            self.keyring.put(key)
            return key
        }.nonisolated()
    }

    /// A key that was not made frees its name. If the token may have made it anyway, the entry stays, to be settled.
    /// - Returns: Never fails.
    private func abandon(_ record: KeyRecord, after error: any Error) -> EventLoopFuture<Void> {
        if let failure = error as? TokenFailure, failure.mayHaveHappened, case .creating(.making) = record.state {
            return eventLoop.makeSucceededVoidFuture()
        }
        if error is MadeKeyNotWritten { return eventLoop.makeSucceededVoidFuture() }
        return free(record.name).assumeIsolated().flatMapError { error in
            self.logger.log(
                .keyEntryNotRemoved, "a key's entry could not be removed", [.key: record.name.rawValue, .error: "\(error)"])
            return self.eventLoop.makeSucceededVoidFuture()
        }.nonisolated()
    }

    /// Removes an entry, and frees its name once the entry is gone from the disk.
    func free(_ name: KeyName) -> EventLoopFuture<Void> {
        onDisk { [folder] in try folder.remove(name) }.assumeIsolated().map { self.keyring.remove(name) }.nonisolated()
    }

    // MARK: Retiring and destroying

    func retire(_ admitted: Admitted, reply: VarlinkReplier) {
        guard let (request, key) = existing(admitted, reply: reply) else { return }
        let retired = intend(request).assumeIsolated().flatMap { self.finish(key.with(.retired)) }
        retired.whenComplete { result in
            self.underWay.remove(key.name)
            self.conclude(request, result, token: key.token) { key in
                reply.succeed { json in
                    json.name("key")
                    admitted.caller.description(of: key).write(to: &json)
                }
            }
        }
    }

    func delete(_ admitted: Admitted, reply: VarlinkReplier) {
        guard let (request, key) = existing(admitted, reply: reply) else { return }
        guard let supervisor = tokens[key.token] else {
            underWay.remove(key.name)
            return request.fail(KeyAdministration.notConfigured(key.token))
        }
        // Retired first: if the daemon is interrupted after the destruction, the name belongs to a key that does not
        // sign.
        let deleted = intend(request).assumeIsolated()
            .flatMap { self.finish(key.with(.retired)) }
            .flatMap { _ in supervisor.destroy(key.reference, user: admitted.caller.peer.uid) }
            .flatMap { self.free(key.name) }
            .map { self.metrics.forget(key.name) }
        deleted.whenComplete { result in
            self.underWay.remove(key.name)
            self.conclude(request, result, token: key.token) { _ in reply.succeed() }
        }
    }

    private func existing(_ admitted: Admitted, reply: VarlinkReplier) -> (Request, SigningKey)? {
        let request = Request(admitted, reply)
        guard let name = admitted.key, let key = keyring.key(named: name) else {
            request.fail(admitted.key.map { absence(of: $0) } ?? .keyNotFound(name: ""))
            return nil
        }
        // One change of a key at a time: a retirement must not rewrite an entry that a destruction has removed.
        guard underWay.insert(key.name).inserted else {
            request.fail(.overloaded(message: "the key is being changed already"))
            return nil
        }
        return (request, key)
    }

    // MARK: Shared steps

    static func notConfigured(_ token: String) -> AgentError {
        .tokenUnavailable(token: token, reason: "notConfigured", message: "the key's token is not configured", hint: nil)
    }

    /// An admitted request in progress: what the trail says about it, and where its answer goes.
    private struct Request {
        var record: AuditRecord
        var reply: VarlinkReplier

        init(_ admitted: Admitted, _ reply: VarlinkReplier) {
            record = AuditRecord(.intent, of: admitted)
            self.reply = reply
        }

        func fail(_ error: AgentError) { reply.fail(error, record.correlation ?? "") }
    }

    /// Writes the intent and waits until it is on disk.
    private func intend(_ request: Request) -> EventLoopFuture<Void> {
        let promise = eventLoop.makePromise(of: Void.self)
        do throws(AuditError) {
            let sequence = try audit.record(request.record)
            audit.synchronize(upTo: sequence) { result in promise.completeWith(result.mapError { $0 as any Error }) }
        } catch {
            promise.fail(error)
        }
        return promise.futureResult
    }

    /// - Parameter token: the key's token.
    private func conclude<Value>(
        _ request: Request, _ result: Result<Value, any Error>, token: String, detail: String? = nil, _ succeed: (Value) -> Void
    ) {
        var record = request.record
        record.kind = .outcome
        record.time = AuditRecord.now()
        var failure: AgentError?
        if case .failure(let error) = result { failure = AgentError(cause: error, token: token) }
        record.result = failure == nil ? "done" : "failed"
        record.error = failure?.member
        record.detail = detail
        do throws(AuditError) { _ = try audit.record(record) } catch {
            logger.log(
                .recordNotWritten, "the outcome could not be written to the audit trail",
                [.correlation: record.correlation ?? "", .what: "outcome", .error: "\(error)"])
        }
        switch result {
        case .success(let value):
            log(done: record, token: token)
            succeed(value)
        case .failure(let error):
            logger.log(
                .keyOperationFailed, "a key operation failed",
                [
                    .correlation: record.correlation ?? "", .uid: record.uid.map { "\($0)" } ?? "", .grant: record.grant ?? "",
                    .key: record.key?.rawValue ?? "", .operation: record.operation ?? "", .token: token,
                    .error: KeyAdministration.text(error),
                ])
            request.fail(failure ?? .signingFailed(message: "\(error)", hint: nil))
        }
    }

    /// Keys are made and destroyed seldom, and an administrator wants to know of each.
    private func log(done record: AuditRecord, token: String) {
        let fields: [LogField: String] = [
            .correlation: record.correlation ?? "", .uid: record.uid.map { "\($0)" } ?? "", .grant: record.grant ?? "",
            .key: record.key?.rawValue ?? "", .token: token, .why: record.detail ?? "",
        ]
        switch record.operation.flatMap(Operation.init(rawValue:)) {
        case .adoptKey: logger.log(.keyAdopted, "a key was adopted", fields)
        case .retireKey: logger.log(.keyRetired, "a key was retired", fields)
        case .deleteKey: logger.log(.keyDeleted, "a key was destroyed", fields)
        default: logger.log(.keyCreated, "a key was made", fields)
        }
    }

    /// An error for the log, which also has what the token's helper said.
    static func text(_ error: any Error) -> String {
        guard let failure = error as? TokenFailure, let report = failure.report else { return "\(error)" }
        return "\(failure): \(report)"
    }

    private func onDisk(_ work: @escaping @Sendable () throws -> Void) -> EventLoopFuture<Void> {
        disk.runIfActive(eventLoop: eventLoop, work)
    }
}

/// The token made a key, but its name could not be stored. The unfinished entry stays, so that the key gets its name
/// later.
private struct MadeKeyNotWritten: Error {
    let cause: any Error
}

/// A name is taken by a key of which it could not be determined whether it was made.
private struct UnsettledKey: Error {
    let token: String
    let cause: any Error
}

extension SigningKey {
    /// An unfinished key that turned out to exist.
    convenience init(_ pinned: PinnedKey, of begun: KeyRecord) {
        self.init(
            pinned, name: begun.name, usage: begun.usage, directory: begun.directory, token: begun.token, created: begun.created,
            state: .active)
    }
}

extension AgentError {
    /// What the caller learns about a failed key operation.
    /// - Parameter token: the key's token.
    init(cause error: any Error, token: String) {
        switch error {
        case let error as AgentError: self = error
        case let error as MadeKeyNotWritten: self = AgentError(cause: error.cause, token: token)
        case let error as UnsettledKey:
            let cause = AgentError(cause: error.cause, token: error.token).message
            self = .tokenUnavailable(
                token: error.token, reason: "keyUnsettled",
                message: "cannot find out whether a key of this name was made before: \(cause)",
                hint: "the agent looks again by itself; try again in a moment")
        case let error as TokenFailure: self = AgentError(error, token: token)
        case let error as AuditError: self = AgentError(error)
        case let error as FileError:
            self = .signingFailed(
                message: "the agent's state cannot be written: \(error.reason)",
                hint: error.code == ENOSPC ? "make room on the disk of the agent's state" : "the agent's log says more")
        default: self = .signingFailed(message: "\(error)", hint: nil)
        }
    }
}
