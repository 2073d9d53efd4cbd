import Crypto
import Glibc
import JOSE
import Synchronization
import TokenProtocol
import TokenSupervisor

/// A token of swift-crypto's keys: the helper's end of the links, on threads of the test.
final class FakeToken: HelperLauncher {
    private struct State {
        var keys: [[UInt8]: (key: TokenKey, secret: P256.Signing.PrivateKey)] = [:]
        var launches = 0
        /// The answer to hello.
        var fault: TokenFailure?
        /// Reported with the token's information.
        var pinFault: TokenFailure?
        /// Signatures are wrong.
        var isFaulty = false
        /// From now on the helper dies before it answers the n-th signature.
        var diesAfter: Int?
        var signatures = 0
        /// Requests for signatures get no answer.
        var isHeld = false
        /// The helpers' ends of the links, for each helper.
        var open: [CInt: Int32] = [:]
        /// The answer to the next request for a key, and whether the key is made anyway.
        var making: (failure: TokenFailure, isDone: Bool)?
        /// The answer to every request for a key, whatever its names.
        var imposed: TokenKey?
        /// Keys are requested and not made.
        var isMakingHeld = false
        var makings = 0
        /// The answer to a search for a key whose creation was interrupted.
        var settling: TokenFailure?
        /// Such searches get no answer.
        var isSettlingHeld = false
        var looks = 0
    }

    private let state = Mutex(State())

    var launches: Int { state.withLock { $0.launches } }
    var signatures: Int { state.withLock { $0.signatures } }

    func fail(with fault: TokenFailure?) { state.withLock { $0.fault = fault } }
    func faultPIN(with fault: TokenFailure?) { state.withLock { $0.pinFault = fault } }
    func hold(_ isHeld: Bool) { state.withLock { $0.isHeld = isHeld } }
    func beFaulty() { state.withLock { $0.isFaulty = true } }
    func die(afterSignatures count: Int) { state.withLock { $0.diesAfter = count } }

    func failMaking(with failure: TokenFailure, isDone: Bool) { state.withLock { $0.making = (failure, isDone) } }
    func impose(_ key: TokenKey) { state.withLock { $0.imposed = key } }
    func holdMaking(_ isHeld: Bool) { state.withLock { $0.isMakingHeld = isHeld } }
    /// How many keys were requested.
    var makings: Int { state.withLock { $0.makings } }

    func failSettling(with failure: TokenFailure?) { state.withLock { $0.settling = failure } }
    func holdSettling(_ isHeld: Bool) { state.withLock { $0.isSettlingHeld = isHeld } }
    /// How many searches there were for a key whose creation was interrupted.
    var looks: Int { state.withLock { $0.looks } }

    /// Puts a key into the token that the agent did not make.
    func plant(label: String, weaknesses: KeyWeaknesses = []) -> TokenKey {
        make(label: label, id: Array(label.utf8), weaknesses: weaknesses)
    }

    /// All keys are gone from the token.
    func forget() { state.withLock { $0.keys = [:] } }

    private func make(label: String, id: [UInt8], weaknesses: KeyWeaknesses = []) -> TokenKey {
        let secret = P256.Signing.PrivateKey()
        let key = TokenKey(
            reference: TokenKeyReference(id: id, label: label, spki: Array(secret.publicKey.derRepresentation)), algorithm: .p256,
            weaknesses: weaknesses)
        state.withLock { $0.keys[key.reference.spki] = (key, secret) }
        return key
    }

