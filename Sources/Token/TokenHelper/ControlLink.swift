import Glibc
import PKCS11
import TokenProtocol

/// The control link, on the main thread: opens the token and manages keys, one request after another. When it ends, the
/// helper exits.
struct ControlLink {
    let keeper: TokenKeeper

    /// Serves `descriptor` until it ends. The parent's death ends it too.
    func run(descriptor: Int32) {
        let link = Link(descriptor: descriptor)
        var decoder = FrameDecoder()
        var output: [UInt8] = []
        while true {
            // After the replies, since one of them may have told the daemon already.
            if let change = keeper.announcement() {
                ready(change).encode(id: HelperReply.unasked, to: &output)
                guard link.write(output) else { return }
                output = []
            }
            switch link.wait(milliseconds: Self.idleMilliseconds, alarm: keeper.alarm) {
            case .idleness:
                keeper.keepAlive()
                if keeper.isGrown { keeper.retire() }
                continue
            case .alarm:
                keeper.alarm.silence()
                keeper.listKeys { !link.hasInput }
                continue
            case .input: break
            }
            guard link.read({ decoder.append($0) }) else { return }
            do throws(FrameError) {
                while let (id, request) = try decoder.nextRequest() {
                    for reply in replies(to: request) { reply.encode(id: id, to: &output) }
                }
            } catch {
                Log.warning("the control link carries something that is not a request: \(error)")
                _exit(ExitCode.misuse)
            }
            guard link.write(output) else { return }
            output = []
            // A helper that makes keys all the time is never idle. The daemon sends the next call to the next helper.
            if keeper.isGrown { keeper.retire() }
        }
    }

    private func replies(to request: HelperRequest) -> [HelperReply] {
        switch request {
        case .hello(let configuration): [ready(keeper.open(configuration))]
        case .status: [ready(keeper.status())]
        case .look: [ready(keeper.look())]
        case .sign(let key, let mechanism, let input):
            switch Signer(keeper: keeper).sign(key, mechanism, input) {
            case .success(let signature): [.signature(signature)]
            case .failure(let failure): [.failure(failure)]
            }
        case .generate(let label, let id, let algorithm): [generate(label: label, id: id, KeyType(algorithm))]
        case .settle(let label, let id): [settle(label: label, id: id)]
        case .find(let uri): find(uri)
        case .list: list(keeper.keys(matching: nil))
        case .destroy(let key): [destroy(key)]
        case .prepare: [prepare()]
        }
    }

    private func ready(_ result: Result<TokenInformation, TokenFailure>) -> HelperReply {
        switch result {
        case .success(let information): .ready(information)
        case .failure(let failure): .failure(failure)
        }
    }

    private func generate(label: String, id: [UInt8], _ type: KeyType) -> HelperReply {
        guard !label.isEmpty, !id.isEmpty else {
            return .failure(TokenFailure(.invalidRequest, message: "a key needs a label and an id"))
        }
        switch keeper.generate(type, id: id, label: Array(label.utf8)) {
        case .success(let object):
            guard let key = TokenKey(object) else {
                return .failure(TokenFailure(.unsupported, message: "the token made a key that cannot be named"))
            }
            return .key(key)
        case .failure(let failure):
            return .failure(failure)
        }
    }

    private func settle(label: String, id: [UInt8]) -> HelperReply {
        switch keeper.settle(id: id, label: Array(label.utf8)) {
        case .success(let object): .settled(object.flatMap { TokenKey($0) })
        case .failure(let failure): .failure(failure)
        }
    }

    private func prepare() -> HelperReply {
        keeper.prepare()
        return .done
    }

    private func find(_ text: String) -> [HelperReply] {
        let uri: TokenURI
        do {
            uri = try TokenURI(text, for: .key)
        } catch {
            return [.failure(TokenFailure(error))]
        }
        let result = keeper.keys(matching: uri)
        // A match that cannot be named is not the same as no match.
        if case .success(let objects) = result, let nameless = objects.first(where: { TokenKey($0) == nil }) {
            let reason =
                nameless.type.algorithm == nil
                ? "the agent does not support its kind or size" : "its label or id is too long for the agent, or its label is not UTF-8"
            return [.failure(TokenFailure(PKCS11Error.keyUnusable(reason: reason)))]
        }
        return list(result)
    }

    private func list(_ result: Result<[KeyObject], TokenFailure>) -> [HelperReply] {
        switch result {
        case .failure(let failure):
            return [.failure(failure)]
        case .success(let objects):
            var keys = objects.compactMap { TokenKey($0) }[...]
            var replies: [HelperReply] = []
            repeat {
                let page = keys.prefix(TokenLimits.keysInReply)
                keys = keys.dropFirst(page.count)
                replies.append(.keys(Array(page), more: !keys.isEmpty))
            } while !keys.isEmpty
            return replies
        }
    }

    private func destroy(_ reference: TokenKeyReference) -> HelperReply {
        switch keeper.destroy(reference) {
        case .success(true): .done
        case .success(false):
            .failure(TokenFailure(.keyMismatch, message: "the token's key \"\(reference.label)\" is not the one that was pinned"))
        case .failure(let failure): .failure(failure)
        }
    }

    /// Half of the 30 s after which a YubiHSM drops an idle session (yubihsm-shell #541).
    private static let idleMilliseconds: Int32 = 15_000
}
