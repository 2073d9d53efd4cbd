import ACME
import AgentInterface
import AuditTrail
import DurableFile
import JOSE
import Keyring
import Logging
import NIOCore
import NIOPosix
import SigningPolicy
import TokenProtocol
import TokenSupervisor
import Varlink

/// Making, taking over, retiring and destroying keys. Off the signing path: futures are fine here, and what waits for the disk does so on
/// another thread.
///
/// A key is written down before the token is asked for it, and its name is taken from then on; a run that is cut off in between is ended at the
/// next start (`reconcile`), so that no key is left in a token without a name.
final class KeyAdministration {
    private let eventLoop: any EventLoop
    private let folder: KeyFolder
    private let disk: NIOThreadPool
    private let audit: AuditLog
    private let tokens: TokenSet
    private let logger: Logger
    private(set) var keyring: Keyring
    /// Keys that one user may have in the making: a token makes one after another, and RSA takes seconds.
    static let makingPerUser = 8
    private var making: [UInt32: Int] = [:]
    /// Names whose making is under way in this run; all others that are begun are left-overs.
    private var underWay: Set<String> = []
    /// Public halves that are being given a name and are not in the keyring yet: of several who adopt one key at once, one gets it.
    private var claimed: Set<[UInt8]> = []

    init(
        eventLoop: any EventLoop, folder: KeyFolder, keyring: Keyring, disk: NIOThreadPool, audit: AuditLog,
        tokens: TokenSet, logger: Logger
    ) {
        self.eventLoop = eventLoop
        self.folder = folder
        self.keyring = keyring
        self.disk = disk
        self.audit = audit
        self.tokens = tokens
        self.logger = logger
    }

    // MARK: Making and taking over

    /// Makes a key, or takes one over.
    /// - Parameter admitted: leave for `create-key` or `adopt-key` of the name that `creation` has.
    func create(_ creation: KeyCreation, _ admitted: Admitted, reply: VarlinkReplier) {
        let request = Request(admitted, reply), caller = admitted.caller, peer = caller.peer
        let token = creation.token ?? tokens.defaultName
        guard let supervisor = tokens[token] else {
            return reply.fail(AgentError.invalidRequest(parameter: "token", message: "no token of that name is configured"))
        }
        guard making[peer.uid, default: 0] < KeyAdministration.makingPerUser else {
            return reply.fail(AgentError.overloaded(message: "\(KeyAdministration.makingPerUser) keys are being made for you already"))
        }
        guard keyring.isFree(creation.name) else { return reply.fail(AgentError.keyExists(name: creation.name.rawValue)) }
        if case .unavailable(let failure) = supervisor.state { return reply.fail(AgentError(failure, token: token)) }
        let id = (0..<16).map { _ in UInt8.random(in: .min ... .max) }
        let name = creation.name.rawValue
        underWay.insert(name)
        making[peer.uid, default: 0] += 1
        let begun = KeyRecord(
            name: creation.name, usage: creation.usage, algorithm: creation.algorithm ?? .p256, state: .creating, token: token, id: id,
            label: name, spki: [], uri: creation.uri ?? "", directory: creation.directory,
            created: RFC3339.string(AuditRecord.now() / 1_000))
        keyring.begin(begun)
        let made = intend(request).assumeIsolated()
            .flatMap { self.onDisk { [folder = self.folder] in try folder.write(begun) } }
            .flatMap { self.key(for: creation, begun, supervisor, peer.uid) { caller.mayList($0) } }
            .flatMap { record in
                let finished = self.finish(record).assumeIsolated().flatMapErrorThrowing { error in
                    throw creation.uri == nil ? MadeKeyNotWritten(cause: error) : error
                }
                finished.whenComplete { _ in self.claimed.remove(record.spki) }
                return finished.nonisolated()
            }
        made.whenComplete { result in
            self.underWay.remove(name)
            self.making[peer.uid] = self.making[peer.uid].flatMap { $0 > 1 ? $0 - 1 : nil }
            if case .failure(let error) = result { self.abandon(begun, after: error) }
            self.conclude(request, result) { key in
                reply.succeed { json in
                    json.name("key")
                    KeyDescription(key).write(to: &json)
                }
            }
        }
    }

