import StrictJSON
import Testing

/// The same bytes in every run: a failure is a test case.
struct SplitMix64: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// No input may trap or hang. Accepted text can be read to its last value and has the values of the text.
@Suite struct JSONFuzzTests {
    private static let alphabet =
        Array(#"{}[]",:\/ue0123456789.-+Eabtrnflsdé"#.utf8) + [0x00, 0x20, 0x0A, 0xC3, 0xED, 0xA0, 0xF4, 0x80, 0xFF]

    /// Reads everything and writes it again.
    private func rewrite(_ value: JSONValue, _ writer: inout JSONWriter) throws {
        switch value.kindName {
        case "object":
            writer.beginObject()
            for member in try value.object() {
                writer.name(member.name)
                _ = member.printableName
                try rewrite(member.value, &writer)
            }
            writer.endObject()
        case "array":
            writer.beginArray()
            for element in try value.array() { try rewrite(element, &writer) }
            writer.endArray()
        case "string": writer.string(try value.string())
        default:
            _ = try? value.integer()
            _ = try? value.double()
            writer.raw(value.source)
        }
    }

    private func check(_ bytes: [UInt8]) throws -> Bool {
        guard let document = try? JSONDocument(parsing: bytes) else { return false }
        var once = JSONWriter()
        try rewrite(document.root, &once)
        var twice = JSONWriter()
        try rewrite(JSONDocument(parsing: once.bytes).root, &twice)
        #expect(once.bytes == twice.bytes)
        return true
    }

    @Test func randomBytes() throws {
        var random = SplitMix64(state: 1)
        for _ in 0..<20_000 {
            let length = Int.random(in: 0..<64, using: &random)
            _ = try check((0..<length).map { _ in UInt8.random(in: .min ... .max, using: &random) })
        }
    }

    @Test func randomTokens() throws {
        var random = SplitMix64(state: 2)
        var accepted = 0
        for _ in 0..<40_000 {
            let length = Int.random(in: 0..<12, using: &random)
            let bytes = (0..<length).map { _ in JSONFuzzTests.alphabet.randomElement(using: &random) ?? 0 }
            if try check(bytes) { accepted += 1 }
        }
        #expect(accepted > 100)
    }

    @Test func mutatedMessages() throws {
        let message = Array(
            #"{"method":"org.example.Thing.Do","parameters":{"n":["www.example.org","\u00e9\ud83d\ude00"],"i":-12.5e3,"o":{"p":null}}}"#
                .utf8)
        var random = SplitMix64(state: 3)
        var accepted = 0
        for _ in 0..<40_000 {
            var bytes = message
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let at = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[at] = UInt8.random(in: .min ... .max, using: &random)
                case 1: bytes[at] = JSONFuzzTests.alphabet.randomElement(using: &random) ?? 0
                case 2: bytes.remove(at: at)
                default: bytes.insert(JSONFuzzTests.alphabet.randomElement(using: &random) ?? 0, at: at)
                }
            }
            if try check(bytes) { accepted += 1 }
        }
        #expect(accepted > 1000)
    }
}
