import Glibc
import TokenProtocol

/// One signing link: a thread of its own, blocking reads, each batch of pipelined requests answered by one write.
enum SigningLink {
    static func run(descriptor: Int32, keeper: TokenKeeper) {
        let link = Link(descriptor: descriptor)
        let signer = Signer(keeper: keeper)
        var decoder = FrameDecoder()
        var output: [UInt8] = []
        output.reserveCapacity(4096)
        while link.read({ decoder.append($0) }) {
            do throws(FrameError) {
                while let (id, request) = try decoder.nextRequest() {
                    reply(to: request, signer).encode(id: id, to: &output)
                }
            } catch {
                Log.warning("a signing link carries what is no request: \(error)")
                _exit(ExitCode.misuse)
            }
            guard link.write(output) else { return }
            output.removeAll(keepingCapacity: true)
        }
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
