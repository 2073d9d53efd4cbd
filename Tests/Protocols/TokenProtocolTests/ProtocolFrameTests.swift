import JOSE
import Testing
import TokenProtocol
import TokenTestSupport

@Suite("Helper protocol: frames")
struct ProtocolFrameTests {
    @Test("Every message comes back unchanged, also byte by byte and many at once")
    func roundTrips() throws {
        var requests = FrameDecoder(), replies = FrameDecoder()
        for (index, request) in ProtocolSamples.requests.enumerated() {
            requests.append(ProtocolSamples.bytes(request, id: UInt32(index)))
        }
        for (index, request) in ProtocolSamples.requests.enumerated() {
            let next = try #require(try got(requests.nextRequest()))
            #expect(next.id == UInt32(index))
            #expect(next.request == request)
        }
        #expect(try got(requests.nextRequest()) == nil)
        #expect(!requests.isInFrame)

        for reply in ProtocolSamples.replies {
            let bytes = ProtocolSamples.bytes(reply, id: .max)
            for byte in bytes.dropLast() {
                replies.append([byte])
                #expect(try got(replies.nextReply()) == nil)
            }
            #expect(replies.isInFrame)
            replies.append(bytes.suffix(1))
            let next = try #require(try got(replies.nextReply()))
            #expect(next.id == .max)
            #expect(next.reply == reply)
        }
    }

    @Test("The longest message fits into a frame")
    func longestMessage() throws {
        let request = HelperRequest.sign(ProtocolSamples.reference, .ed25519, [UInt8](repeating: 5, count: TokenLimits.message))
        #expect(request.refusal == nil)
        var decoder = FrameDecoder()
        decoder.append(ProtocolSamples.bytes(request))
        #expect(try got(decoder.nextRequest())?.request == request)
    }

    @Test("A frame cut at any place is not read; one cut inside by a shorter length is refused")
    func truncated() throws {
        for request in ProtocolSamples.requests {
            let bytes = ProtocolSamples.bytes(request)
            for count in 0..<bytes.count {
                var decoder = FrameDecoder()
                decoder.append(bytes[..<count])
                #expect(try got(decoder.nextRequest()) == nil)
            }
            // The length says less than the fields need.
            for shorter in 5..<(bytes.count - 4) {
                var cut = Array(bytes[..<(4 + shorter)])
                withUnsafeBytes(of: UInt32(shorter).littleEndian) { cut.replaceSubrange(0..<4, with: $0) }
                var decoder = FrameDecoder()
                decoder.append(cut)
                #expect(throws: FrameError.self) { try decoder.nextRequest() }
            }
            // The length says more.
            var longer = bytes + [0]
            withUnsafeBytes(of: UInt32(longer.count - 4).littleEndian) { longer.replaceSubrange(0..<4, with: $0) }
            var decoder = FrameDecoder()
            decoder.append(longer)
            #expect(throws: FrameError.self) { try decoder.nextRequest() }
        }
    }

    @Test("A length out of bounds is refused before its bytes are collected", arguments: [0, 4, UInt32(TokenLimits.frame) + 1, .max])
    func lengths(_ length: UInt32) {
        var decoder = FrameDecoder()
        decoder.append(withUnsafeBytes(of: length.littleEndian) { Array($0) })
        #expect(throws: FrameError.self) { try decoder.nextReply() }
    }

    @Test("After an error nothing more is read")
    func errorIsFinal() {
        var decoder = FrameDecoder()
        decoder.append([5, 0, 0, 0, 1, 0, 0, 0, 0x77] + ProtocolSamples.bytes(HelperReply.done))
        #expect(throws: FrameError.self) { try decoder.nextReply() }
        decoder.append(ProtocolSamples.bytes(HelperReply.done))
        #expect(throws: FrameError.self) { try decoder.nextReply() }
    }

    @Test("Bad UTF-8, booleans and kinds are refused")
    func badFields() {
        let find = ProtocolSamples.bytes(HelperRequest.find(uri: "aé"))
        var decoder = FrameDecoder()
        decoder.append(find.dropLast() + [0x28])
        #expect(throws: FrameError.self) { try decoder.nextRequest() }

        var keys = ProtocolSamples.bytes(HelperReply.keys([], more: false))
        keys[9] = 2
        decoder = FrameDecoder()
        decoder.append(keys)
        #expect(throws: FrameError.self) { try decoder.nextReply() }

        // A daemon does not take a request for a reply.
        decoder = FrameDecoder()
        decoder.append(ProtocolSamples.bytes(HelperRequest.hello(ProtocolSamples.configuration)))
        #expect(throws: FrameError.self) { try decoder.nextReply() }
    }

    @Test("Damaged frames give a message or an error, never a trap", arguments: [UInt64(1), 2, 3, 4])
    func damaged(_ seed: UInt64) {
        var random = SeededGenerator(state: seed)
        let samples = ProtocolSamples.requests.map { ProtocolSamples.bytes($0) } + ProtocolSamples.replies.map { ProtocolSamples.bytes($0) }
        for _ in 0..<5_000 {
            var bytes: [UInt8] = []
            for _ in 0..<Int.random(in: 1...3, using: &random) { bytes += samples.randomElement(using: &random) ?? [] }
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                case 1: bytes[index] = .random(in: 0...255, using: &random)
                case 2: bytes.remove(at: index)
                default: bytes.insert(.random(in: 0...255, using: &random), at: index)
                }
                if bytes.isEmpty { bytes = [0] }
            }
            var requests = FrameDecoder(), replies = FrameDecoder()
            var at = 0
            while at < bytes.count {
                let end = min(bytes.count, at + Int.random(in: 1...200, using: &random))
                requests.append(bytes[at..<end])
                replies.append(bytes[at..<end])
                at = end
                while let request = try? requests.nextRequest() {
                    // What was read can be written and read again.
                    var again = FrameDecoder()
                    again.append(ProtocolSamples.bytes(request.request))
                    let second = try? again.nextRequest()
                    #expect(second?.request == request.request)
                }
                while let reply = try? replies.nextReply() {
                    var again = FrameDecoder()
                    again.append(ProtocolSamples.bytes(reply.reply))
                    let second = try? again.nextReply()
                    #expect(second?.reply == reply.reply)
                }
            }
        }
    }
}
