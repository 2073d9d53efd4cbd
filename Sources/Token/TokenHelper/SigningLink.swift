import Glibc
import TokenProtocol

/// One signing link, on its own thread with blocking reads. Replies to a batch of pipelined requests share one write if
/// they follow quickly.
enum SigningLink {
    static func run(descriptor: Int32, keeper: TokenKeeper) {
        let link = Link(descriptor: descriptor)
        let signer = Signer(keeper: keeper)
        var decoder = FrameDecoder()
        var output: [UInt8] = []
        output.reserveCapacity(4096)
        while link.read({ decoder.append($0) }) {
            var due = now() &+ longestHoldBack
            do throws(FrameError) {
                while let (id, request) = try decoder.nextRequest() {
                    reply(to: request, signer).encode(id: id, to: &output)
                    guard now() >= due else { continue }
                    guard link.write(output) else { return }
                    output.removeAll(keepingCapacity: true)
                    due = now() &+ longestHoldBack
                }
            } catch {
                Log.warning("a signing link carries something that is not a request: \(error)")
                _exit(ExitCode.misuse)
            }
            guard output.isEmpty || link.write(output) else { return }
            output.removeAll(keepingCapacity: true)
        }
    }

    /// How long a reply waits for the ones after it, in nanoseconds: several P-256 signatures, less than one of RSA.
    /// Replies of a slow token must not wait for one another: the daemon considers a link hung if it owes a reply for
    /// too long.
    private static let longestHoldBack: UInt64 = 500_000

    /// Nanoseconds of CLOCK_MONOTONIC.
    private static func now() -> UInt64 {
        var moment = timespec()
        clock_gettime(CLOCK_MONOTONIC, &moment)
        return UInt64(moment.tv_sec) &* 1_000_000_000 &+ UInt64(moment.tv_nsec)
    }

    private static func reply(to request: HelperRequest, _ signer: Signer) -> HelperReply {
        guard case .sign(let key, let mechanism, let input) = request else {
            return .failure(TokenFailure(.invalidRequest, message: "a signing link takes requests for signatures only"))
        }
        switch signer.sign(key, mechanism, input) {
        case .success(let signature): return .signature(signature)
        case .failure(let failure): return .failure(failure)
        }
    }
}
