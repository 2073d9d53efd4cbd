import CLinux
import Glibc
import NIOCore
import NIOPosix
import Synchronization
import TokenProtocol
import TokenSupervisor
import TokenTestSupport

/// The helper's end of the links, on threads of the test; the test decides what it does with a request.
final class SupervisorFakeHelper: HelperLauncher {
    enum Answer {
        case reply(HelperReply)
        case bytes([UInt8])
        /// Sends something unasked, then answers as a healthy helper.
        case announcing(HelperReply)
        case replyAs(UInt32, HelperReply)
        case nothing
        case death
    }

    private struct State {
        var launches = 0
        var ends = 0
        /// Of each helper.
        var open: [Int: [CInt]] = [:]
        var seen: [HelperRequest] = []
        /// The same of each link, by its descriptor.
        var seenOnLink: [CInt: [HelperRequest]] = [:]
    }

    private let state = Mutex(State())
    private let answer: @Sendable (_ request: HelperRequest, _ launch: Int) -> Answer

    /// - Parameter answer: Gets each request and the number of the helper's start, from 1. `nil` means the answer of a
    ///   healthy helper: a signature is the input itself.
    init(_ answer: @escaping @Sendable (_ request: HelperRequest, _ launch: Int) -> Answer?) {
        self.answer = { answer($0, $1) ?? SupervisorFakeHelper.usual($0) }
    }

    var launches: Int { state.withLock { $0.launches } }
    var ends: Int { state.withLock { $0.ends } }
    var seen: [HelperRequest] { state.withLock { $0.seen } }
    /// Of each link in order, while no link was closed.
    var seenOnLinks: [[HelperRequest]] { state.withLock { Array($0.seenOnLink.values) } }

    static func usual(_ request: HelperRequest) -> Answer {
        switch request {
        case .hello, .status, .look: .reply(.ready(ProtocolSamples.information))
        case .sign(_, _, let input): .reply(.signature(input))
        case .generate: .reply(.key(ProtocolSamples.key))
        case .settle: .reply(.settled(nil))
        case .find: .reply(.keys([ProtocolSamples.key], more: false))
        case .list: .reply(.keys(Array(repeating: ProtocolSamples.key, count: 100), more: false))
        case .destroy, .prepare: .reply(.done)
        }
    }

    func launch(_ configuration: TokenConfiguration, signingLinks: Int) throws(TokenFailure) -> LaunchedHelper {
        let launch = state.withLock { state in
            state.launches += 1
            return state.launches
        }
        var ours: [CInt] = []
        for _ in 0...signingLinks {
            var pair: [CInt] = [-1, -1]
            guard clinux_socketpair(&pair) == 0 else { throw TokenFailure(.helperDied, message: "socketpair") }
            ours.append(pair[0])
            let theirs = pair[1]
            state.withLock { $0.open[launch, default: []].append(theirs) }
            SupervisorThread.start { self.serve(theirs, launch) }
        }
        return LaunchedHelper(process: Int32(launch), links: ours)
    }

    func end(_ helper: LaunchedHelper) {
        state.withLock { $0.ends += 1 }
        die(Int(helper.process))
    }

    private func die(_ launch: Int) {
        // Closed by the thread that reads it.
        state.withLock { for descriptor in $0.open[launch] ?? [] { shutdown(descriptor, Int32(SHUT_RDWR)) } }
    }

    private func serve(_ descriptor: CInt, _ launch: Int) {
        defer {
            state.withLock { state in
                state.open[launch]?.removeAll { $0 == descriptor }
                close(descriptor)
            }
        }
        var decoder = FrameDecoder()
        var chunk = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = recv(descriptor, &chunk, chunk.count, 0)
            guard count > 0 else { return }
            chunk[..<count].withUnsafeBytes { decoder.append($0) }
            while let (id, request) = try? decoder.nextRequest() {
                state.withLock { state in
                    state.seen.append(request)
                    state.seenOnLink[descriptor, default: []].append(request)
                }
                var bytes: [UInt8] = []
                switch answer(request, launch) {
                case .reply(let reply): reply.encode(id: id, to: &bytes)
                case .replyAs(let other, let reply): reply.encode(id: other, to: &bytes)
                case .bytes(let raw): bytes = raw
                case .announcing(let word):
                    word.encode(id: HelperReply.unasked, to: &bytes)
                    if case .reply(let reply) = SupervisorFakeHelper.usual(request) { reply.encode(id: id, to: &bytes) }
                case .nothing: break
                case .death: return die(launch)
                }
                if !bytes.isEmpty { _ = send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }
            }
        }
    }
}

enum SupervisorThread {
    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    static func start(_ body: @escaping @Sendable () -> Void) {
        let box = Unmanaged.passRetained(Body(body))
        var thread = pthread_t()
        let made = pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run() }
                return nil
            }, box.toOpaque())
        if made == 0 { pthread_detach(thread) } else { box.release() }
    }
}
