import AgentInterface
import Keyring
import SigningPolicy
import StrictJSON
import TokenProtocol
import TokenSupervisor
import Varlink

/// Answers ListKeys: in one reply, or with `more` in parts, as fast as the client reads them.
final class KeyListing {
    /// Keys in one part: some 100 KiB.
    private static let part = 128

    private let keys: [SigningKey]
    private let reply: VarlinkReplier
    private var next = 0

    init(keys: [SigningKey], reply: VarlinkReplier) {
        self.keys = keys
        self.reply = reply
    }

    func run(inParts: Bool) {
        guard inParts else { return reply.succeed { json in write(keys[...], to: &json) } }
        proceed()
    }

    private func proceed() {
        while reply.isOpen, reply.isWritable {
            let end = min(next + KeyListing.part, keys.count)
            let slice = keys[next..<end]
            next = end
            if end == keys.count { return reply.succeed { json in write(slice, to: &json) } }
            guard reply.next({ json in write(slice, to: &json) }) else { return }
        }
        if reply.isOpen { reply.onWritable { [self] in proceed() } }
    }

    private func write(_ keys: ArraySlice<SigningKey>, to json: inout JSONWriter) {
        json.name("keys")
        json.beginArray()
        for key in keys { KeyDescription(key).write(to: &json) }
        json.endArray()
    }
}

extension KeyDescription {
    init(_ key: SigningKey) {
        self.init(
            name: key.name.rawValue, usage: key.usage, algorithm: key.algorithm, state: key.state == .retired ? .retired : .active,
            publicKey: key.publicKey, token: key.token, uri: key.uri, directory: key.directory?.text, created: key.created)
    }
}

extension GrantStatus {
    init(_ grant: Grant) {
        self.init(
            name: grant.name, keys: grant.keys.map(\.description), operations: grant.operations.map(\.rawValue).sorted(),
            identifiers: grant.identifiers.map(\.description), wildcards: grant.wildcards, cas: grant.cas.map(\.description))
    }
}

extension TokenStatus {
    init(name: String, _ supervisor: TokenSupervisor) {
        let restarts = Int(supervisor.statistics.restarts)
        switch supervisor.state {
        case .starting: self.init(name: name, state: .starting, restarts: restarts)
        case .ready(let information):
            self.init(name: name, state: .ready, label: information.label, model: information.model, restarts: restarts)
        case .unavailable(let failure):
            self.init(
                name: name, state: .unavailable, reason: "\(failure.kind)", message: failure.message, hint: failure.hint, restarts: restarts
            )
        case .stopped: self.init(name: name, state: .unavailable, reason: "stopped", message: "the agent stops", restarts: restarts)
        }
    }
}
