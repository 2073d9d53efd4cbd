import JOSE
import Testing
import TokenProtocol
import TokenTestSupport

@Suite("Helper protocol: bounds")
struct ProtocolLimitTests {
    static let longText = String(repeating: "é", count: 3_000)

    @Test("What a helper would refuse to read is refused before it is sent")
    func refusals() {
        let reference = ProtocolSamples.reference
        var longLabel = reference, longID = reference, longKey = reference
        longLabel.label = String(repeating: "x", count: TokenLimits.label + 1)
        longID.id = [UInt8](repeating: 0, count: TokenLimits.id + 1)
        longKey.spki = [UInt8](repeating: 0, count: TokenLimits.spki + 1)
        var refused: [HelperRequest] = [
            .find(uri: String(repeating: "x", count: TokenLimits.uri + 1)), .generate(label: longLabel.label, id: [1], algorithm: .p256),
            .generate(label: "x", id: longID.id, algorithm: .p256),
            .sign(reference, .ed25519, [UInt8](repeating: 0, count: TokenLimits.message + 1)),
        ]
        for count in [0, 20, 31, 33, 47, 49, 63, 65] {
            refused.append(.sign(reference, .ecdsa, [UInt8](repeating: 0, count: count)))
            refused.append(.sign(reference, .rsaPKCS1SHA256, [UInt8](repeating: 0, count: count)))
            refused.append(.sign(reference, .rsaPSSSHA384, [UInt8](repeating: 0, count: count)))
            refused.append(.sign(reference, .rsaPKCS1SHA512, [UInt8](repeating: 0, count: count)))
        }
        for key in [longLabel, longID, longKey] {
            refused.append(.destroy(key))
            refused.append(.sign(key, .ecdsa, [UInt8](repeating: 0, count: 32)))
        }
        let change: [(inout TokenConfiguration) -> Void] = [
            { $0.name = Self.longText }, { $0.module = Self.longText }, { $0.uri = Self.longText }, { $0.pinSource = Self.longText },
            { $0.stateDirectory = Self.longText }, { $0.pool = 0 }, { $0.pool = TokenLimits.pool + 1 },
            { $0.helperMebibytes = 0 }, { $0.helperMebibytes = TokenLimits.helperMebibytes.upperBound + 1 },
            { $0.environment["A"] = Self.longText },
            { $0.environment[Self.longText] = "" },
            { for index in 0...TokenLimits.environment { $0.environment["V\(index)"] = "" } },
        ]
        for change in change {
            var configuration = ProtocolSamples.configuration
            change(&configuration)
            refused.append(.hello(configuration))
        }
        for request in refused { #expect(request.refusal?.kind == .invalidRequest, "\(request)") }
        for request in ProtocolSamples.requests { #expect(request.refusal == nil, "\(request)") }
    }

    @Test("A failure's texts are cut to their limit, never within a character")
    func longFailure() throws {
        let failure = TokenFailure(.device, function: Self.longText, returnValue: 5, message: "x" + Self.longText, hint: Self.longText)
        var decoder = FrameDecoder()
        decoder.append(ProtocolSamples.bytes(HelperReply.failure(failure)))
        guard case .failure(let read)? = try decoder.nextReply()?.reply else {
            Issue.record("no failure")
            return
        }
        #expect(read.kind == .device)
        #expect(read.returnValue == 5)
        #expect(read.message.utf8.count == TokenLimits.sentence - 1)
        #expect(("x" + Self.longText).hasPrefix(read.message))
        #expect(read.hint?.utf8.count == TokenLimits.sentence)
        #expect(read.function?.utf8.count == TokenLimits.text)
    }

    @Test("A long listing comes in pages; a key that cannot be named is left out", arguments: [0, 1, 64, 65, 200])
    func listing(_ count: Int) throws {
        var keys = (0..<count).map { index in
            var key = ProtocolSamples.key
            key.reference.id = [UInt8(index)]
            return key
        }
        let wanted = keys
        var foreign = ProtocolSamples.key
        foreign.reference.label = Self.longText
        keys.insert(foreign, at: count / 2)
        var decoder = FrameDecoder()
        decoder.append(ProtocolSamples.bytes(HelperReply.keys(keys, more: false), id: 9))
        var read: [TokenKey] = []
        var isMore = true
        while isMore {
            let next = try #require(try got(decoder.nextReply()))
            #expect(next.id == 9)
            guard case .keys(let page, let more) = next.reply else {
                Issue.record("no keys")
                return
            }
            read += page
            isMore = more
        }
        #expect(read == wanted)
        #expect(!decoder.isInFrame)
    }

    @Test("A page of the longest keys fits into a frame")
    func longestPage() throws {
        let reference = TokenKeyReference(
            id: [UInt8](repeating: 0, count: TokenLimits.id), label: String(repeating: "x", count: TokenLimits.label),
            spki: [UInt8](repeating: 0, count: TokenLimits.spki))
        let key = TokenKey(reference: reference, algorithm: .rsa4096, weaknesses: [])
        var decoder = FrameDecoder()
        decoder.append(ProtocolSamples.bytes(HelperReply.keys(Array(repeating: key, count: TokenLimits.keysInReply), more: false)))
        #expect(try got(decoder.nextReply()) != nil)
    }
}
