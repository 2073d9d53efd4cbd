import ACME
import AgentInterface
import Keyring
import SigningPolicy
import StrictJSON
import TokenProtocol
import TokenSupervisor
import Varlink

/// Answers ListKeys: in one reply, or with `more` in parts, as fast as the client reads them.
///
/// However many keys there are, the event loop is held for a few of them at a time, about 60 microseconds.
final class KeyListing {
    /// Keys in one part: about 50 KiB.
    static let part = 64
    /// Keys in a single reply. A client that has more must ask for parts.
    static let mostInOneReply = 256
    /// Keys written in one go, and names looked at when few of them are the caller's.
    static let keysInTurn = 8
    static let namesInTurn = 64

    private let names: [KeyName]
    private let inParts: Bool
    private let reply: VarlinkReplier
    private let visible: (KeyName) -> KeyDescription?
    private var next = 0
    private var json = JSONWriter()
    private var keys = 0

    /// - Parameters:
    ///   - names: The names of all keys, in order.
    ///   - visible: The key of that name, if it still exists and the caller may know of it.
    init(names: [KeyName], inParts: Bool, reply: VarlinkReplier, visible: @escaping (KeyName) -> KeyDescription?) {
        self.names = names
        self.inParts = inParts
        self.reply = reply
        self.visible = visible
        begin()
    }

    func proceed() {
        let end = min(next + KeyListing.namesInTurn, names.count)
        let mostNow = min(keys + KeyListing.keysInTurn, inParts ? KeyListing.part : KeyListing.mostInOneReply + 1)
        while next < end, keys < mostNow {
            if let key = visible(names[next]) {
                key.write(to: &json)
                keys += 1
            }
            next += 1
        }
        guard inParts || keys <= KeyListing.mostInOneReply else { return reply.fail(.expectedMore) }
        guard next < names.count else { return reply.succeed(parameters: finished()) }
        if inParts, keys == KeyListing.part {
            guard reply.next(parameters: finished()) else { return }
            begin()
        }
        // Even if the client keeps up: input that has arrived on the sockets goes first.
        reply.onWritable { [self] in proceed() }
    }

    private func begin() {
        keys = 0
        json.removeAll()
        json.beginObject()
        json.name("keys")
        json.beginArray()
    }

    private func finished() -> [UInt8] {
        json.endArray()
        json.endObject()
        return json.bytes
    }
}

extension Caller {
    /// The key as this caller may know it.
    func description(of key: SigningKey) -> KeyDescription {
        KeyDescription(
            name: key.name, usage: key.usage, algorithm: key.algorithm, state: key.state == .retired ? .retired : .active,
            publicKey: key.publicKey, token: key.token, uri: key.uri, directory: key.directory?.text, created: key.created,
            weaknesses: key.weaknesses?.names, handshakes: handshakes(with: key).map(\.operation.rawValue))
    }

    /// The handshakes that the key can sign and some grant allows: of the caller's grants, or of all.
    private func handshakes(with key: SigningKey) -> [HandshakeMessage] {
        guard key.usage == .certificate, key.state == .active else { return [] }
        let all = rules.policy.handshakes(key: key.name, of: nil)
        guard !all.isEmpty else { return [] }
        let known = knowsAllGrants ? all : rules.policy.handshakes(key: key.name, of: peer.identity)
        return known.filter { $0.isFor(key.algorithm) }
    }
}

extension GrantStatus {
    init(_ grant: Grant, rates: [RateStatus]) {
        self.init(
            name: grant.name, keys: grant.keys.map(\.description), operations: grant.operations.map(\.rawValue).sorted(),
            identifiers: grant.identifiers.map(\.description), wildcards: grant.wildcards, cas: grant.cas.map(\.description),
            externalAccounts: grant.externalAccounts, rates: rates)
    }
}

extension TokenStatus {
    init(name: String, _ supervisor: TokenSupervisor) {
        let restarts = Int(supervisor.statistics.restarts)
        switch supervisor.state {
        case .starting: self.init(name: name, state: .starting, restarts: restarts)
        case .ready(let information):
            self.init(
                name: name, state: .ready, label: information.label, model: information.model,
                message: information.pinFault.map { "its next login will fail: \($0.description)" }, hint: information.pinFault?.hint,
                restarts: restarts)
        case .unavailable(let failure):
            self.init(name: name, off: failure, restarts: restarts)
        case .stopped: self.init(name: name, state: .unavailable, reason: "stopped", message: "the agent is stopping", restarts: restarts)
        }
    }

    /// Of a token that is off, with the function that failed and its CK_RV, if there is one: who may use a token may
    /// know what is wrong with it.
    init(name: String, off failure: TokenFailure, restarts: Int) {
        self.init(
            name: name, state: .unavailable, reason: "\(failure.kind)", message: failure.description, hint: failure.hint,
            restarts: restarts)
    }
}