    func launch(_ configuration: TokenConfiguration, signingLinks: Int) throws(TokenFailure) -> LaunchedHelper {
        // No process has this number.
        let process = state.withLock { state in
            state.launches += 1
            return -Int32(truncatingIfNeeded: state.launches) - 1
        }
        var ours: [CInt] = []
        for _ in 0...signingLinks {
            var pair: [CInt] = [0, 0]
            guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &pair) == 0 else {
                throw TokenFailure(.helperDied, message: "socketpair")
            }
            ours.append(pair[0])
            let theirs = pair[1]
            state.withLock { $0.open[theirs] = process }
            start { self.serve(theirs, of: process) }
        }
        return LaunchedHelper(process: process, links: ours)
    }

    func end(_ helper: LaunchedHelper) { die(helper.process) }

    private func die(_ process: Int32) {
        state.withLock { state in
            // Under the lock: otherwise a descriptor could be closed and its number reused by another test's
            // connection.
            for (descriptor, owner) in state.open where owner == process { shutdown(descriptor, Int32(SHUT_RDWR)) }
            state.open = state.open.filter { $0.value != process }
        }
    }

    private func start(_ body: @escaping @Sendable () -> Void) {
        var thread = pthread_t()
        let box = Unmanaged.passRetained(Body(body))
        pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().body() }
                return nil
            }, box.toOpaque())
        pthread_detach(thread)
    }

    private final class Body: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    private func serve(_ descriptor: CInt, of process: Int32) {
        defer {
            state.withLock { state in
                state.open[descriptor] = nil
                close(descriptor)
            }
        }
        var decoder = FrameDecoder()
        var chunk = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = read(descriptor, &chunk, chunk.count)
            guard count > 0 else { return }
            chunk[..<count].withUnsafeBytes { decoder.append($0) }
            while let (id, request) = try? decoder.nextRequest() {
                guard let reply = answer(request) else { return die(process) }
                var bytes: [UInt8] = []
                reply.encode(id: id, to: &bytes)
                _ = send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL))
            }
        }
    }

    /// `nil` to die.
    private func answer(_ request: HelperRequest) -> HelperReply? {
        switch request {
        case .hello, .status, .look:
            if let fault = state.withLock({ $0.fault }) { return .failure(fault) }
            return .ready(
                TokenInformation(
                    label: "fake", manufacturer: "test", model: "fake", serial: "1", algorithms: [.p256], isLoggedIn: true,
                    pinFault: state.withLock { $0.pinFault }))
        case .sign(let reference, _, let digest):
            while state.withLock({ $0.isHeld }) { usleep(2_000) }
            return state.withLock { state in
                if let left = state.diesAfter {
                    state.diesAfter = left > 0 ? left - 1 : nil
                    if left == 0 { return nil }
                }
                guard let (_, secret) = state.keys[reference.spki] else { return .failure(TokenFailure(.noKey, message: "no such key")) }
                state.signatures += 1
                guard var signature = try? Array(secret.signature(for: FakeDigest(bytes: digest)).rawRepresentation) else { return nil }
                if state.isFaulty { signature[10] ^= 1 }
                return .signature(signature)
            }
        case .generate(let label, let id, _):
            state.withLock { $0.makings += 1 }
            if let imposed = state.withLock({ $0.imposed }) { return .key(imposed) }
            while state.withLock({ $0.isMakingHeld }) { usleep(2_000) }
            let making = state.withLock { state in
                defer { state.making = nil }
                return state.making
            }
            guard let making else { return .key(make(label: label, id: id)) }
            if making.isDone { _ = make(label: label, id: id) }
            return .failure(making.failure)
        case .settle(_, let id):
            state.withLock { $0.looks += 1 }
            if let imposed = state.withLock({ $0.imposed }) { return .settled(imposed) }
            while state.withLock({ $0.isSettlingHeld }) { usleep(2_000) }
            if let failure = state.withLock({ $0.settling }) { return .failure(failure) }
            return .settled(state.withLock { state in state.keys.values.first { $0.key.reference.id == id }?.key })
        case .find(let uri):
            let keys = state.withLock { state in state.keys.values.map(\.key).filter { uri.contains("object=\($0.reference.label)") } }
            return .keys(keys, more: false)
        case .list: return .keys(state.withLock { $0.keys.values.map(\.key) }, more: false)
        case .destroy(let reference):
            state.withLock { $0.keys[reference.spki] = nil }
            return .done
        case .prepare: return .done
        }
    }
}

/// A SHA-256 digest given as bytes.
private struct FakeDigest: Digest {
    static let byteCount = 32
    let bytes: [UInt8]

    func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R { try bytes.withUnsafeBytes(body) }
    func hash(into hasher: inout Hasher) { hasher.combine(bytes) }
    static func == (one: FakeDigest, other: FakeDigest) -> Bool { one.bytes == other.bytes }
    func makeIterator() -> Array<UInt8>.Iterator { bytes.makeIterator() }
    var description: String { "digest" }
}