    /// The token's key: a new one, or the one that the URI names.
    private func key(
        for creation: KeyCreation, _ begun: KeyRecord, _ supervisor: TokenSupervisor, _ user: UInt32,
        mayList: @escaping (String) -> Bool
    ) -> EventLoopFuture<KeyRecord> {
        if let uri = creation.uri {
            return supervisor.find(uri: uri, user: user).assumeIsolated().flatMapErrorThrowing { error in
                guard let failure = error as? TokenFailure, failure.kind == .invalidRequest else { throw error }
                throw AgentError.invalidRequest(parameter: "uri", message: failure.message)
            }.flatMapThrowing { keys in
                try self.adopted(keys, as: begun, supervisor.state, mayList: mayList)
            }.nonisolated()
        }
        guard let algorithm = creation.algorithm else {
            return eventLoop.makeFailedFuture(AgentError.invalidRequest(parameter: "algorithm", message: "is missing"))
        }
        return supervisor.generate(label: begun.label, id: begun.id, algorithm: algorithm, user: user).assumeIsolated()
            .flatMapThrowing { key in
                var record = begun
                record.spki = key.reference.spki
                record.uri = KeyURI.text(label: key.reference.label, id: key.reference.id, supervisor.state)
                record.state = .active
                return record
            }.nonisolated()
    }

    /// - Parameter mayList: Whether the caller may hear of a key of that name.
    private func adopted(_ keys: [TokenKey], as begun: KeyRecord, _ token: TokenState, mayList: (String) -> Bool) throws -> KeyRecord {
        guard let key = keys.first, keys.count == 1 else {
            throw AgentError.invalidRequest(
                parameter: "uri",
                message: keys.isEmpty ? "the URI names no private key in the token" : "the URI names \(keys.count) private keys; add the id"
            )
        }
        guard let algorithm = try PublicKey(spki: key.reference.spki).algorithm else {
            throw AgentError.invalidRequest(parameter: "uri", message: "the URI names a key of a kind that the agent does not use")
        }
        let name = keyring.name(ofPublicKey: key.reference.spki)
        guard name == nil, !isBeingMade(key.reference), claimed.insert(key.reference.spki).inserted else {
            let whose = name.map(\.rawValue).flatMap { mayList($0) ? "; its name is \"\($0)\"" : nil } ?? ""
            throw AgentError.refused(
                reason: "key-has-a-name", message: "the key is known already",
                hint: "one key has one name and one usage (RFC 8555 section 11.1)\(whose)")
        }
        var record = begun
        record.id = key.reference.id
        record.label = key.reference.label
        record.spki = key.reference.spki
        record.algorithm = algorithm
        // Not the caller's: what the token says of itself, and nothing besides.
        record.uri = KeyURI.text(label: key.reference.label, id: key.reference.id, token)
        record.state = .active
        return record
    }

    /// Whether the key is one that the agent has begun to make and has not finished: it is in the token before it is in the keyring.
    private func isBeingMade(_ key: TokenKeyReference) -> Bool {
        keyring.begun.contains { $0.uri.isEmpty && $0.id == key.id && $0.label == key.label }
    }

    private func finish(_ record: KeyRecord) -> EventLoopFuture<SigningKey> {
        onDisk { [folder] in try folder.write(record) }.assumeIsolated().flatMapThrowing { try self.keyring.put(record) }.nonisolated()
    }

    /// A key that was not made frees its name. Where the token may have made it all the same, the entry stays, and is looked at again when the
    /// token is next ready.
    private func abandon(_ record: KeyRecord, after error: any Error) {
        if let failure = error as? TokenFailure, failure.mayHaveHappened { return }
        if error is MadeKeyNotWritten { return }
        keyring.remove(record.name)
        onDisk { [folder] in try folder.remove(record.name) }.assumeIsolated().whenFailure { error in
            self.logger.error("a key's entry could not be removed", metadata: ["key": "\(record.name)", "error": "\(error)"])
        }
    }

    /// Ends what was begun and cut off: a key that is in the token gets its name, an entry without one is removed.
    func reconcile(token: String) {
        guard let supervisor = tokens[token] else { return }
        for record in keyring.begun where record.token == token && !underWay.contains(record.name.rawValue) {
            let name = record.name.rawValue
            underWay.insert(name)
            // An adopted key is in the token whatever happens; nothing is lost if its adoption is asked for again.
            let lookup =
                record.uri.isEmpty
                ? supervisor.find(uri: KeyURI.search(id: record.id, label: record.label)) : eventLoop.makeSucceededFuture([])
            lookup.assumeIsolated().flatMap { keys -> EventLoopFuture<Void> in
                guard let key = keys.first, keys.count == 1, let algorithm = (try? PublicKey(spki: key.reference.spki))?.algorithm else {
                    self.keyring.remove(record.name)
                    return self.onDisk { [folder = self.folder] in try folder.remove(record.name) }
                }
                var found = record
                found.spki = key.reference.spki
                found.algorithm = algorithm
                found.uri = KeyURI.text(label: record.label, id: record.id, supervisor.state)
                found.state = .active
                self.logger.notice("a key whose making was cut off is in the token and gets its name", metadata: ["key": "\(name)"])
                var event = AuditRecord(.event)
                event.operation = "recover-key"
                event.key = name
                event.fingerprint = (try? PublicKey(spki: key.reference.spki)).map { Hexadecimal.encode($0.fingerprint) }
                event.detail = "a key whose making was cut off is in the token and got its name"
                do { _ = try self.audit.record(event) } catch { return self.eventLoop.makeFailedFuture(error) }
                return self.finish(found).map { _ in }
            }.whenComplete { result in
                self.underWay.remove(name)
                if case .failure(let error) = result {
                    self.logger.error("a key that was begun could not be looked at", metadata: ["key": "\(name)", "error": "\(error)"])
                }
            }
        }
    }

