import StrictJSON
import Testing

@testable import Varlink

/// Damaged texts, the same in every run: nothing traps, and parsing twice gives the same result.
@Suite struct VarlinkFuzzTests {
    private func damaged(_ text: [UInt8], _ alphabet: [UInt8], _ random: inout SeededGenerator) -> [UInt8] {
        var bytes = text
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let at = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: bytes[at] = UInt8.random(in: .min ... .max, using: &random)
            case 1: bytes[at] = alphabet.randomElement(using: &random) ?? 0
            case 2: bytes.remove(at: at)
            default: bytes.insert(alphabet.randomElement(using: &random) ?? 0, at: at)
            }
        }
        return bytes
    }

    @Test func interfaceDescriptions() {
        var random = SeededGenerator(11)
        var read = 0
        for _ in 0..<4000 {
            let bytes = damaged(Array(TestService.text.utf8), Array("()[]?:,->#. \n\raA1_".utf8), &random)
            do throws(VarlinkInterfaceError) {
                let interface = try VarlinkInterface(parsing: String(decoding: bytes, as: UTF8.self))
                #expect(interface.name.utf8.count >= 3)
                read += 1
            } catch {
                #expect(error.line >= 1 && error.column >= 1)
            }
        }
        #expect(read > 100)
    }

    @Test func replies() {
        var random = SeededGenerator(12)
        let replies = [#"{"parameters":{"a":[1,"é"]},"continues":true}"#, #"{"error":"a.b.C","parameters":{"x":null}}"#].map {
            Array($0.utf8)
        }
        var read = 0
        for _ in 0..<10_000 {
            let bytes = damaged(replies.randomElement(using: &random) ?? [], Array(#"{}[]":,\utrue"#.utf8), &random)
            do {
                _ = try VarlinkReply.parse(bytes, limits: .default)
                read += 1
            } catch is VarlinkError {
                read += 1
            } catch {
                #expect(error is JSONError)
            }
        }
        #expect(read > 100)
    }

    @Test("a stream cut and mixed at random: the framer gives out every byte but the NULs, in order")
    func streams() throws {
        var random = SeededGenerator(13)
        for _ in 0..<500 {
            let stream = (0..<Int.random(in: 0...300, using: &random)).map { _ in UInt8.random(in: 0...3, using: &random) } + [0]
            var framer = VarlinkFramer(maximumMessageSize: 300)
            var messages: [[UInt8]] = []
            var at = 0
            while at < stream.count {
                let length = Int.random(in: 1...20, using: &random)
                framer.append(stream[at..<min(at + length, stream.count)])
                at += length
                while Bool.random(using: &random), let message = try framer.next() { messages.append(Array(message)) }
            }
            while let message = try framer.next() { messages.append(Array(message)) }
            #expect(messages == stream.dropLast().split(separator: 0, omittingEmptySubsequences: false).map(Array.init))
        }
    }
}