    // MARK: Retiring and destroying

    func retire(_ admitted: Admitted, reply: VarlinkReplier) {
        guard let (request, key) = existing(admitted, reply: reply) else { return }
        let name = admitted.key
        let retired = intend(request).assumeIsolated().flatMap { self.finish(KeyRecord(key, state: .retired)) }
        retired.whenComplete { result in
            self.underWay.remove(name)
            self.conclude(request, result) { key in
                reply.succeed { json in
                    json.name("key")
                    KeyDescription(key).write(to: &json)
                }
            }
        }
    }

    func delete(_ admitted: Admitted, reply: VarlinkReplier) {
        guard let (request, key) = existing(admitted, reply: reply) else { return }
        let name = admitted.key
        guard let supervisor = tokens[key.token] else {
            underWay.remove(name)
            return reply.fail(
                AgentError.tokenUnavailable(
                    token: key.token, reason: "notConfigured", message: "the key's token is not configured", hint: nil))
        }
        // Retired first: if the daemon is cut off behind the destruction, the name stands for a key that does not sign.
        let deleted = intend(request).assumeIsolated()
            .flatMap { self.finish(KeyRecord(key, state: .retired)) }
            .flatMap { _ in supervisor.destroy(key.reference, user: admitted.caller.peer.uid) }
            .flatMap { self.onDisk { [folder = self.folder] in try folder.remove(key.name) } }
        deleted.whenComplete { result in
            self.underWay.remove(name)
            if case .success = result { self.keyring.remove(key.name) }
            self.conclude(request, result) { _ in reply.succeed() }
        }
    }

    private func existing(_ admitted: Admitted, reply: VarlinkReplier) -> (Request, SigningKey)? {
        let name = admitted.key
        guard let key = keyring.key(named: name) else {
            reply.fail(AgentError.keyNotFound(name: name))
            return nil
        }
        // One change of a key at a time: a retirement must not write an entry anew that a destruction has removed.
        guard underWay.insert(name).inserted else {
            reply.fail(AgentError.overloaded(message: "the key is being changed already"))
            return nil
        }
        return (Request(admitted, reply), key)
    }

    // MARK: What all have in common

    /// An admitted request on its way: what the trail says of it, and where its answer goes.
    private struct Request {
        var record: AuditRecord
        var reply: VarlinkReplier

        init(_ admitted: Admitted, _ reply: VarlinkReplier) {
            record = AuditRecord(.intent, of: admitted)
            self.reply = reply
        }
    }

    /// Writes the intent and waits until it is on the disk.
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

    private func conclude<Value>(_ request: Request, _ result: Result<Value, any Error>, _ succeed: (Value) -> Void) {
        var record = request.record
        record.kind = .outcome
        record.time = AuditRecord.now()
        var failure: AgentError?
        if case .failure(let error) = result { failure = AgentError(cause: error) }
        record.result = failure == nil ? "done" : "failed"
        record.error = failure?.member
        do throws(AuditError) { _ = try audit.record(record) } catch {
            logger.error("the outcome could not be written to the audit trail", metadata: ["error": "\(error)"])
        }
        switch result {
        case .success(let value): succeed(value)
        case .failure(let error):
            logger.warning(
                "a key operation failed",
                metadata: ["key": "\(record.key ?? "")", "operation": "\(record.operation ?? "")", "error": "\(error)"])
            request.reply.fail(failure ?? .signingFailed(message: "\(error)", hint: nil))
        }
    }

    private func onDisk(_ work: @escaping @Sendable () throws -> Void) -> EventLoopFuture<Void> {
        disk.runIfActive(eventLoop: eventLoop, work)
    }
}

/// The token made a key, and its name could not be written down: the entry of its beginning stays, so that the key gets its name later.
private struct MadeKeyNotWritten: Error {
    let cause: any Error
}

extension AgentError {
    /// What the caller hears of a failed key operation.
    init(cause error: any Error) {
        switch error {
        case let error as AgentError: self = error
        case let error as MadeKeyNotWritten: self = AgentError(cause: error.cause)
        case let error as TokenFailure: self = AgentError(error, token: "")
        case let error as AuditError: self = AgentError(error)
        case let error as FileError:
            self = .signingFailed(
                message: "the agent's state cannot be written: \(error.reason)",
                hint: error.code == ENOSPC ? "make room on the disk of the agent's state" : "the administrator's log says more")
        default: self = .signingFailed(message: "\(error)", hint: nil)
        }
    }
}
